import { onToken } from "./link.js";
import { call } from "./api.js";
import { ended, texts } from "./invitation.js";
import { say } from "./say.js";
import { Form, fill, notice, section, show } from "./view.js";

let token = "";
let invite = null; // what invite-info answered

// One form for each thing that accepting can ask; what a form does not ask is not sent.
const forms = Object.fromEntries(
  ["activate", "activate_plain", "add_to_app", "add_plain", "password_reset"].map((state) => [
    state,
    new Form(section(state).querySelector("form"), ({ email, ...asked }) => accept(state, asked)),
  ]),
);
section("retry").querySelector("button").addEventListener("click", () => preview());

onToken((given) => {
  token = given;
  if (token) preview();
  else show("no-link");
});

async function preview() {
  const mine = token;
  show("loading");
  const answer = await call("POST", "/v1/identity/auth/invite-info", { body: { token: mine } });
  if (mine !== token) return; // another link was opened meanwhile
  if (answer.ok) return open(answer.data);
  if (answer.status === 400) return show("not-found");
  const end = ended(answer);
  if (end) return show(end);
  fill(section("retry"), { reason: say(answer) });
  show("retry");
}

function stateOf(data) {
  if (data.intent === "activate") return data.password_required ? "activate" : "activate_plain";
  if (data.intent === "add_to_app") return data.password_required ? "add_to_app" : "add_plain";
  return "password_reset";
}

function open(data) {
  invite = data;
  for (const state of [...Object.keys(forms), "done"]) fill(section(state), texts(data));
  const state = stateOf(data);
  const form = forms[state];
  form.clear();
  form.set("email", data.email);
  if (form.input("first_name")) {
    form.set("first_name", data.first_name);
    form.set("last_name", data.last_name);
  }
  show(state);
}

const refusals = {
  "identities.password_breached": "This password is known from a leak of another service. Choose another one.",
  "identities.password_reused": "You have used this password lately. Choose another one.",
};

async function accept(state, entries) {
  const mine = token;
  const answer = await call("POST", "/v1/identity/auth/accept-invite", { body: { token: mine, ...entries } });
  if (mine !== token) return null;
  if (answer.ok) {
    token = "";
    for (const form of Object.values(forms)) form.clear();
    show(state === "password_reset" ? "changed" : "done");
    return null;
  }
  const end = ended(answer);
  if (end) {
    show(end);
    return null;
  }
  const form = forms[state];
  if (refusals[answer.code] && form.input("password")) {
    form.refuse("password", refusals[answer.code]);
    return null;
  }
  if (answer.code === "auth.invalid_credentials" && state === "add_to_app") {
    form.refuse("password", "This is not your current password.");
    return null;
  }
  if (answer.code === "auth.invalid_credentials" || asksMore(form, answer)) {
    // The address has become somebody's, or got a password, since the form was opened.
    await preview();
    const now = forms[stateOf(invite)];
    if (now !== form && !section(stateOf(invite)).hidden) notice(now.form, "Your sign-in has changed meanwhile. Please look again.");
    return null;
  }
  return answer;
}

// Whether something is wanted that the form does not ask.
function asksMore(form, answer) {
  return answer.status === 400 && answer.details.some((detail) => !form.input(detail.split(" ", 1)[0]));
}
