import { call } from "./api.js";
import { Form, announce, fill, section, show } from "./view.js";

let address = "";

const form = new Form(section("form").querySelector("form"), async (values) => {
  const answer = await call("POST", "/v1/auth/register", { body: values });
  if (!answer.ok) return answer;
  address = answer.data.user.email;
  fill(section("sent"), { email: address, account: answer.data.account.name });
  form.clear();
  show("sent");
  return null;
});

new Form(section("sent").querySelector("form"), async () => {
  const answer = await call("POST", "/v1/auth/resend-verification", { body: { email: address } });
  if (!answer.ok) return answer;
  announce("If the address is waiting to be confirmed, a new mail is on its way. Only its link works now.");
  return null;
});

show("form", { quiet: true });
