// The session of this tab. The access token lives in this module's memory only;
// the refresh token is a cookie that no script can read.

import { call } from "./api.js";

let token = "";
const tabs = new BroadcastChannel("canopy-session");

export function begin(accessToken) {
  token = accessToken;
}

// Forgets the session here and, unless another tab said so first, everywhere.
export function end({ tell = true } = {}) {
  token = "";
  if (tell) tabs.postMessage("ended");
}

export function onEndElsewhere(then) {
  tabs.addEventListener("message", () => {
    end({ tell: false });
    then();
  });
}

// Gets an access token for the cookie.
export async function refresh() {
  const ask = async () => {
    const answer = await call("POST", "/v1/auth/refresh", { body: {} });
    if (answer.ok) token = answer.data.access_token;
    return answer;
  };
  // One tab at a time, where the browser offers locks (on https and localhost). Tabs that
  // race get the same cookie, and so do no harm.
  return navigator.locks ? navigator.locks.request("canopy-refresh", ask) : ask();
}

// Calls with the access token; one that has run out is renewed once.
export async function authorized(method, path, options = {}) {
  const answer = await call(method, path, { ...options, token });
  if (answer.code !== "auth.invalid_token") return answer;
  const renewed = await refresh();
  if (!renewed.ok) return renewed;
  return call(method, path, { ...options, token });
}
