package wire

import (
	"context"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// At is a portal user at the place that the path names. The router has found the
// place inside the Account of the user's token: every other one does not exist for
// this caller, and is answered like one that is unknown.
type At[S any] struct {
	principal.User
	In S
}

// Places finds what a path names below an Account. A slug that names nothing is the
// NotFound of its kind.
type Places struct {
	Application func(ctx context.Context, in scope.Account, slug string) (scope.Application, error)
	Environment func(ctx context.Context, in scope.Application, slug string) (scope.Environment, error)
	// DefaultEnvironment is that of an Application for who names none.
	DefaultEnvironment func(ctx context.Context, in scope.Application) (scope.Environment, error)

	AccountNotFound, ApplicationNotFound, EnvironmentNotFound *fault.Error
}

// Where the things of one place lie.
const (
	accountPrefix     = "/portal/v1/accounts/{accountSlug}"
	applicationPrefix = accountPrefix + "/applications/{appSlug}"
	environmentPrefix = applicationPrefix + "/environments/{envSlug}"
)

// InAccount is a group for portal users inside the Account that the path names;
// prefix comes after the Account's.
func (rt *Router) InAccount(prefix string, tag Tag) Group[At[scope.Account]] {
	return inPlace(rt, accountPrefix+prefix, tag, []*fault.Error{rt.AccountNotFound}, rt.inAccount)
}

// InApplication is the same for an Application of that Account.
func (rt *Router) InApplication(prefix string, tag Tag) Group[At[scope.Application]] {
	missing := []*fault.Error{rt.AccountNotFound, rt.ApplicationNotFound}
	return inPlace(rt, applicationPrefix+prefix, tag, missing, rt.inApplication)
}

// InDefaultEnvironment is the same for an Application and its default Environment, which no
// segment names: the answers tell no revision.
func (rt *Router) InDefaultEnvironment(prefix string, tag Tag) Group[At[scope.Environment]] {
	missing := []*fault.Error{rt.AccountNotFound, rt.ApplicationNotFound}
	return inPlace(rt, applicationPrefix+prefix, tag, missing, func(c *Call) (at At[scope.Environment], err error) {
		above, err := rt.inApplication(c)
		if err != nil {
			return at, err
		}
		at.User = above.User
		at.In, err = rt.DefaultEnvironment(c.r.Context(), above.In)
		return at, err
	})
}

// InEnvironment is the same for an Environment of that Application.
func (rt *Router) InEnvironment(prefix string, tag Tag) Group[At[scope.Environment]] {
	return inPlace(rt, environmentPrefix+prefix, tag, rt.missing(), rt.inEnvironment).inEnvironment()
}

func inPlace[By any](
	rt *Router, prefix string, tag Tag, missing []*fault.Error, prove func(*Call) (By, error),
) Group[By] {
	users := rt.Users(prefix, tag)
	users.access.faults = append(users.access.faults, missing...)
	users.access.needsRight = true
	return Group[By]{rt: rt, prefix: prefix, tag: tag, access: users.access, prove: prove}
}

func (rt *Router) inAccount(c *Call) (at At[scope.Account], err error) {
	if at.User, err = rt.user(c); err != nil {
		return at, err
	}
	if at.In = at.Account; c.r.PathValue("accountSlug") != at.In.Slug {
		return at, rt.AccountNotFound
	}
	return at, nil
}

func (rt *Router) inApplication(c *Call) (at At[scope.Application], err error) {
	above, err := rt.inAccount(c)
	if err != nil {
		return at, err
	}
	at.User = above.User
	at.In, err = rt.Application(c.r.Context(), above.In, c.r.PathValue("appSlug"))
	return at, err
}

func (rt *Router) inEnvironment(c *Call) (at At[scope.Environment], err error) {
	above, err := rt.inApplication(c)
	if err != nil {
		return at, err
	}
	at.User = above.User
	at.In, err = rt.Environment(c.r.Context(), above.In, c.r.PathValue("envSlug"))
	return at, err
}
