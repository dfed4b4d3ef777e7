// Runs the guide's receiver for a test: the secret comes on the first line of the input, what
// happens goes to the output, a line each, first the port. It ends with its input.
import { createInterface } from "node:readline";
import type { AddressInfo } from "node:net";
import { receiver } from "./receiver.js";

const lines = createInterface({ input: process.stdin });
lines.once("line", (secret) => {
  const server = receiver(secret, (id, event) => console.log(JSON.stringify({ id, event })));
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
});
lines.once("close", () => process.exit(0));
