// The signed-in page: who one is, the Account's pending invites, a form for a
// new one.

import { say } from "./say.js";
import * as session from "./session.js";
import { Form, announce, busy, element, fill, notice, section, show } from "./view.js";

const home = section("home");
const table = home.querySelector("table");
const rows = home.querySelector("tbody");
const empty = home.querySelector('[data-view="empty"]');
const pager = home.querySelector(".pager");
const dialog = home.querySelector("dialog");
const listTitle = home.querySelector("#invites-title");
const take = 20;

let invites = ""; // the Account's invite collection
let page = 1;
let leave = () => {};
let retryKey = ""; // Idempotency-Key of the current entries

// Shows the page of the session's person; returns the answer that refused it,
// or null. leavePage(reason) is called when the session is over.
export async function openHome(leavePage) {
  leave = leavePage;
  const answer = await session.authorized("GET", "/v1/auth/me");
  if (!answer.ok) return answer;
  const me = answer.data;
  invites = `/portal/v1/accounts/${encodeURIComponent(me.account.account_slug)}/user-invites`;
  page = 1;
  fill(home, {
    account: me.account.account_name,
    role: me.account.account_role,
    application: me.application?.name ?? "",
    name: `${me.first_name} ${me.last_name}`,
    email: me.email,
  });
  forget();
  await list();
  show("home");
  return null;
}

// Removes what the page showed about person and Account.
export function leaveHome() {
  forget();
  if (dialog.open) dialog.close("keep");
  fill(home, { account: "", role: "", application: "", name: "", email: "", whom: "" });
}

function forget() {
  notice(home, "");
  announce("");
  rows.replaceChildren();
  create.clear();
  renewKey();
}

// Calls with the session; when it is over the page is left and null returned.
async function ask(method, path, options) {
  const answer = await session.authorized(method, path, options);
  if (answer.status !== 401) return answer;
  session.end();
  leave("Your session has ended. Please sign in again.");
  return null;
}

async function list() {
  const answer = await ask("GET", `${invites}?status=pending&page=${page}&take=${take}`);
  if (!answer) return;
  if (!answer.ok) return notice(home, "The invites could not be read. " + say(answer), { focus: false });
  const { page_count: count } = answer.pagination;
  if (page > count && count > 0) {
    page = count; // the last row of the last page has gone
    return list();
  }
  rows.replaceChildren(...answer.items.map(row));
  table.hidden = answer.items.length === 0;
  empty.hidden = answer.items.length > 0;
  pager.hidden = count <= 1;
  fill(pager, { page: `Page ${page} of ${count}` });
  pager.querySelector('[data-action="previous"]').disabled = page <= 1;
  pager.querySelector('[data-action="next"]').disabled = page >= count;
}

const deliveries = { queued: "Queued", sent: "Sent", failed: "Failed", bounced: "Bounced" };

function row(invite) {
  const resend = element("button", { type: "button", class: "second small", "aria-label": `Resend the invite to ${invite.email}` }, "Resend");
  resend.addEventListener("click", () => act(resend, "POST", `/${invite.id}/resend`, `A new mail goes to ${invite.email}.`));
  const revoke = element("button", { type: "button", class: "second small", "aria-label": `Withdraw the invite to ${invite.email}` }, "Withdraw");
  revoke.addEventListener("click", async () => {
    if (!(await confirmed(invite))) return revoke.focus();
    await act(revoke, "DELETE", `/${invite.id}`, `The invite to ${invite.email} is withdrawn.`);
  });
  const state = element("span", { class: "delivery", "data-delivery": invite.delivery }, deliveries[invite.delivery] ?? invite.delivery);
  const sent = invite.last_sent_at ? element("span", { class: "quiet" }, when(invite.last_sent_at)) : "";
  return element(
    "tr",
    { role: "row", "data-invite": invite.id },
    cell("Person", element("strong", {}, invite.name), element("span", { class: "quiet" }, invite.email)),
    cell("Mail", state, sent),
    cell("Expires", when(invite.expires_at)),
    element("td", { role: "cell", class: "actions" }, resend, revoke),
  );
}

function cell(label, ...content) {
  return element("td", { role: "cell", "data-label": label }, element("div", {}, ...content));
}

const dates = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });

function when(time) {
  return element("time", { datetime: time }, dates.format(new Date(time)));
}

// Does something to one row, then reads the list again. The row's buttons are
// rebuilt with it, so the focus goes to the list's heading.
async function act(button, method, path, done) {
  notice(home, "");
  announce("");
  await busy(button, async () => {
    const answer = await ask(method, invites + path);
    if (!answer) return;
    if (!answer.ok && answer.code !== "invites.not_pending" && answer.status !== 404) return notice(home, say(answer));
    await list();
    listTitle.focus();
    if (answer.ok) announce(done);
    else notice(home, say(answer), { focus: false });
  });
}

function confirmed(invite) {
  fill(dialog, { whom: invite.email });
  dialog.returnValue = "keep";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "revoke"), { once: true });
  });
}

const create = new Form(home.querySelector("form:not([method=dialog])"), async ({ email, first_name, last_name }) => {
  notice(home, "");
  const answer = await ask("POST", invites, {
    body: { email, first_name, last_name },
    headers: { "Idempotency-Key": retryKey },
  });
  if (!answer) return null;
  if (answer.status === 409 && answer.code.startsWith("invites.")) {
    create.refuse("email", say(answer));
    return null;
  }
  if (!answer.ok) return answer;
  create.clear();
  renewKey();
  page = 1;
  await list();
  announce(`${answer.data.name} is invited; the mail goes to ${answer.data.email}.`);
  create.input("first_name").focus();
  return null;
});
for (const input of create.inputs) input.addEventListener("input", renewKey);

// A repeat of the same entries shares a key, so that an invite whose answer got
// lost is not made twice; other entries get another.
function renewKey() {
  retryKey = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

for (const [action, step] of [["previous", -1], ["next", 1]]) {
  const button = pager.querySelector(`[data-action="${action}"]`);
  button.addEventListener("click", async () => {
    page += step;
    await list();
    listTitle.focus();
  });
}

const out = home.querySelector('[data-action="sign-out"]');
out.addEventListener("click", () =>
  busy(out, async () => {
    const answer = await session.authorized("POST", "/v1/auth/logout", { body: {} });
    if (!answer.ok && answer.status !== 401) return notice(home, "You are still signed in. " + say(answer));
    session.end();
    leave("You are signed out.");
  }),
);
