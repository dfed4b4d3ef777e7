package wire

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
)

// Access says who may call a route.
type Access int

// The kinds of access.
const (
	Public  Access = iota // no credential is looked at
	User                  // a portal user's access token
	PreAuth               // a pre-auth token
)

// Route is one operation of the API.
type Route struct {
	Method, Path string
	ID           string // operationId
	Summary      string
	Access       Access
	Status       int            // of success; 204 has no body
	Also         []int          // further statuses, with the body of success
	Idempotent   bool           // Idempotency-Key is honoured
	Large        bool           // bodies up to 8 MiB instead of 1 MiB
	PerIP        string         // name of the limit that counts the calls of one client IP; "" for none
	Cookie       bool           // reads, sets or clears the refresh cookie: Origin is checked
	Query        []Param        // query parameters, for the document
	Faults       []*fault.Error // that the handler can answer, for document and catalogue
}

// Param is a query parameter of a route.
type Param struct{ Name, Doc string }

// Empty is the answer of a route without a body (204); None is the body of a
// request without one.
type (
	Empty struct{}
	None  struct{}
)

// Config is what a Router is made of.
type Config struct {
	Log          *slog.Logger
	Now          func() time.Time
	PublicOrigin string   // scheme://host of CANOPY_PUBLIC_URL
	Origins      []string // further origins that may call cookie routes
	Proxies      []netip.Prefix
	// Authenticate makes the principal of a bearer token; any failure is a fault.
	Authenticate func(ctx context.Context, token string) (principal.Principal, error)
	// InvalidToken and AccountNotFound belong to rooms above.
	InvalidToken, AccountNotFound *fault.Error
	Idempotency                   Idempotency
	// Limit counts one call of a client IP under a limit's name; its fault is
	// rate_limit.exceeded. Nil counts nothing.
	Limit func(ctx context.Context, name, ip string) error
	// Observe is told of every answered request, for metrics; may be nil.
	Observe func(pattern string, status int, took time.Duration)
}

// The faults of credentials and headers.
var (
	ErrWrongPrincipal = fault.New(fault.Forbidden, "auth.wrong_principal",
		"This token is not authorized for this endpoint (wrong principal type — e.g., admin token on identity-only endpoint, or vice versa)")
	ErrTwoCredentials = fault.New(fault.Invalid, "auth.two_credentials", "Send either a bearer token or an API key, not both")
	ErrOriginRefused  = fault.New(fault.Forbidden, "auth.origin_refused", "This origin may not call this endpoint")
	ErrPrecondition   = fault.New(fault.Invalid, "precondition.malformed", "If-Match must be a version number")
	ErrKeyReused      = fault.New(fault.Unprocessable, "idempotency.key_reused", "This Idempotency-Key was used with another body")
	ErrInProgress     = fault.New(fault.Conflict, "idempotency.in_progress", "The first call with this Idempotency-Key is still running").WithRetryAfter(time.Second)
)

// Router keeps the routes of all doors and serves them. Routes are added before
// it serves; after that it is safe for concurrent use.
type Router struct {
	Config
	mux    *http.ServeMux
	bodies bodies
	routes []entry
}

type entry struct {
	Route
	in, out reflect.Type
}

// NewRouter makes a Router without routes.
func NewRouter(c Config) *Router {
	return &Router{Config: c, mux: http.NewServeMux(), bodies: newBodies()}
}

// Routes lists what was registered, in order.
func (rt *Router) Routes() []Route {
	list := make([]Route, len(rt.routes))
	for i, e := range rt.routes {
		list[i] = e.Route
	}
	return list
}

// Mount serves a plain handler, such as pages, under a pattern of net/http.
func (rt *Router) Mount(pattern string, h http.Handler) { rt.mux.Handle(pattern, h) }

// Call is one request as a door's handler sees it.
type Call struct {
	Principal principal.Principal
	IP        string
	r         *http.Request
	w         http.ResponseWriter
	bodies    bodies
	replayed  bool
}

// DecodeRow reads one row of a bulk body, as Handle reads a whole body.
func DecodeRow[T any](c *Call, raw []byte) (T, error) { return Decode[T](c.bodies, raw) }

// Status is the HTTP status of a fault, for the rows of a bulk answer.
func Status(f *fault.Error) int { return statuses[f.Kind] }

