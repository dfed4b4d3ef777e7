package assignment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// nodesAtOnce is how many nodes one statement looks at.
const nodesAtOnce = 64

// DropWith removes the assignments of some roles and those at some nodes, which go, and
// tells how many there were. What decisions depend on is told by who removes the roles and
// nodes; it records no event either.
func DropWith(
	ctx context.Context, tx *database.Tx, in scope.Environment, roles []rbac.RoleID, nodes []hierarchy.ID,
) (gone int, err error) {
	if is, err := hasSome(ctx, tx, in); err != nil || !is {
		return 0, err
	}
	drop := func(query string, args ...any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var of principal.IdentityID
			err := row.Scan(&of)
			membership.CountAssignments(tx, in, of, -1)
			gone++
			return err
		}, query, args...)
	}
	for _, of := range roles {
		if err := drop(deleteOfRole, in.ID, of); err != nil {
			return gone, err
		}
	}
	for piece := range slices.Chunk(nodes, nodesAtOnce) {
		args := []any{in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		if err := drop(deleteAtNodes+`(`+database.Marks(2, len(piece))+`) RETURNING identity_id`, args...); err != nil {
			return gone, err
		}
	}
	return gone, nil
}

// CountWith is how many assignments DropWith would remove.
func CountWith(
	ctx context.Context, tx *database.Tx, in scope.Environment, roles []rbac.RoleID, nodes []hierarchy.ID,
) (n int, err error) {
	if is, err := hasSome(ctx, tx, in); err != nil || !is {
		return 0, err
	}
	counted := make(map[rbac.RoleID]bool, len(roles))
	count := func(query string, args ...any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var role rbac.RoleID
			var some int
			err := row.Scan(&role, &some)
			if !counted[role] {
				n += some
			}
			return err
		}, query, args...)
	}
	for _, of := range roles {
		if err := count(countOfRole, in.ID, of); err != nil {
			return n, err
		}
		counted[of] = true
	}
	for piece := range slices.Chunk(nodes, nodesAtOnce) {
		args := []any{in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		if err := count(countAtNodes+`(`+database.Marks(2, len(piece))+`) GROUP BY role_id`, args...); err != nil {
			return n, err
		}
	}
	return n, nil
}

// hasSome reports whether the Environment has an assignment.
func hasSome(ctx context.Context, tx *database.Tx, in scope.Environment) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectAny, in.ID).Scan(&n)
	return n > 0, err
}
