package dump

import (
	"cmp"
	"context"
	"log/slog"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
)

// Config is what a Service is made of.
type Config struct {
	DB           *database.DB
	Log          *slog.Logger
	Applications *application.Service // makes Environments
	AtNodes      []hierarchy.Dependent
	OfRoles      []rbac.Dependent
	Invites      Invites // nil: there are none
	// Most is how much an Environment may hold; 0 is 1,000,000 nodes, 10,000 permissions and
	// 1,000 roles.
	Most Limits
}

// Invites are what another room keeps of people who are not there yet: they may name a role and
// a node, and go with either (AtNodes, OfRoles).
type Invites interface {
	// Naming counts those that name one of the roles or nodes.
	Naming(
		ctx context.Context, tx *database.Tx, in scope.Environment, roles []rbac.RoleID, nodes []hierarchy.ID,
	) (int, error)
	// Flattens counts those that Flatten would withdraw.
	Flattens(
		ctx context.Context, tx *database.Tx, in scope.Environment, root hierarchy.ID,
		ground func(hierarchy.ID) assignment.Ground,
	) (int, error)
	// Flatten has those at live nodes name the root, as assignment.Flatten does with assignments,
	// and withdraws those at dead ones. It records an event for each that it withdraws.
	Flatten(
		ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, root hierarchy.ID,
		ground func(hierarchy.ID) assignment.Ground,
	) error
}

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct {
	Config

	running chan struct{}
}

// atOnce is how many of these run at a time; others wait.
const atOnce = 2

// New makes a Service.
func New(c Config) *Service { return &Service{c, make(chan struct{}, atOnce)} }

func (s *Service) limits() Limits {
	return Limits{
		cmp.Or(s.Most.Nodes, hierarchy.MaxNodes), cmp.Or(s.Most.Permissions, rbac.MaxPermissions),
		cmp.Or(s.Most.Roles, rbac.MaxRoles),
	}
}

// manyNodes is how many have to be written for the store to look anew at how many there are.
const manyNodes = 1000

// settle is for after a commit. What it does makes reads faster, and no call fails for it.
func (s *Service) settle(ctx context.Context, written int) {
	if written < manyNodes {
		return
	}
	if err := hierarchy.Resample(ctx, s.DB); err != nil && s.Log != nil {
		s.Log.WarnContext(ctx, "the store has not looked anew at its nodes", "error", err)
	}
}

// Enter waits for one of the places of what may hold whole trees; leave gives it back. The
// use cases do so themselves, all but those that begin with Try.
func (s *Service) Enter(ctx context.Context) (leave func(), err error) {
	select {
	case s.running <- struct{}{}:
		return func() { <-s.running }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// toldEvery is after how many nodes the log hears how far it has come.
const toldEvery = 50_000

// progress tells the log how far it has come.
func (s *Service) progress(ctx context.Context, in scope.Environment, what string, done, of int) {
	if done > 0 && done%toldEvery == 0 && s.Log != nil {
		s.Log.InfoContext(ctx, "an Environment is being replaced", "environment", in.ID.String(), "step", what,
			"nodes", done, "of", of)
	}
}