// Path is a segment of the path.
func (c *Call) Path(name string) string { return c.r.PathValue(name) }

// Query is a query parameter, "" when absent.
func (c *Call) Query(name string) string { return c.r.URL.Query().Get(name) }

// Header is a request header.
func (c *Call) Header(name string) string { return c.r.Header.Get(name) }

// SetHeader sets a header of the answer.
func (c *Call) SetHeader(name, value string) { c.w.Header().Set(name, value) }

// Cookie is the value of a request cookie, "" when absent.
func (c *Call) Cookie(name string) string {
	if k, err := c.r.Cookie(name); err == nil {
		return k.Value
	}
	return ""
}

// SetCookie adds a cookie to the answer.
func (c *Call) SetCookie(k *http.Cookie) { http.SetCookie(c.w, k) }

// PathID reads a path segment that names a thing. What is no id names nothing:
// missing is answered.
func PathID(c *Call, name string, missing *fault.Error) (id.ID, error) {
	v, err := id.Parse[id.ID](c.Path(name))
	if err != nil {
		return v, missing
	}
	return v, nil
}

// Handle registers a route with its handler, which gets the decoded body.
func Handle[In, Out any](rt *Router, route Route, fn func(ctx context.Context, c *Call, in In) (Out, error)) {
	rt.routes = append(rt.routes, entry{route, reflect.TypeFor[In](), reflect.TypeFor[Out]()})
	// The schema is made now, so that a type Huma can't describe fails the start
	// and not a request.
	rt.bodies.registry.Schema(reflect.TypeFor[In](), true, "")
	rt.mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
		c := &Call{r: r, w: w, bodies: rt.bodies, IP: principal.From(r.Context()).IP}
		status, body, err := serve(rt, route, c, fn)
		if err != nil {
			rt.fail(w, r, err)
			return
		}
		if c.replayed {
			w.Header().Set("Idempotency-Replayed", "true")
		}
		if status == http.StatusNoContent {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

// serve runs the checks in the contract's order and then the handler.
func serve[In, Out any](rt *Router, route Route, c *Call, fn func(context.Context, *Call, In) (Out, error)) (int, []byte, error) {
	limit := int64(1 << 20)
	if route.Large {
		limit = 8 << 20
	}
	raw, err := read(c.w, c.r, limit)
	if err != nil {
		return 0, nil, err
	}
	if route.PerIP != "" && rt.Limit != nil {
		if err := rt.Limit(c.r.Context(), route.PerIP, c.IP); err != nil {
			return 0, nil, err
		}
	}
	if err := rt.admit(route, c); err != nil {
		return 0, nil, err
	}
	ctx := c.r.Context() // with the principal that admit has put in
	answer := func() (int, []byte, error) {
		var in In
		if _, none := any(in).(None); !none || len(raw) > 0 {
			if len(raw) == 0 {
				raw = []byte("{}")
			}
			var err error
			if in, err = Decode[In](rt.bodies, raw); err != nil {
				return 0, nil, err
			}
		}
		out, err := fn(ctx, c, in)
		if err != nil {
			return 0, nil, err
		}
		status := route.Status
		if s, ok := any(out).(interface{ HTTPStatus() int }); ok {
			status = s.HTTPStatus()
		}
		body, err := Encode(out)
		return status, body, err
	}
	if !route.Idempotent || c.Header("Idempotency-Key") == "" || rt.Idempotency == nil {
		return answer()
	}
	return rt.once(ctx, c, raw, answer)
}

// admit checks credential, principal type, origin and tenant.
func (rt *Router) admit(route Route, c *Call) error {
	if route.Cookie && !rt.originAllowed(c.Header("Origin")) {
		return ErrOriginRefused
	}
	if route.Access == Public {
		return nil
	}
	bearer, has := strings.CutPrefix(c.Header("Authorization"), "Bearer ")
	key := c.Header("X-Api-Key")
	switch {
	case has && key != "":
		return ErrTwoCredentials
	case key != "":
		// Keys come with their own area; whatever they are, not a user's token.
		return rt.InvalidToken
	case !has:
		return rt.InvalidToken
	}
	p, err := rt.Authenticate(c.r.Context(), bearer)
	if err != nil {
		return err
	}
	switch {
	case route.Access == User && p.Kind == principal.PreAuth:
		return rt.InvalidToken
	case route.Access == User && p.Kind != principal.User, route.Access == PreAuth && p.Kind != principal.PreAuth:
		return ErrWrongPrincipal
	}
	call := principal.From(c.r.Context())
	call.Principal, c.Principal = p, p
	c.r = c.r.WithContext(principal.With(c.r.Context(), call))
	if note, ok := c.r.Context().Value(noteKey{}).(*note); ok {
		note.principal = p
	}
	if strings.Contains(route.Path, "{accountSlug}") && c.Path("accountSlug") != p.AccountSlug {
		return rt.AccountNotFound
	}
	return nil
}

func (rt *Router) originAllowed(origin string) bool {
	return origin == "" || origin == rt.PublicOrigin || slices.Contains(rt.Origins, origin)
}

func (rt *Router) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch err { //nolint:errorlint // the two are made in this package and never wrapped
	case errTooLarge:
		writeFailure(w, r, rt.Now(), failure{http.StatusRequestEntityTooLarge, &fault.Error{Message: "The request body is too large"}})
		return
	case errMedia:
		writeFailure(w, r, rt.Now(), failure{http.StatusUnsupportedMediaType, &fault.Error{Message: "The request body must be application/json"}})
		return
	}
	f := judge(r, rt.Log, err)
	if f.Clear {
		http.SetCookie(w, &http.Cookie{Name: "canopy_refresh", Path: "/v1/auth", MaxAge: -1, HttpOnly: true,
			Secure: strings.HasPrefix(rt.PublicOrigin, "https:"), SameSite: http.SameSiteStrictMode})
	}
	writeFailure(w, r, rt.Now(), f)
}

// note is what the log line of a request learns while it is served.
type note struct{ principal principal.Principal }

type noteKey struct{}

func requestID(r *http.Request) string { return principal.From(r.Context()).RequestID }

// ServeHTTP gives every request its id, its log line, and an answer of ours.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := rt.Now()
	rid := r.Header.Get("X-Request-Id")
	if _, err := id.Parse[id.ID](rid); err != nil {
		rid = id.New[id.ID](start).String()
	}
	n := &note{}
	ctx := principal.With(r.Context(), principal.Call{Principal: principal.Principal{Kind: principal.Anonymous}, RequestID: rid,
		IP: rt.clientIP(r), UserAgent: r.UserAgent()})
	r = r.WithContext(context.WithValue(ctx, noteKey{}, n))
	h := w.Header()
	h.Set("X-Request-Id", rid)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	rec := &recorder{ResponseWriter: w}
	_, pattern := rt.mux.Handler(r)
	defer func() {
		if p := recover(); p != nil {
			rt.Log.ErrorContext(ctx, "panic", "panic", p, "request_id", rid, "stack", string(debug.Stack()))
			if rec.status == 0 {
				writeFailure(rec, r, rt.Now(), failure{500, fault.Unknown})
			}
		}
		took := rt.Now().Sub(start)
		line := []any{"request_id", rid, "route", pattern, "method", r.Method, "status", rec.status,
			"duration_ms", float64(took.Microseconds()) / 1000, "principal", string(cmp.Or(n.principal.Kind, principal.Anonymous))}
		if !n.principal.ID.IsZero() {
			line = append(line, "principal_id", n.principal.ID.String(), "account", n.principal.AccountSlug)
		}
		rt.Log.InfoContext(ctx, "request", line...)
		if rt.Observe != nil {
			rt.Observe(pattern, rec.status, took)
		}
	}()
	if origin := r.Header.Get("Origin"); origin != "" && slices.Contains(rt.Origins, origin) {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
		h.Set("Vary", "Origin")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, X-Request-Id")
			rec.WriteHeader(http.StatusNoContent)
			return
		}
	}
	if pattern == "" {
		rt.unknown(rec, r)
		return
	}
	rt.mux.ServeHTTP(rec, r)
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

// clientIP is the TCP peer, or what a trusted proxy says: the last address in
// X-Forwarded-For that is not itself a trusted proxy. A malformed one counts as
// absent.
func (rt *Router) clientIP(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(rt.Proxies, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
	}
	ip := peer.Addr().Unmap()
	if !trusted(ip) {
		return ip.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			return peer.Addr().Unmap().String()
		}
		if ip = a.Unmap(); !trusted(ip) {
			break
		}
	}
	return ip.String()
}

type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
