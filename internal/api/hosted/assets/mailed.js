// What verify-email and reset-password share: one call that uses up a mailed
// link, and a form that asks for a new mail when the link is too old. Where a page
// has a form for it, a link that alone does not say enough asks for the password.

import { call } from "./api.js";
import { Form, section, show } from "./view.js";

export function mailed({ onToken, use, again }) {
  let token = "";

  const sender = (state) =>
    new Form(section(state).querySelector("form"), async (values) => {
      const mine = token;
      const answer = await call("POST", use, { body: { token: mine, ...values } });
      if (mine !== token) return null; // another link was opened meanwhile
      if (answer.code === "auth.password_required" && password) {
        show("password");
        return null;
      }
      if (answer.code === "auth.invalid_credentials" && password) {
        password.refuse("password", "No sign-up that waits for this address has this password.");
        return null;
      }
      const next = outcome(answer);
      if (!next) return answer;
      token = "";
      clear();
      show(next);
      return null;
    });

  const form = sender("form");
  const password = section("password") && sender("password");

  const ask = new Form(section("expired").querySelector("form"), async (values) => {
    const answer = await call("POST", again, { body: { email: values.email } });
    if (!answer.ok) return answer;
    show("sent");
    return null;
  });

  const clear = () => {
    form.clear();
    password?.clear();
    ask.clear();
  };

  onToken((given) => {
    token = given;
    clear();
    show(token ? "form" : "no-link");
  });
}

function outcome(answer) {
  if (answer.ok) return "done";
  if (answer.status === 404) return "not-found";
  if (answer.status === 410) return answer.code === "auth.link_expired" ? "expired" : "used";
  if (answer.status === 400 && answer.details.some((detail) => detail.startsWith("token "))) return "not-found";
  return null;
}
