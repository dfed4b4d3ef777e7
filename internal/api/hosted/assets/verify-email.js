import { onToken } from "./link.js";
import { mailed } from "./mailed.js";

mailed({ onToken, use: "/v1/auth/verify-email", again: "/v1/auth/resend-verification" });
