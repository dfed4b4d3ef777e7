import { onToken } from "./link.js";
import { mailed } from "./mailed.js";

mailed({ onToken, use: "/v1/auth/reset-password", again: "/v1/auth/forgot-password" });
