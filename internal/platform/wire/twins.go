package wire

import (
	"context"
	"slices"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// By is whoever a route admits at an Environment, through either door: a portal user, or
// an API key.
type By struct {
	principal.Actor
	Caller principal.Principal // a principal.User or a principal.Key
	In     scope.Environment
}

func (b By) environment() string { return b.In.ID.String() }

// Twins is a set of routes with two mounts: the public API under /api/v1, for API keys
// and portal users, and the same below the path of an Environment in the portal, for
// portal users. One handler serves both, so they can't differ.
type Twins struct{ public, portal Group[By] }

const (
	publicPrefix      = "/api/v1"
	environmentHeader = "X-Canopy-Environment"
)

// Twins is a set of routes of an Environment; prefix comes after either mount.
func (rt *Router) Twins(prefix string, tag Tag) Twins {
	return Twins{
		public: Group[By]{rt: rt, prefix: publicPrefix + prefix, tag: tag, access: rt.publicAccess(), prove: rt.inPublic},
		portal: inPlace(rt, environmentPrefix+prefix, tag, rt.missing(), rt.inPortal).inEnvironment(),
	}
}

// HandleTwins registers a route at both mounts. The operation of the portal's has the id
// of the route with InPortal behind it.
func HandleTwins[In, Out any](
	g Twins, route Route, fn func(ctx context.Context, c *Call, by By, in In) (Out, error),
) {
	HandlePair(g, route, fn, fn)
}

// HandlePair is HandleTwins for a route whose answers differ by the door.
func HandlePair[In, Public, Portal any](
	g Twins, route Route, public func(ctx context.Context, c *Call, by By, in In) (Public, error),
	portal func(ctx context.Context, c *Call, by By, in In) (Portal, error),
) {
	Handle(g.public, g.inPublic(route), public)
	route.ID += inPortal
	Handle(g.portal, route, portal)
}

// HandlePublic registers a route at the mount of the public API alone: what the portal has in
// its place reaches elsewhere.
func HandlePublic[In, Out any](
	g Twins, route Route, fn func(ctx context.Context, c *Call, by By, in In) (Out, error),
) {
	Handle(g.public, g.inPublic(route), fn)
}

// inPortal stands behind the id of a route at its mount in the portal.
const inPortal = "InPortal"

// inPublic is a route at its mount in the public API.
func (g Twins) inPublic(route Route) Route {
	if denied := g.public.rt.DeniedEvent; denied != nil {
		route.Writes = append(slices.Clip(route.Writes), denied)
	}
	return route
}

// patience is how long a write of an Environment may take: it waits for others, of which
// one may be large.
const patience = 150 * time.Second

// inEnvironment has the answers of a group tell the Environment's revision.
func (g Group[By]) inEnvironment() Group[By] {
	g.access.revision = true
	g.access.faults = append(g.access.faults, fault.Busy)
	return g
}

func (rt *Router) missing() []*fault.Error {
	return []*fault.Error{rt.AccountNotFound, rt.ApplicationNotFound, rt.EnvironmentNotFound}
}

// publicAccess is the access of the public API's routes.
func (rt *Router) publicAccess() access {
	a := rt.byToken(SchemeUser)
	a.schemes = []string{SchemeKey, SchemeUser}
	a.faults = append(a.faults, rt.EnvironmentNotFound, fault.Busy)
	a.needsRight, a.revision, a.header = true, true, true
	return a
}

// inPublic finds the Environment of a call of the public API: an API key's own, or that
// of the header, or the default one of the Application that a user's token is bound to.
func (rt *Router) inPublic(c *Call) (by By, err error) {
	p, err := rt.authenticate(c)
	if err != nil {
		return by, err
	}
	by.Actor, by.Caller = c.Actor, p
	slug, named := c.r.Header.Get(environmentHeader), len(c.r.Header.Values(environmentHeader)) > 0
	switch p := p.(type) {
	case principal.Key:
		by.In = p.Environment
		if named && slug != p.Environment.Slug { // an empty one names nothing
			return by, rt.EnvironmentNotFound
		}
	case principal.User:
		if !named {
			by.In, err = rt.DefaultEnvironment(c.r.Context(), p.Application)
		} else {
			by.In, err = rt.Environment(c.r.Context(), p.Application, slug)
		}
	case principal.PreAuth:
		return by, rt.InvalidToken
	default:
		return by, ErrWrongPrincipal
	}
	return by, err
}

// inPortal finds the Environment that a path of the portal names.
func (rt *Router) inPortal(c *Call) (By, error) {
	at, err := rt.inEnvironment(c)
	return By{Actor: at.Actor, Caller: at.User, In: at.In}, err
}

// denied tells of a right that a key lacks.
func (rt *Router) denied(ctx context.Context, c *Call, needs permission.Key) error {
	if key, is := c.principal.(principal.Key); is && rt.Denied != nil {
		return rt.Denied(ctx, key, c.Actor, needs, c.r.Method, c.r.URL.EscapedPath())
	}
	return nil
}
