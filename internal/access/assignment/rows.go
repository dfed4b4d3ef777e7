package assignment

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

const selectWorld = `SELECT a.id, a.identity_id, a.node_id, a.role_id, a.effective_from, a.effective_to
	FROM assignment a WHERE a.environment_id = $1`

// Rows hands over all assignments as decisions know them, whatever their state.
func Rows(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	return tx.Query(ctx, func(row database.Scanner) error {
		var a decide.Assignment
		err := row.Scan(&a.ID, &a.Identity, &a.Node, &a.Role, &a.From, &a.To)
		to.Assignment(a)
		return err
	}, selectWorld, in.ID)
}
