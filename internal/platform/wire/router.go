package wire

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Config is what a Router is made of.
type Config struct {
	Log          *slog.Logger
	Now          func() time.Time
	PublicOrigin string   // scheme://host of CANOPY_PUBLIC_URL
	Origins      []string // further origins that may call from a browser
	Hosts        []string // further names that requests may come for (CANOPY_ALLOWED_HOSTS)
	Proxies      []netip.Prefix
	// Authenticate makes the principal of a bearer token; any failure is a fault.
	Authenticate func(ctx context.Context, token string) (principal.Principal, error)
	// AuthenticateKey makes the principal of an API key; any failure is a fault. May be nil.
	AuthenticateKey func(ctx context.Context, key string) (principal.Principal, error)
	// Admit gives the context in which a call is admitted: what was proven once since it came in
	// need not be proven again for that. May be nil.
	Admit func(context.Context) context.Context
	// Denied is told of a right that an API key lacks; may be nil.
	Denied func(ctx context.Context, k principal.Key, by principal.Actor, p permission.Key, method, path string) error
	// DeniedEvent is what Denied may record; may be nil.
	DeniedEvent EventType
	// InvalidToken belongs to a room beside this one.
	InvalidToken *fault.Error
	Places
	Idempotency Idempotency
	// Limit counts one call of a subject under a limit's name; its fault is
	// rate_limit.exceeded.
	Limit func(ctx context.Context, name ratelimit.Name, subject string) error
	// Limited reports whether a limit is in force at all; nil: none is.
	Limited func(ratelimit.Name) bool
	// Streams is how many long answers may be under way, 8 at most; 0 is 8.
	Streams int
	// Observe is told of every answered request, for metrics; may be nil.
	Observe func(pattern string, status int, took time.Duration)
}

// Router keeps the routes of all doors and serves them. Routes are added before
// it serves; after that it is safe for concurrent use.
type Router struct {
	Config
	mux        *http.ServeMux
	bodies     bodies
	large      *large
	raw        *large
	hurried    *large
	streams    *streams
	files      *streams
	operations []*operation
	express    map[string]*express // by path
	echoing    []string            // beginnings of paths below which X-Request-Id is echoed as it was sent
}

// NewRouter makes a Router without routes.
func NewRouter(c Config) *Router {
	return &Router{
		Config: c, mux: http.NewServeMux(), bodies: newBodies(), large: newLarge(), raw: newRaw(), hurried: newHurried(),
		streams: &streams{most: min(mostStreams, cmp.Or(c.Streams, mostStreams))}, files: &streams{most: mostFiles},
	}
}

// Operation is a registered route, for tests that walk them all. Its Path is the
// full one.
type Operation struct {
	Route
	Callers []string // names of the security schemes, one of which is needed; none: anybody may call
}

// Operations lists what was registered, in order.
func (rt *Router) Operations() []Operation {
	list := make([]Operation, len(rt.operations))
	for i, op := range rt.operations {
		list[i] = Operation{op.Route, op.access.schemes}
		list[i].Path = op.pattern
	}
	return list
}

// Mount serves a plain handler, such as pages, under a pattern of net/http.
func (rt *Router) Mount(pattern string, h http.Handler) { rt.mux.Handle(pattern, h) }

func (rt *Router) secure() bool { return strings.HasPrefix(rt.PublicOrigin, "https:") }

