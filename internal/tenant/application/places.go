package application

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Places finds what paths and tokens name. What was found is kept in memory while the Account
// is proven to stand where it stood: what would change it raises the Account's revision. It is
// safe for concurrent use.
type Places struct {
	DB     *database.DB
	Prover *revision.Prover

	applications revision.Memo[named[scope.AccountID], scope.Application]
	environments revision.Memo[named[scope.ApplicationID], scope.Environment]
	defaults     revision.Memo[scope.ApplicationID, scope.Environment]
}

// named is a slug below something.
type named[ID comparable] struct {
	below ID
	slug  string
}

// Application finds the Application of a slug in an Account; ErrNotFound.
func (p *Places) Application(ctx context.Context, in scope.Account, slug string) (scope.Application, error) {
	return keep(ctx, p, &p.applications, named[scope.AccountID]{in.ID, slug}, in.ID,
		func(tx *database.Tx) (scope.Application, error) {
			a, err := BySlug(ctx, tx, in.ID, slug)
			return scope.Application{Account: in, ID: a.ID, Slug: a.Slug}, err
		})
}

// Environment finds the Environment of a slug in an Application; environments.not_found.
func (p *Places) Environment(ctx context.Context, in scope.Application, slug string) (scope.Environment, error) {
	return keep(ctx, p, &p.environments, named[scope.ApplicationID]{in.ID, slug}, in.Account.ID,
		func(tx *database.Tx) (scope.Environment, error) {
			e, err := environment.BySlug(ctx, tx, in, slug)
			return e.In(in), err
		})
}

// Default is the Environment of an Application for who names none; ErrNotFound.
func (p *Places) Default(ctx context.Context, in scope.Application) (scope.Environment, error) {
	return keep(ctx, p, &p.defaults, in.ID, in.Account.ID, func(tx *database.Tx) (scope.Environment, error) {
		a, err := Find(ctx, tx, in.Account.ID, in.ID)
		return scope.Environment{Application: in, ID: a.DefaultEnvironmentID, Slug: a.DefaultEnvironmentSlug}, err
	})
}

// keep gives what is kept under a key, else what find finds, in one view with where the Account
// stands.
func keep[K comparable, V any](
	ctx context.Context, p *Places, in *revision.Memo[K, V], key K, account scope.AccountID,
	find func(*database.Tx) (V, error),
) (V, error) {
	from := revision.Source{DB: p.DB, Prover: p.Prover, Tables: slices.Concat(environment.Tables(), Tables())}
	always := func(V) bool { return true }
	return in.Get(ctx, from, key, always, func(ctx context.Context) (revision.Kept[V], error) {
		return database.Read(ctx, p.DB, func(tx *database.Tx) (k revision.Kept[V], err error) {
			k.Of, k.Account = account.Any(), account
			if k.At, err = revision.NowAccount(ctx, tx, account); err != nil {
				return k, err
			}
			k.Value, err = find(tx)
			return k, err
		})
	})
}
