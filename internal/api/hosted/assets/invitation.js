// What both pages of invitations share.

// The state of the page for a link that no longer works, or null.
export function ended(answer) {
  if (answer.status === 404) return "not-found";
  if (answer.status !== 410) return null;
  return { "invites.expired": "expired", "invites.revoked": "revoked", "invites.already_accepted": "used" }[answer.code] ?? "not-found";
}

// What the page says of an invitation, by the names of its places.
export function texts(data) {
  return {
    app_name: data.app_name,
    inviter: data.inviter_email ? data.inviter_email + " has invited you." : "You have been invited.",
  };
}
