// What an answer means, in a sentence for the person in front of the page.

const sentences = {
  offline: "The server cannot be reached. Check your connection and try again.",
  "server.busy": "The server is busy right now. Please try again in a moment.",
  "server.unavailable": "The server is not available right now. Please try again in a moment.",
  "server.internal": "Something went wrong on our side. Please try again in a moment.",
  "auth.invalid_credentials": "E-mail and password do not match.",
  "auth.email_not_verified": "Your address is not confirmed yet. Open the link in the mail we sent you.",
  "auth.no_active_account": "You are not an active member of any Account. Ask the person who manages yours.",
  "auth.sign_up_closed": "Sign-up is closed here. Ask for an invitation instead.",
  "auth.origin_refused": "The server refuses calls from this address. Open the page under the server's public address.",
  "invites.already_pending": "There is a pending invite for this address already.",
  "invites.already_member": "This person is a member of this Account already.",
  "invites.member_deactivated": "This person is a deactivated member; activate them instead.",
  "invites.not_pending": "This invite is no longer pending.",
  "invites.assignment_unavailable": "What this invitation gives can't be given any more. Ask the person who invited you.",
  "identities.inactive": "This sign-in is switched off. Ask the person who invited you.",
  "invites.not_found": "This invite no longer exists.",
};

export function say(answer) {
  switch (answer.code) {
    case "auth.too_many_attempts":
    case "rate_limit.exceeded":
      return "There were too many tries. Please wait " + wait(answer.retryAfter) + " and try again.";
    case "invites.resend_cooldown":
      return "The last mail went out less than five minutes ago. Please wait " + wait(answer.retryAfter) + ".";
  }
  const known = sentences[answer.code];
  if (known) return known;
  if (answer.status === 503 || answer.status === 502 || answer.status === 504) return sentences["server.unavailable"];
  if (answer.status >= 500) return sentences["server.internal"];
  if (answer.status === 429) return "There were too many tries. Please wait " + wait(answer.retryAfter) + " and try again.";
  return answer.message ? answer.message + "." : "That did not work. Please try again.";
}

function wait(seconds) {
  if (seconds <= 0) return "a little";
  if (seconds < 90) return seconds === 1 ? "a second" : seconds + " seconds";
  return Math.ceil(seconds / 60) + " minutes";
}
