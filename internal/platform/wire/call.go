package wire

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
)

// Call is one request as a handler sees it. It belongs to one goroutine.
type Call struct {
	// Actor is the caller, anonymous on public routes.
	Actor principal.Actor

	rt        *Router
	op        *operation
	r         *http.Request
	w         http.ResponseWriter
	seen      *seen
	session   principal.SessionID // of a portal user's token
	place     string              // the id of the Environment, where the call is in one
	principal principal.Principal // nil on public routes
	values    map[string]any      // of parameters, by name
	version   int
	asked     bool // for the version
}

func (rt *Router) call(op *operation, w http.ResponseWriter, r *http.Request) *Call {
	s := seenOf(r)
	s.quiet = op.Quiet
	anonymous := principal.Actor{Kind: principal.KindAnonymous, Request: s.request}
	c := &Call{rt: rt, op: op, r: r, w: w, seen: s, Actor: anonymous}
	if op.Browser.Name != "" {
		if token := c.only(rt.browserName(op)); token != "" {
			c.Actor.Request.Browser = secret.Hash(token)
		}
	}
	if len(op.params) > 0 {
		c.values = make(map[string]any, len(op.params))
	}
	return c
}

// value is that of a parameter. To ask for one that the route does not list, or
// lists with another type, panics, which is in every test of the route.
func value[T any](c *Call, name string) T {
	v, listed := c.values[name]
	if !listed {
		panic("wire: the route " + c.op.ID + " does not list the parameter " + name)
	}
	typed, ok := v.(T)
	if !ok {
		panic(fmt.Sprintf("wire: the route %s lists the parameter %s as %T", c.op.ID, name, v))
	}
	return typed
}

// Version is the version that If-Match names, 0 without the header.
func (c *Call) Version() int {
	c.asked = true
	return c.version
}

// SetVersion puts the version of the answered object into the ETag header.
func (c *Call) SetVersion(version int) {
	if !c.op.ETag {
		panic("wire: the route " + c.op.ID + " does not say that it answers an ETag")
	}
	c.w.Header().Set("ETag", `"`+strconv.Itoa(version)+`"`)
}

