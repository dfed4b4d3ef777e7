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

// Gets an access token for the cookie. One tab at a time asks; a tab that lost
// the race all the same waits and asks again with the winner's cookie.
export async function refresh() {
  const ask = async () => {
    let answer;
    for (let turn = 0; turn < 4; turn++) {
      answer = await call("POST", "/v1/auth/refresh", { body: {} });
      if (answer.code !== "auth.refresh_conflict") break;
      await new Promise((done) => setTimeout(done, 1000 * (answer.retryAfter || 1)));
    }
    if (answer.ok) token = answer.data.access_token;
    return answer;
  };
  // Browsers offer locks on https and localhost only.
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
