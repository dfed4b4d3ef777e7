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

// CountAssignments has the transaction change how many assignments a member has. That is
// written at its very end, identities ascending: a long import does not hold the rows that
// switching a person off wants.
func CountAssignments(tx *database.Tx, in scope.Environment, of principal.IdentityID, by int) {
	database.Collect(tx, freshCounts).by[member{in.ID, of}] += by
}

type member struct {
	in scope.EnvironmentID
	of principal.IdentityID
}

// counts is what one transaction changes of the numbers of assignments.
type counts struct{ by map[member]int }

func freshCounts() *counts { return &counts{map[member]int{}} }

// Close implements database.Closing.
func (c *counts) Close(ctx context.Context, tx *database.Tx) error {
	order := slices.SortedFunc(maps.Keys(c.by), func(a, b member) int {
		if byPerson := slices.Compare(a.of[:], b.of[:]); byPerson != 0 {
			return byPerson
		}
		return slices.Compare(a.in[:], b.in[:])
	})
	for _, m := range order {
		if c.by[m] == 0 {
			continue
		}
		if _, err := tx.Exec(ctx, addAssignments, c.by[m], m.in, m.of); err != nil {
			return err
		}
	}
	return nil
}