// SetValidUntil says when time alone changes the answer.
func (c *Call) SetValidUntil(t time.Time) {
	if !c.op.ValidUntil {
		panic("wire: the route " + c.op.ID + " does not say that its answer ends")
	}
	c.w.Header().Set("Canopy-Valid-Until", t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// Cookie is the value of the route's cookie, "" when absent. Two cookies of the
// name count as none: a sibling subdomain can plant one, and nothing tells which.
func (c *Call) Cookie() string {
	c.wantsCookie()
	return c.only(c.op.Cookie.Name)
}

// only is the value of a cookie that came once, else "".
func (c *Call) only(name string) string {
	if given := c.r.CookiesNamed(name); len(given) == 1 {
		return given[0].Value
	}
	return ""
}

// SetBrowser has the caller's browser send the token from now on.
func (c *Call) SetBrowser(token secret.Token) {
	if c.op.Browser.Name == "" {
		panic("wire: the route " + c.op.ID + " has no browser's cookie")
	}
	http.SetCookie(c.w, &http.Cookie{ //nolint:gosec // Secure where the public address is https
		Name: c.rt.browserName(c.op), Value: token.Reveal(), Path: "/", MaxAge: int(c.op.Browser.Life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: c.rt.secure(),
	})
}

// browserName is the name of the browser's cookie. Browsers take one of this prefix from
// the host itself alone, and only when it is Secure (RFC 6265bis, section 4.1.3).
func (rt *Router) browserName(op *operation) string {
	if rt.secure() {
		return "__Host-" + op.Browser.Name
	}
	return op.Browser.Name
}

// SetCookie sets the route's cookie, for so long in whole seconds.
func (c *Call) SetCookie(value string, life time.Duration) {
	c.wantsCookie()
	c.setCookie(value, int((life+time.Second/2)/time.Second))
}

// ClearCookie takes the route's cookie back, whatever else is answered. Where two
// came, neither is cleared: one of them is not ours.
func (c *Call) ClearCookie() {
	c.wantsCookie()
	if len(c.r.CookiesNamed(c.op.Cookie.Name)) < 2 {
		c.setCookie("", -1)
	}
}

func (c *Call) wantsCookie() {
	if c.op.Cookie.Name == "" {
		panic("wire: the route " + c.op.ID + " has no cookie")
	}
}

func (c *Call) setCookie(value string, maxAge int) {
	http.SetCookie(c.w, &http.Cookie{ //nolint:gosec // Secure where the public address is https
		Name: c.op.Cookie.Name, Value: value, Path: c.op.Cookie.Path, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: c.rt.secure(),
	})
}

// ifMatch reads the If-Match header: a positive number, bare or quoted; anything
// else is ErrPrecondition.
func (c *Call) ifMatch() error {
	given := c.r.Header.Values("If-Match")
	switch {
	case !c.op.IfMatch || len(given) == 0:
		return nil
	case len(given) > 1:
		return ErrPrecondition
	}
	s := given[0] // an empty one is malformed: who sends the header wants it to count
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || strconv.Itoa(n) != s {
		return ErrPrecondition
	}
	c.version = n
	return nil
}

// seen is what the log line of a request says of it, and what every call knows.
type seen struct {
	request principal.Request
	kind    principal.Kind
	id      string
	account string
	quiet   bool // no log line for a success
}

func (s *seen) note(p principal.Principal) {
	who := p.Who()
	s.kind, s.id = who.Kind, who.ID.String()
	switch p := p.(type) {
	case principal.User:
		s.account = p.Account.Slug
	case principal.Key:
		s.account = p.Environment.Application.Account.Slug
	}
}

type seenKey struct{}

func (s *seen) in(ctx context.Context) context.Context { return context.WithValue(ctx, seenKey{}, s) }

func seenOf(r *http.Request) *seen {
	if s, ok := r.Context().Value(seenKey{}).(*seen); ok {
		return s
	}
	return &seen{}
}

// allowed is nil when the caller holds the rights that the route needs.
func (c *Call) allowed(ctx context.Context) error {
	or := c.op.Or != "" && c.principal != nil && c.principal.Holds(c.op.Or)
	if c.op.Needs != "" && !or {
		if err := c.Require(ctx, c.op.Needs); err != nil {
			return err
		}
	}
	if c.op.And != "" {
		return c.Require(ctx, c.op.And)
	}
	return nil
}

// Require is auth.permission_denied where the caller lacks a right: a further one, that only
// a field of the body calls for.
func (c *Call) Require(ctx context.Context, right permission.Key) error {
	if c.principal != nil && c.principal.Holds(right) {
		return nil
	}
	if err := c.rt.denied(ctx, c, right); err != nil {
		return err
	}
	return fault.PermissionDenied
}

// take counts the call against the route's limits of one kind.
func (c *Call) take(ctx context.Context, by Subject, subject string) error {
	for _, l := range c.op.Limits {
		if l.By != by {
			continue
		}
		if err := c.rt.Limit(ctx, l.Name, subject); err != nil {
			return err
		}
	}
	return nil
}

// The faults of credentials, rights and headers.
var (
	ErrWrongPrincipal = fault.New(fault.Forbidden, "auth.wrong_principal",
		"This token is not authorized for this endpoint "+
			"(wrong principal type — e.g., admin token on identity-only endpoint, or vice versa)")
	ErrTwoCredentials = fault.New(fault.Invalid, "auth.two_credentials",
		"Send either a bearer token or an API key, not both")
	ErrOriginRefused = fault.New(fault.Forbidden, "auth.origin_refused", "This origin may not call this endpoint")
	ErrPrecondition  = fault.New(fault.Invalid, "precondition.malformed", "If-Match must be a version number")
)
