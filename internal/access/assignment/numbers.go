package assignment

import (
	"context"
	"maps"
	"slices"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// The kinds of numbers that are kept of an Environment.
const (
	tallyAll     = "all"     // assignments; the item is empty
	tallyRole    = "role"    // assignments of a role
	tallyMembers = "members" // distinct identities with an assignment of a role
	tallyFrom    = "from"    // assignments whose window begins on a day
	tallyTo      = "to"      // assignments whose window ends on a day
)

// numbers are what a transaction changes of the numbers that are kept. Who changes them has
// the Environment's lock, and they are written at the very end.
type numbers struct {
	in map[scope.EnvironmentID]*changed
}

type changed struct {
	tally   map[[2]string]int // by kind and item
	places  map[place]int
	holders map[rbac.RoleID]map[principal.IdentityID]int
	gone    map[rbac.RoleID]bool
}

type place struct {
	node hierarchy.ID
	role rbac.RoleID
}

func freshNumbers() *numbers { return &numbers{map[scope.EnvironmentID]*changed{}} }

// numbersOf is what the transaction changes in an Environment.
func numbersOf(tx *database.Tx, in scope.Environment) *changed {
	n := database.Collect(tx, freshNumbers)
	c := n.in[in.ID]
	if c == nil {
		c = &changed{
			map[[2]string]int{}, map[place]int{}, map[rbac.RoleID]map[principal.IdentityID]int{}, map[rbac.RoleID]bool{},
		}
		n.in[in.ID] = c
	}
	return c
}

// count counts an assignment wherever numbers are kept.
func count(tx *database.Tx, in scope.Environment, a Assignment, by int) {
	c := numbersOf(tx, in)
	c.places[place{a.Node, a.Role}] += by
	c.countElsewhere(tx, in, a, by)
}

// countElsewhere counts an assignment, but for its place.
func (c *changed) countElsewhere(tx *database.Tx, in scope.Environment, a Assignment, by int) {
	c.tally[[2]string{tallyAll, ""}] += by
	c.tally[[2]string{tallyRole, a.Role.String()}] += by
	if a.Window.From != decide.Beginning {
		c.tally[[2]string{tallyFrom, day(a.Window.From)}] += by
	}
	if a.Window.To != decide.Forever {
		c.tally[[2]string{tallyTo, day(a.Window.To)}] += by
	}
	if c.holders[a.Role] == nil {
		c.holders[a.Role] = map[principal.IdentityID]int{}
	}
	c.holders[a.Role][a.Identity] += by
	membership.CountAssignments(tx, in, a.Identity, by)
}

// day is the day of an instant, which sorts as a text.
func day(t decide.Instant) string { return time.UnixMicro(int64(t)).UTC().Format(time.DateOnly) }

// manyHolders of one role are counted anew; few are looked up.
const manyHolders = 200

// Close implements database.Closing.
func (n *numbers) Close(ctx context.Context, tx *database.Tx) error {
	for in, c := range n.in {
		if err := c.countHolders(ctx, tx, in); err != nil {
			return err
		}
		for of := range c.gone {
			for _, kind := range []string{tallyRole, tallyMembers} {
				delete(c.tally, [2]string{kind, of.String()})
				if _, err := tx.Exec(ctx, deleteTally, in, kind, of.String()); err != nil {
					return err
				}
			}
		}
		for of, by := range c.tally {
			if err := add(ctx, tx, by, addTally, deleteNoTally, in, of[0], of[1]); err != nil {
				return err
			}
		}
		if err := c.countPlaces(ctx, tx, in); err != nil {
			return err
		}
	}
	return nil
}

// countPlaces writes how the numbers at nodes change: those that grow in pieces, since many
// assignments of one call are mostly at as many nodes.
func (c *changed) countPlaces(ctx context.Context, tx *database.Tx, in scope.EnvironmentID) error {
	var grow []place
	for of, by := range c.places {
		switch {
		case c.gone[of.role]:
		case by > 0:
			grow = append(grow, of)
		default:
			one := addPlaces + database.Rows(placeRow, 1, 1) + addToPlaces
			if err := add(ctx, tx, by, one, deleteNoPlace, in, of.node, of.role); err != nil {
				return err
			}
		}
	}
	for some := range slices.Chunk(grow, database.Piece) {
		args := []any{in}
		for _, of := range some {
			args = append(args, of.node, of.role, c.places[of])
		}
		if _, err := tx.Exec(ctx, addPlaces+database.Rows(placeRow, 1, len(some))+addToPlaces, args...); err != nil {
			return err
		}
	}
	return nil
}

// add changes one number, and removes it where it has become 0.
func add(ctx context.Context, tx *database.Tx, by int, change, remove string, of ...any) error {
	if by == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, change, append(slices.Clip(of), by)...); err != nil || by > 0 {
		return err
	}
	_, err := tx.Exec(ctx, remove, of...)
	return err
}

// countHolders finds how the numbers of distinct identities change.
func (c *changed) countHolders(ctx context.Context, tx *database.Tx, in scope.EnvironmentID) error {
	for role, holders := range c.holders {
		if c.gone[role] {
			continue
		}
		item := [2]string{tallyMembers, role.String()}
		if len(holders) > manyHolders {
			delete(c.tally, item)
			if _, err := tx.Exec(ctx, deleteTally, in, tallyMembers, item[1]); err != nil {
				return err
			}
			var now int
			if err := tx.QueryRow(ctx, countMembersOfRole, in, role).Scan(&now); err != nil {
				return err
			}
			c.tally[item] = now
			continue
		}
		if err := c.countFew(ctx, tx, in, role, item); err != nil {
			return err
		}
	}
	return nil
}

// countFew finds who of a role's holders has become one, and who is none any more.
func (c *changed) countFew(
	ctx context.Context, tx *database.Tx, in scope.EnvironmentID, role rbac.RoleID, item [2]string,
) error {
	holders := c.holders[role]
	maps.DeleteFunc(holders, func(_ principal.IdentityID, by int) bool { return by == 0 })
	for some := range slices.Chunk(slices.Collect(maps.Keys(holders)), database.Piece) {
		args := []any{in, role}
		for _, of := range some {
			args = append(args, of)
		}
		now := make(map[principal.IdentityID]int, len(some))
		err := tx.Query(ctx, func(row database.Scanner) error {
			var of principal.IdentityID
			var n int
			err := row.Scan(&of, &n)
			now[of] = n
			return err
		}, countHeld+`(`+database.Marks(3, len(some))+`) GROUP BY identity_id`, args...)
		if err != nil {
			return err
		}
		for _, of := range some {
			switch before := now[of] - holders[of]; {
			case now[of] > 0 && before == 0:
				c.tally[item]++
			case now[of] == 0 && before > 0:
				c.tally[item]--
			}
		}
	}
	return nil
}

// kept reads one number.
func kept(ctx context.Context, tx *database.Tx, in scope.EnvironmentID, kind, item string) (n int, err error) {
	return n, tx.QueryRow(ctx, selectTally, in, kind, item).Scan(&n)
}
