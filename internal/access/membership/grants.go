package membership

import (
	"context"
	"maps"
	"slices"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// IsActive reports whether an identity has an active membership in the Environment.
func IsActive(ctx context.Context, tx *database.Tx, in scope.Environment, of principal.IdentityID) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectActive, in.ID, of).Scan(&n)
	return n > 0, err
}

// ActiveOf are those of some identities that have an active membership in the Environment.
func ActiveOf(
	ctx context.Context, tx *database.Tx, in scope.Environment, of []principal.IdentityID,
) (map[principal.IdentityID]bool, error) {
	active := make(map[principal.IdentityID]bool, len(of))
	for some := range slices.Chunk(of, database.Piece) {
		args := []any{in.ID}
		for _, one := range some {
			args = append(args, one)
		}
		err := tx.Query(ctx, func(row database.Scanner) error {
			var one principal.IdentityID
			err := row.Scan(&one)
			active[one] = true
			return err
		}, selectActives+`(`+database.Marks(2, len(some))+`)`, args...)
		if err != nil {
			return nil, err
		}
	}
	return active, nil
}

// CountAssignments has the transaction change how many assignments a member has. That is
// written at its very end, identities ascending: a long import does not hold the rows that
// switching a person off wants.
func CountAssignments(tx *database.Tx, in scope.Environment, of principal.IdentityID, by int) {
	c := database.Collect(tx, freshCounts)
	if c.in[in.ID] == nil {
		c.in[in.ID] = map[principal.IdentityID]int{}
	}
	c.in[in.ID][of] += by
}

// counts is what one transaction changes of the numbers of assignments.
type counts struct {
	in map[scope.EnvironmentID]map[principal.IdentityID]int
}

func freshCounts() *counts { return &counts{map[scope.EnvironmentID]map[principal.IdentityID]int{}} }

// Close implements database.Closing.
func (c *counts) Close(ctx context.Context, tx *database.Tx) error {
	for in, by := range c.in {
		maps.DeleteFunc(by, func(_ principal.IdentityID, n int) bool { return n == 0 })
		order := slices.SortedFunc(maps.Keys(by), func(a, b principal.IdentityID) int { return slices.Compare(a[:], b[:]) })
		for some := range slices.Chunk(order, database.Piece) {
			args := []any{in}
			for _, of := range some {
				args = append(args, of, by[of])
			}
			if _, err := tx.Exec(ctx, addAssignments+database.Rows(addRow, 1, len(some))+addTo, args...); err != nil {
				return err
			}
		}
	}
	return nil
}
