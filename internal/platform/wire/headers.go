package wire

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// The parameters that routes ask for by a word.
var (
	slugs = map[string]*huma.Param{
		"accountSlug": slugParam("accountSlug", "The slug of the Account that the token is bound to.", "acme-realty"),
		"appSlug":     slugParam("appSlug", "The slug of an Application of the Account.", "lease-desk"),
		"envSlug":     slugParam("envSlug", "The slug of an Environment of the Application.", "development"),
	}
	idempotencyKey = &huma.Param{
		Name: "Idempotency-Key", In: "header",
		Description: "Visible ASCII characters, a UUID is a good choice. " +
			"A repeat with the same key and body within 24 hours gets the first answer, and nothing is done twice. " +
			"Where that answer was lost it gets 409 idempotency.answer_lost: read what was made.",
		Schema:  &huma.Schema{Type: huma.TypeString, Pattern: `^[!-~]+$`, MinLength: new(1), MaxLength: new(255)},
		Example: "4f0c1f7e-6d1f-4a0e-9a53-5b0c7f3b6f5e",
	}
	ifMatch = &huma.Param{
		Name: "If-Match", In: "header",
		Description: "The version that the change is meant for, bare or quoted; " +
			"another one answers 409 version_conflict.",
		Schema:  &huma.Schema{Type: huma.TypeString, Pattern: `^("[1-9][0-9]*"|[1-9][0-9]*)$`, MaxLength: new(20)},
		Example: `"3"`,
	}
	ifNoneMatch = &huma.Param{
		Name: "If-None-Match", In: "header",
		Description: "The ETag of an answer that the caller has; while it is still the answer, it is 304 without a body.",
		Schema:      &huma.Schema{Type: huma.TypeString, MaxLength: new(1000)},
		Example:     `"q0Zk3v0r8n0b1Yx2"`,
	}
	environmentSlug = &huma.Param{
		Name: environmentHeader, In: "header",
		Description: "The slug of the Environment; a portal user's is the default one of the token's Application " +
			"when absent, an API key has its own and may only name that.",
		Schema: &huma.Schema{
			Type: huma.TypeString, Pattern: `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, MinLength: new(1), MaxLength: new(63),
		},
		Example: "development",
	}
)

func slugParam(name, about, example string) *huma.Param {
	return &huma.Param{
		Name: name, In: "path", Required: true, Description: about, Example: example,
		Schema: &huma.Schema{
			Type: huma.TypeString, Pattern: `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`, MinLength: new(1), MaxLength: new(63),
		},
	}
}

// headers are those of answers, by name.
func headers() map[string]*huma.Header {
	text := func(about, example string) *huma.Header {
		return &huma.Header{
			Description: about, Example: example,
			Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(1000)},
		}
	}
	count := func(about string) *huma.Header {
		least, most := 0.0, float64(1<<31-1)
		return &huma.Header{
			Description: about, Example: 60,
			Schema: &huma.Schema{Type: huma.TypeInteger, Format: "int32", Minimum: &least, Maximum: &most},
		}
	}
	return map[string]*huma.Header{
		"X-Request-Id":    text("The id of the request, as in logs and audit rows.", exampleID),
		"ETag":            text("The version of the answered object, quoted.", `"3"`),
		"Canopy-Revision": text("The revision of the Environment that the answer is of; it only grows.", "1841"),
		consistencyHeader: text("strict: the answer holds every write that was answered before the call; "+
			"bounded: every one that was that many seconds earlier.", "strict"),
		"Canopy-Valid-Until": text("When the answer changes by time alone; absent when it does not.",
			"2027-01-01T00:00:00.000Z"),
		"Idempotency-Replayed": text("true when this is the kept answer of an earlier call.", "true"),
		"Set-Cookie":           text("A cookie of the operation, set or cleared.", "canopy_refresh=…; HttpOnly"),
		"Cache-Control":        text("How long the answer may be kept.", "public, max-age=300"),
		"WWW-Authenticate":     text("The scheme of the credential that is wanted.", "Bearer"),
		"Retry-After":          count("Seconds after which a repeat may work."),
		"RateLimit-Limit":      count("How many calls the limit allows in its window."),
		"RateLimit-Remaining":  count("How many are left."),
		"RateLimit-Reset":      count("Seconds until the window ends."),
	}
}

func refs(names ...string) map[string]*huma.Header {
	m := map[string]*huma.Header{}
	for _, name := range names {
		m[name] = &huma.Header{Ref: "#/components/headers/" + name}
	}
	return m
}

func (d *document) answerHeaders(op *operation) map[string]*huma.Header {
	list := []string{"X-Request-Id"}
	if op.ETag || op.Validator {
		list = append(list, "ETag")
	}
	if op.access.revision {
		list = append(list, "Canopy-Revision")
	}
	if op.Consistent {
		list = append(list, consistencyHeader)
	}
	if op.ValidUntil {
		list = append(list, "Canopy-Valid-Until")
	}
	if op.Idempotent {
		list = append(list, "Idempotency-Replayed")
	}
	if op.Cookie.Name != "" || op.Browser.Name != "" {
		list = append(list, "Set-Cookie")
	}
	if op.CacheFor > 0 {
		list = append(list, "Cache-Control")
	}
	return refs(list...)
}

func refusalHeaders(status int) map[string]*huma.Header {
	switch status {
	case http.StatusUnauthorized:
		return refs("X-Request-Id", "WWW-Authenticate")
	case http.StatusTooManyRequests:
		return refs("X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
	case http.StatusServiceUnavailable:
		return refs("X-Request-Id", "Retry-After")
	}
	return refs("X-Request-Id")
}

// browserCookie documents a cookie that no client sends by hand.
func browserCookie(cookie BrowserCookie) *huma.Param {
	return &huma.Param{
		Name: cookie.Name, In: "cookie",
		Description: cookie.About + " Over https its name begins with __Host-.",
		Schema:      &huma.Schema{Type: huma.TypeString, MaxLength: new(43)},
		Example:     "q0Zk3v0r8n0b1Yx2u3Tt4Ss5Rr6Qq7Pp8Oo9Nn0Mm1L",
	}
}
