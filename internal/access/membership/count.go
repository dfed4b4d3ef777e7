package membership

import (
	"cmp"
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Count has the transaction add to the number of assignments of a person in an Environment,
// at its very end: so a long write holds no membership that switching a person off wants.
func Count(tx *database.Tx, in scope.EnvironmentID, who enduser.ID, by int) {
	database.Collect(tx, func() *counts { return &counts{map[place]int{}} }).by[place{who, in}] += by
}

// place is somebody in an Environment.
type place struct {
	who enduser.ID
	in  scope.EnvironmentID
}

// counts are what one transaction adds.
type counts struct{ by map[place]int }

// Close implements database.Closing: identities ascending, so that no two writers wait for
// each other.
func (c *counts) Close(ctx context.Context, tx *database.Tx) error {
	places := make([]place, 0, len(c.by))
	for at, n := range c.by {
		if n != 0 {
			places = append(places, at)
		}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(slices.Compare(a.who[:], b.who[:]), slices.Compare(a.in[:], b.in[:]))
	})
	for _, at := range places {
		if _, err := tx.Exec(ctx, addAssignments, c.by[at], at.in, at.who); err != nil {
			return err
		}
	}
	return nil
}
