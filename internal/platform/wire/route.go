package wire

import (
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Route is one operation of the API: what it needs, what it takes and what it
// answers. Who may call it, and where, is its Group's to say.
type Route struct {
	Method  string
	Path    string // after the prefix of the group
	ID      string // operationId, unique in the API
	Summary string // a few words: "Invite a colleague"
	About   string // what a client author should know, in whole sentences

	Needs      permission.Key // the right that the caller must hold; "" for none
	Or         permission.Key // a right that does as well; "" for none
	And        permission.Key // a further right that the caller must hold; "" for none
	Anybody    bool           // with a credential may call it: it needs no right, though others of its group do
	Limits     []Limit        // counters that each call takes from
	Body       BodyClass      // how large a body may be; zero: as is usual for the group
	Idempotent bool           // Idempotency-Key is honoured
	Cookie     Cookie         // read, set or cleared: the Origin header is checked
	CookieAuth bool           // the cookie is the credential, or one of them; UsersOrCookie sets it
	Browser    BrowserCookie  // read, set or both: names the browser, as Actor.Request.Browser
	Params     []Parameter    // of path and query; a parameter that is not listed can't be read
	ETag       bool           // the answer has the version of its object
	IfMatch    bool           // the call can be made conditional on that version
	Validator  bool           // a stream's ETag is a validator of its body, for If-None-Match
	ValidUntil bool           // the answer may say when time alone changes it
	Long       bool           // it is about so much at once that it takes its time, which is no fault of anybody
	Quiet      bool           // success has no log line: it is asked far too often
	Consistent bool           // Canopy-Consistency is honoured
	Waits      bool           // behind large writes, longer than other calls; of Environments every write does
	Media      []string       // of the File that it answers
	CacheFor   time.Duration  // how long others may keep the answer; 0: not at all

	Status int            // of success; 204 has no body
	Also   []int          // further statuses with the body of success
	Faults []*fault.Error // what the handler can answer, besides what the router does
	Writes []EventType    // what the handler can record
}

// EventType is a declared event, of whose catalogue the router knows the name.
type EventType interface{ Name() string }

// Limit is a counter that each call takes one from before the handler runs; when
// it is used up the answer is 429 rate_limit.exceeded.
type Limit struct {
	Name ratelimit.Name
	By   Subject
}

// PerEnvironment is a limit that counts the calls about one Environment.
func PerEnvironment(name ratelimit.Name) []Limit { return []Limit{{name, ByEnvironment}} }

// Subject is what a limit counts by.
type Subject int

// The subjects.
const (
	// ByIP counts the calls of one client IP, before anything else is looked at.
	ByIP Subject = iota
	// ByIPAndBody counts the calls of one client IP about one thing, which the
	// body names (Limited).
	ByIPAndBody
	// ByUseCase leaves it to the handler's use case, where what is counted by hangs on
	// more than the request says.
	ByUseCase
	// BySession counts the calls of the session that the access token belongs to.
	BySession
	// ByEnvironment counts the calls about one Environment, once the body is good.
	ByEnvironment
	// ByPrincipal counts the calls of one caller with a credential. Every route that
	// writes has the limit of that name without saying so; what is Consistent reads.
	ByPrincipal
)

// Limited is a body of a route that is limited ByIPAndBody.
type Limited interface {
	// LimitedBy is what the calls are counted for, such as an e-mail address.
	LimitedBy() string
}

// BodyClass is how large a body may be.
type BodyClass int64

// The classes, in bytes. A body of a public route is at most BodyAnonymous.
const (
	BodyAnonymous BodyClass = 16 << 10 // no credential, or only a cookie
	BodyObject    BodyClass = 1 << 20  // one object
	BodyRows      BodyClass = 8 << 20  // a list of rows
)

// Cookie is a cookie that a door keeps in browsers. It is always HttpOnly and
// SameSite=Strict, and Secure where the public URL is https.
type Cookie struct {
	Name  string
	Path  string
	About string // one sentence for the document
}

// BrowserCookie is a cookie by which a person's browser is known again. It is no
// credential, so no Origin is checked, and it goes to every path: HttpOnly, SameSite=Lax,
// and where the public URL is https Secure, with __Host- before its name.
type BrowserCookie struct {
	Name  string
	Life  time.Duration // in whole seconds
	About string        // one sentence for the document
}

// Tag groups operations by task in the document.
type Tag struct{ Name, About string }

// None is the body of a request without one.
type None struct{}

// Empty is the answer of a route without a body (204).
type Empty struct{}

// hasBody reports whether requests with the method have one.
func hasBody(method string) bool { return method != http.MethodGet && method != http.MethodDelete }
