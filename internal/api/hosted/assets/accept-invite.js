import { onToken } from "./link.js";
import { call } from "./api.js";
import { ended, texts } from "./invitation.js";
import { say } from "./say.js";
import { Form, fill, notice, section, show } from "./view.js";

let token = "";
let invite = null; // what invite-info answered

const activate = new Form(section("activate").querySelector("form"), (values) =>
  accept({ first_name: values.first_name, last_name: values.last_name, password: values.password }),
);
const add = new Form(section("add_to_app").querySelector("form"), (values) =>
  accept({ first_name: invite.first_name, last_name: invite.last_name, password: values.password }),
);
const again = section("retry").querySelector("button");
again.addEventListener("click", () => preview());

onToken((given) => {
  token = given;
  if (token) preview();
  else show("no-link");
});

async function preview() {
  const mine = token;
  show("loading");
  const answer = await call("POST", "/v1/auth/invite-info", { body: { token: mine } });
  if (mine !== token) return; // another link was opened meanwhile
  if (answer.ok) return open(answer.data);
  if (answer.status === 400) return show("not-found");
  const end = ended(answer);
  if (end) return show(end);
  fill(section("retry"), { reason: say(answer) });
  show("retry");
}

function open(data) {
  invite = data;
  for (const name of ["activate", "add_to_app", "done"]) fill(section(name), texts(data));
  const form = data.intent === "add_to_app" ? add : activate;
  form.clear();
  form.set("email", data.email);
  if (form === activate) {
    form.set("first_name", data.first_name);
    form.set("last_name", data.last_name);
  }
  show(form === add ? "add_to_app" : "activate");
}

async function accept(entries) {
  const mine = token;
  const answer = await call("POST", "/v1/auth/accept-invite", { body: { token: mine, ...entries } });
  if (mine !== token) return null;
  if (answer.ok) {
    token = "";
    activate.clear();
    add.clear();
    show("done");
    return null;
  }
  const end = ended(answer);
  if (end) {
    show(end);
    return null;
  }
  if (answer.code === "auth.invalid_credentials") {
    if (invite.intent === "add_to_app") {
      add.refuse("password", "This is not your current password.");
      return null;
    }
    // The address has become a user's since the form was opened.
    await preview();
    if (invite.intent === "add_to_app") {
      notice(add.form, "There is a sign-in for this address by now. Please enter its password.");
    }
    return null;
  }
  return answer;
}
