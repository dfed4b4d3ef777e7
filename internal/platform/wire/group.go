package wire

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Group is a set of routes that the same callers may call at the same place. By
// is what the router proves before a handler of the group runs, and hands to it:
// a handler that works at a place can't be registered where none is proved.
type Group[By any] struct {
	rt     *Router
	prefix string
	tag    Tag
	access access
	prove  func(*Call) (By, error)
}

// access is what the document says of a group's callers.
type access struct {
	schemes []string // names of security schemes, one of which is needed; none: anybody
	faults  []*fault.Error
	body    BodyClass

	cookie     bool // the route's cookie is a credential, too
	needsRight bool // a route that names no right has forgotten it
	revision   bool // an answer tells the Environment's revision
	header     bool // X-Canopy-Environment may name the Environment
}

// Public is a group that anybody may call. Handlers get the anonymous actor.
func (rt *Router) Public(prefix string, tag Tag) Group[principal.Actor] {
	return Group[principal.Actor]{
		rt: rt, prefix: prefix, tag: tag,
		access: access{body: BodyAnonymous},
		prove:  func(c *Call) (principal.Actor, error) { return c.Actor, nil },
	}
}

// Users is a group for portal users with an access token.
func (rt *Router) Users(prefix string, tag Tag) Group[principal.User] {
	return Group[principal.User]{
		rt: rt, prefix: prefix, tag: tag,
		access: rt.byToken(SchemeUser),
		prove:  rt.user,
	}
}

// PreAuth is a group for portal users who have yet to choose an Account.
func (rt *Router) PreAuth(prefix string, tag Tag) Group[principal.PreAuth] {
	return Group[principal.PreAuth]{
		rt: rt, prefix: prefix, tag: tag,
		access: rt.byToken(SchemePreAuth),
		prove:  rt.preAuth,
	}
}

// UserOrCookie is a portal user with an access token, or whoever holds the route's cookie.
type UserOrCookie struct {
	// User is nil where no access token was good.
	User *principal.User
	// Actor is the caller of the request, anonymous without a User, and Cookie is then what
	// stands for the person: it is not empty, and nothing more has been looked at.
	Actor  principal.Actor
	Cookie string
}

// UsersOrCookie is a group for portal users with an access token; where none is good, the
// route's cookie is the credential. Another good credential is refused all the same.
func (rt *Router) UsersOrCookie(prefix string, tag Tag) Group[UserOrCookie] {
	a := rt.byToken(SchemeUser)
	a.cookie, a.body = true, BodyAnonymous
	return Group[UserOrCookie]{
		rt: rt, prefix: prefix, tag: tag, access: a,
		prove: func(c *Call) (UserOrCookie, error) {
			guest := c.Actor
			u, err := rt.user(c)
			if err == nil {
				return UserOrCookie{User: &u, Actor: u.Actor}, nil
			}
			if cookie := c.Cookie(); errors.Is(err, rt.InvalidToken) && strings.TrimSpace(cookie) != "" {
				return UserOrCookie{Actor: guest, Cookie: cookie}, nil
			}
			return UserOrCookie{}, err
		},
	}
}

// byToken is the access of a group whose callers bear a token.
func (rt *Router) byToken(scheme string) access {
	return access{
		schemes: []string{scheme},
		faults:  []*fault.Error{rt.InvalidToken, ErrWrongPrincipal, ErrTwoCredentials},
		body:    BodyObject,
	}
}

func (rt *Router) user(c *Call) (u principal.User, err error) {
	p, err := rt.authenticate(c)
	if err != nil {
		return u, err
	}
	switch p := p.(type) {
	case principal.User:
		p.Actor = c.Actor
		return p, nil
	case principal.PreAuth:
		return u, rt.InvalidToken
	}
	return u, ErrWrongPrincipal
}

func (rt *Router) preAuth(c *Call) (u principal.PreAuth, err error) {
	p, err := rt.authenticate(c)
	if err != nil {
		return u, err
	}
	if p, ok := p.(principal.PreAuth); ok {
		p.Actor = c.Actor
		return p, nil
	}
	return u, ErrWrongPrincipal
}

// authenticate finds out who calls, from the credential of the request.
func (rt *Router) authenticate(c *Call) (p principal.Principal, err error) {
	bearer, has := bearerOf(c.r)
	keys := c.r.Header.Values("X-Api-Key")
	switch {
	case has && len(keys) > 0:
		return nil, ErrTwoCredentials
	case has:
		p, err = rt.Authenticate(c.r.Context(), bearer)
	case len(keys) == 1 && rt.AuthenticateKey != nil:
		p, err = rt.AuthenticateKey(c.r.Context(), keys[0])
	default:
		return nil, rt.InvalidToken
	}
	if err != nil {
		return nil, err
	}
	request := c.Actor.Request
	c.Actor = p.Who()
	if u, is := p.(principal.User); is {
		c.session = u.SessionID
	}
	c.Actor.Request = request
	c.principal = p
	c.seen.note(p)
	return p, nil
}

