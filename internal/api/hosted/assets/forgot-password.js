import { call } from "./api.js";
import { Form, fill, section, show } from "./view.js";

new Form(section("form").querySelector("form"), async ({ email }) => {
  const answer = await call("POST", "/v1/auth/forgot-password", { body: { email } });
  if (!answer.ok) return answer;
  fill(section("sent"), { email: email.trim() });
  show("sent");
  return null;
});

show("form", { quiet: true });
