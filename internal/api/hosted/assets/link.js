// The token of a mailed link. It stands in the fragment, which no server sees.
// This module is imported first, takes it out of the address bar while it loads,
// and hands it on; it is kept nowhere but in memory.

function take() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
  if (location.hash || location.search) history.replaceState(null, "", location.pathname);
  return token;
}

const first = take();

// Runs start with the token, "" when there is none, and again when another
// mailed link is opened in this very tab, which changes the fragment alone.
export function onToken(start) {
  addEventListener("hashchange", () => {
    const token = take();
    if (token) start(token);
  });
  start(first);
}