// bearerOf is the token of the Authorization header, whose scheme may be written in
// any case (RFC 9110, section 11.1).
func bearerOf(r *http.Request) (token string, has bool) {
	scheme, token, has := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimLeft(token, " "), has && strings.EqualFold(scheme, "Bearer")
}

// operation is a registered route with what its group and types add.
type operation struct {
	Route
	pattern string // full path
	tag     Tag
	access  access
	params  []declaration
	in, out reflect.Type
	rawOf   reflect.Type // of a body that is a Raw
}

// Handle registers a route with its handler. The handler gets what the group
// proves and the decoded body. A route that contradicts itself panics here, which
// is at the start and in every test.
func Handle[By, In, Out any](
	g Group[By], route Route, fn func(ctx context.Context, c *Call, by By, in In) (Out, error),
) {
	rt := g.rt
	op := &operation{
		Route: route, pattern: g.prefix + route.Path, tag: g.tag, access: g.access,
		in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](),
		rawOf: rawOf(reflect.TypeFor[In]()),
	}
	for _, p := range route.Params {
		op.params = append(op.params, p.declared()...)
	}
	op.CookieAuth = op.CookieAuth || g.access.cookie
	if op.Body == 0 {
		op.Body = g.access.body
	}
	if len(op.access.schemes) > 0 && op.Method != http.MethodGet && !op.Consistent {
		op.Limits = append(slices.Clip(op.Limits), Limit{ratelimit.Principal, ByPrincipal})
	}
	if err := op.check(); err != nil {
		panic(fmt.Sprintf("wire: %s %s: %v", op.Method, op.pattern, err))
	}
	rt.operations = append(rt.operations, op)
	if op.rawOf == nil {
		rt.bodies.register(op.in)
	}
	rt.mux.HandleFunc(op.Method+" "+op.pattern, func(w http.ResponseWriter, r *http.Request) {
		ctx, c := r.Context(), rt.call(op, w, r)
		rt.reply(ctx, c, func() (answer, error) { return serve(ctx, c, g.prove, fn) })
	})
}

// check finds what a route says that can't be meant.
func (op *operation) check() error {
	if op.ID == "" || op.Summary == "" || op.About == "" || op.Status == 0 {
		return errors.New("it has no id, summary, description or status")
	}
	inPath := []string{}
	for _, m := range segment.FindAllStringSubmatch(op.pattern, -1) {
		inPath = append(inPath, m[1])
	}
	for _, p := range op.params {
		if p.in == "path" && !slices.Contains(inPath, p.name) {
			return fmt.Errorf("its path has no {%s}", p.name)
		}
	}
	for _, name := range inPath {
		declared := slices.ContainsFunc(op.params, func(p declaration) bool { return p.in == "path" && p.name == name })
		if !declared && slugs[name] == nil {
			return fmt.Errorf("{%s} is not among its parameters", name)
		}
	}
	if op.in != reflect.TypeFor[None]() && !hasBody(op.Method) {
		return fmt.Errorf("%s has no body", op.Method)
	}
	public := len(op.access.schemes) == 0
	setsCookie := op.Cookie.Name != "" || op.Browser.Name != ""
	switch {
	case op.Needs != "" && public:
		return fmt.Errorf("anybody may call it, so nobody holds %s", op.Needs)
	case op.Needs == "" && op.access.needsRight != op.Anybody:
		return errors.New("it names no right")
	case op.Idempotent && (public || setsCookie || op.hasNoEnd()):
		return errors.New("its answer can't be kept for a repeat: it is anybody's, sets a cookie, or is a stream")
	}
	if op.Validator && !op.isStream() {
		return errors.New("only a stream has a validator")
	}
	if op.CookieAuth && op.Cookie.Name == "" {
		return errors.New("its credential is a cookie that it does not name")
	}
	if op.IfMatch && !slices.ContainsFunc(op.Faults, func(f *fault.Error) bool { return f.Code == "version_conflict" }) {
		return errors.New("it honours If-Match and never answers version_conflict")
	}
	return op.checkBesides()
}

// checkBesides finds a limit that counts by what the route does not have, a further right beside
// none, and a file of no media type.
func (op *operation) checkBesides() error {
	if op.isFile() != (len(op.Media) > 0) {
		return errors.New("a file has media types, and nothing else has")
	}
	if op.Needs == "" && op.And != "" {
		return errors.New("it names a further right and no first one")
	}
	limitedBy := func(by Subject) bool {
		return slices.ContainsFunc(op.Limits, func(l Limit) bool { return l.By == by })
	}
	if len(op.access.schemes) == 0 && (limitedBy(BySession) || limitedBy(ByPrincipal)) {
		return errors.New("a limit counts by a credential that it does not ask for")
	}
	if limitedBy(ByEnvironment) && !op.access.revision {
		return errors.New("a limit counts by an Environment, and it is in none")
	}
	if limitedBy(ByIPAndBody) && !reflect.PointerTo(op.in).Implements(reflect.TypeFor[Limited]()) {
		return errors.New("a limit counts by the body, which is not Limited")
	}
	return nil
}
