// Calls to the public API. Never throws: an answer that did not come is
// {status: 0}, so that every page handles it like any other refusal.

const patience = 30_000; // milliseconds

// The root, seen from where this module lies: app/assets/<hash>/.
const root = "../../..";

export async function call(method, path, { body, token, headers } = {}) {
  const init = {
    method,
    // The default mode on purpose: under this page's referrer policy another
    // mode would turn the Origin header into "null", which the server refuses.
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
    headers: { Accept: "application/json", ...headers },
    signal: AbortSignal.timeout(patience),
  };
  if (body !== undefined) {
    init.headers["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  if (token) init.headers.Authorization = "Bearer " + token;
  let response;
  try {
    response = await fetch(new URL(root + path, import.meta.url), init);
    const text = await response.text();
    return read(response, text);
  } catch {
    return { status: 0, ok: false, code: "offline", details: [], retryAfter: 0 };
  }
}

function read(response, text) {
  let json = {};
  try {
    json = JSON.parse(text) ?? {};
  } catch {
    // No JSON: a 204, or a proxy's own page.
  }
  const error = json.error ?? {};
  return {
    status: response.status,
    ok: response.ok,
    data: json.data,
    items: json.items,
    pagination: json.pagination,
    code: error.code ?? null,
    message: typeof error.message === "string" ? error.message : "",
    details: Array.isArray(error.details) ? error.details.map(String) : [],
    retryAfter: Number(response.headers.get("Retry-After")) || 0,
  };
}
