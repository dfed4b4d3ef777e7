package assignment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// CountWith is how many assignments go when some roles and nodes go.
func CountWith(
	ctx context.Context, tx *database.Tx, in scope.Environment, roles []rbac.RoleID, nodes []hierarchy.ID,
) (n int, err error) {
	if all, err := kept(ctx, tx, in.ID, tallyAll, ""); err != nil || all == 0 {
		return 0, err
	}
	gone := make(map[rbac.RoleID]bool, len(roles))
	for _, of := range roles {
		some, err := kept(ctx, tx, in.ID, tallyRole, of.String())
		if err != nil {
			return 0, err
		}
		gone[of] = true
		n += some
	}
	for piece := range slices.Chunk(nodes, idsAtOnce) {
		args := []any{in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		err := tx.Query(ctx, func(row database.Scanner) error {
			var role rbac.RoleID
			var some int
			err := row.Scan(&role, &some)
			if !gone[role] {
				n += some
			}
			return err
		}, countAtNodes+`(`+database.Marks(2, len(piece))+`)`, args...)
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}
