import { call } from "./api.js";
import { openHome, leaveHome } from "./home.js";
import { say } from "./say.js";
import * as session from "./session.js";
import { Form, announce, busy, element, notice, section, show } from "./view.js";

const signIn = section("form");
const again = signIn.querySelector(".again");

const form = new Form(signIn.querySelector("form"), async (values) => {
  again.hidden = true;
  const answer = await call("POST", "/v1/auth/login", { body: { email: values.email, password: values.password } });
  if (!answer.ok) {
    again.hidden = answer.code !== "auth.email_not_verified";
    if (answer.code !== "auth.invalid_credentials") return answer;
    notice(form.form, say(answer), { focus: false });
    form.input("password").focus();
    return null;
  }
  const { data } = answer;
  if (data.requires_account_selection || data.requires_application_selection) {
    form.set("password", "");
    choose(data);
    return null;
  }
  return enter(data.access_token);
});

const resend = again.querySelector("button");
resend.addEventListener("click", () =>
  busy(resend, async () => {
    const answer = await call("POST", "/v1/auth/resend-verification", { body: { email: form.values.email } });
    if (!answer.ok) return notice(form.form, say(answer));
    again.hidden = true;
    notice(form.form, "If the address is waiting to be confirmed, a new link is on its way.");
  }),
);

// Opens the signed-in page; an answer that stands in the way is returned.
async function enter(token) {
  session.begin(token);
  const refused = await openHome(leave);
  if (!refused) form.clear();
  return refused;
}

// Back to the form, with a sentence on how one came there.
function leave(reason) {
  leaveHome();
  form.clear();
  again.hidden = true;
  show("form");
  announce(reason ?? "");
}

function choose(data) {
  const place = section("choose");
  const list = place.querySelector("[data-list]");
  // With one Account the applications may stand beside it instead of within.
  const accounts = data.accounts ?? [{ ...data.account, applications: data.applications ?? data.account.applications }];
  list.replaceChildren(
    ...accounts.map((account) => {
      const heading = element("h2", {}, account.account_name);
      const items = account.applications.map((application) => {
        const button = element("button", { type: "button", class: "pick" }, application.name);
        button.setAttribute("aria-label", `${application.name}, ${account.account_name}`);
        button.addEventListener("click", () =>
          busy(button, () => select(place, data.access_token, account.account_id, application.id)),
        );
        return element("li", {}, button);
      });
      if (items.length === 0) return element("div", { class: "group" }, heading, element("p", { class: "quiet" }, "No application yet."));
      return element("div", { class: "group" }, heading, element("ul", { class: "picks" }, ...items));
    }),
  );
  notice(place, "");
  show("choose");
}

async function select(place, token, accountID, applicationID) {
  notice(place, "");
  const answer = await call("POST", "/v1/auth/select-application", {
    token,
    body: { account_id: accountID, application_id: applicationID },
  });
  if (answer.status === 401) return leave("That took too long. Please sign in again.");
  const refused = answer.ok ? await enter(answer.data.access_token) : answer;
  if (refused) notice(place, say(refused));
}

section("choose")
  .querySelector('[data-action="back"]')
  .addEventListener("click", () => leave());

session.onEndElsewhere(() => {
  if (!section("home").hidden) leave("You are signed out.");
});

// A live session opens at once; anything else shows the form.
const found = await session.refresh();
if (!found.ok || (await openHome(leave))) {
  show("form", { quiet: true });
  if (!found.ok && found.status !== 401) notice(form.form, say(found), { focus: false });
}