// ServeHTTP gives every request its id, its log line, and an answer of ours.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e := rt.express[r.URL.Path]; e != nil && rt.hurry(e, w, r) {
		return
	}
	start := rt.Now()
	rid := r.Header.Get("X-Request-Id")
	if _, err := id.Parse[id.ID](rid); err != nil {
		rid = id.New[id.ID](start).String()
	}
	ip := rt.clientIP(r)
	s := &seen{request: principal.Request{
		ID: rid, IP: ip, Network: networkOf(ip), UserAgent: strings.ToValidUTF8(r.UserAgent(), "\uFFFD"),
	}}
	r = r.WithContext(s.in(r.Context()))
	h := w.Header()
	h.Set("X-Request-Id", rt.echoed(r, rid))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	rec := &recorder{ResponseWriter: w}
	_, pattern := rt.mux.Handler(r)
	defer func() {
		p := recover()
		aborted := p == http.ErrAbortHandler //nolint:errorlint // net/http compares so, too
		if p != nil && !aborted {
			aborted = rec.status != 0 // part of an answer is out: cut it, so that none takes it for the whole
			rt.panicked(rec, r, p)
		}
		rt.logged(r, s, pattern, rec, rt.Now().Sub(start))
		if aborted {
			panic(http.ErrAbortHandler)
		}
	}()
	if !rt.hostAllowed(r) {
		writeFailure(rec, r, rt.Now(), failure{http.StatusMisdirectedRequest, &fault.Error{Message: misdirected}})
		return
	}
	if rt.preflight(rec, r) {
		return
	}
	if pattern == "" {
		rt.unknown(rec, r)
		return
	}
	rt.mux.ServeHTTP(rec, r)
}

// panicked logs what a handler has panicked with, and answers if it has not.
func (rt *Router) panicked(rec *recorder, r *http.Request, p any) {
	rt.Log.ErrorContext(r.Context(), "panic",
		"panic", p, "request_id", seenOf(r).request.ID, "stack", string(debug.Stack()))
	if rec.status == 0 {
		writeFailure(rec, r, rt.Now(), failure{http.StatusInternalServerError, fault.Unknown})
	}
}

// statusHungUp stands in logs and metrics for a caller who did not wait.
const statusHungUp = 499

// logged writes the one line of a request, and counts it.
func (rt *Router) logged(r *http.Request, s *seen, pattern string, rec *recorder, took time.Duration) {
	status := rec.status
	if r.Context().Err() != nil && status == http.StatusServiceUnavailable {
		status = statusHungUp // nobody reads the answer, and nothing is wrong here
	}
	if rt.Observe != nil {
		rt.Observe(pattern, status, took)
	}
	if s.quiet && status == http.StatusOK {
		return
	}
	line := []any{
		"request_id", s.request.ID, "route", pattern, "method", r.Method, "status", status,
		"duration_ms", float64(took.Microseconds()) / 1000,
		"principal", string(cmp.Or(s.kind, principal.KindAnonymous)),
	}
	if s.id != "" {
		line = append(line, "principal_id", s.id, "account", s.account)
	}
	rt.Log.InfoContext(r.Context(), "request", line...)
}

// unknown answers a path that leads nowhere, or not with this method.
func (rt *Router) unknown(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, m := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
		try := r.Clone(r.Context())
		try.Method = m
		if _, p := rt.mux.Handler(try); p != "" {
			allow = append(allow, m)
		}
	}
	if len(allow) > 0 {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		writeFailure(w, r, rt.Now(), failure{http.StatusMethodNotAllowed, &fault.Error{Message: "Method not allowed"}})
		return
	}
	writeFailure(w, r, rt.Now(), failure{http.StatusNotFound, &fault.Error{Message: "Not found"}})
}

// recorder remembers the status of an answer, and ends a connection whose client
// does not read on.
type recorder struct {
	http.ResponseWriter
	status int
}

const (
	// writeFor is how long an answer may take without progress.
	writeFor = 60 * time.Second
	// piece is how much of an answer must be taken in that time.
	piece = 64 << 10
)

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (written int, err error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	control := http.NewResponseController(r.ResponseWriter)
	for err == nil && (written < len(b) || written == 0) {
		// A writer without deadlines is a test's, which reads at once.
		_ = control.SetWriteDeadline(time.Now().Add(writeFor))
		var n int
		n, err = r.ResponseWriter.Write(b[written:min(len(b), written+piece)])
		written += n
		if len(b) == 0 {
			break
		}
	}
	return written, err
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
