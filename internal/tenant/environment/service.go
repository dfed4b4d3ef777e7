package environment

import (
	"context"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the use cases of Environments. It is safe for concurrent use.
type Service struct {
	DB    *database.DB
	Parts Parts
}

// BySlug finds the Environment of a slug in an Application; environments.not_found.
func BySlug(ctx context.Context, tx *database.Tx, in scope.Application, slug string) (Environment, error) {
	return found(scan(tx.QueryRow(ctx, selectEnvironment+` AND env.application_id = $2 AND env.slug = $3`,
		in.Account.ID, in.ID, slug)))
}

// List gives an Application's Environments, oldest first.
func List(ctx context.Context, tx *database.Tx, in scope.Application) ([]Environment, error) {
	return database.All(ctx, tx, scan, selectEnvironment+` AND env.application_id = $2 ORDER BY env.created_at, env.id`,
		in.Account.ID, in.ID)
}

// List gives the Application's Environments, oldest first.
func (s *Service) List(ctx context.Context, in scope.Application) ([]Environment, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Environment, error) { return List(ctx, tx, in) })
}

// Get reads the Environment; environments.not_found.
func (s *Service) Get(ctx context.Context, in scope.Environment) (Environment, error) {
	return Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Environment, error) { return Find(ctx, tx, in) })
}

// Update changes the Environment; ifVersion 0 takes any version. A stale one is
// fault.VersionConflict, with the Environment as view shows it. A change that changes
// nothing writes nothing. Fault: environments.slug_taken. Event: environment.updated.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, in scope.Environment, c Change, ifVersion int, view func(Environment) any,
) (Environment, error) {
	return Write(ctx, s.DB, in, func(tx *database.Tx, before Environment) (Environment, error) {
		if ifVersion != 0 && ifVersion != before.Version {
			return before, fault.VersionConflict.WithData(view(before))
		}
		after, fields := before.applied(c)
		if len(fields) == 0 {
			return before, nil
		}
		after, err := Save(ctx, tx, after)
		if err != nil {
			return before, err
		}
		after.Follow(tx, in)
		if after.Slug != before.Slug {
			revision.AppendAccount(tx, in.Application.Account.ID)
		}
		return after, event.Record(ctx, tx, Updated, after.entry(by), UpdatedPayload{fields})
	})
}

// SetModel changes the access model to a hierarchy. The current model again changes
// nothing. Fault: environments.revert_required for the way back. Event:
// environment.access_model_set.
func (s *Service) SetModel(
	ctx context.Context, by principal.Actor, in scope.Environment, to Model,
) (Environment, error) {
	return Write(ctx, s.DB, in, func(tx *database.Tx, e Environment) (Environment, error) {
		from := e.Model
		if to == from {
			return e, nil
		}
		if to == Flat {
			return e, ErrRevertRequired
		}
		e.Model = to
		e, err := Save(ctx, tx, e)
		if err != nil {
			return e, err
		}
		e.Follow(tx, in)
		return e, event.Record(ctx, tx, ModelSet, e.entry(by), ModelSetPayload{from, to})
	})
}

// Sweep removes what is left of deleted Environments, in small pieces.
func (s *Service) Sweep(ctx context.Context) error {
	type gone struct {
		id      ID
		account scope.AccountID
	}
	all, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]gone, error) {
		return database.All(ctx, tx, func(row database.Scanner) (g gone, err error) {
			return g, row.Scan(&g.id, &g.account)
		}, selectDeleted)
	})
	if err != nil {
		return err
	}
	for _, g := range all {
		for _, p := range s.Parts {
			for done := false; !done; {
				done, err = database.Write(ctx, s.DB, func(tx *database.Tx) (bool, error) { return p.Sweep(ctx, tx, g.id) })
				if err != nil {
					return err
				}
			}
		}
		err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, dropDeleted, g.account, g.id)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
