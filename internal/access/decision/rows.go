package decision

import (
	"context"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Rows hands over all rows of an Environment that decisions depend on, in no order, and gives the
// revision that they are of.
func Rows(ctx context.Context, db *database.DB, in scope.Environment, to decide.Rows) (uint64, error) {
	return environment.Read(database.Long(ctx), db, in, func(tx *database.Tx, at revision.At) (uint64, error) {
		return at.Revision, rows(ctx, tx, in, to)
	})
}

func rows(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	if err := placesAndPeople(ctx, tx, in, to); err != nil {
		return err
	}
	return assignment.Rows(ctx, tx, in, to)
}

func placesAndPeople(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	for _, rows := range []func(context.Context, *database.Tx, scope.Environment, decide.Rows) error{
		rbac.Rows, hierarchy.Rows, membership.Rows,
	} {
		if err := rows(ctx, tx, in, to); err != nil {
			return err
		}
	}
	return nil
}
