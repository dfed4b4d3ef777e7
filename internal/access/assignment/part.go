package assignment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment, and at its nodes and of its roles.
type Part struct{}

var (
	_ environment.Part    = Part{}
	_ hierarchy.Dependent = Part{}
	_ rbac.Dependent      = Part{}
)

// Found implements environment.Part: nobody holds anything in a new Environment.
func (Part) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: what is assigned lets nobody in where there is no
// Environment; it is only counted.
func (Part) Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (environment.Removed, error) {
	n, err := kept(ctx, tx, in.ID, tallyAll, "")
	return environment.Removed{Assignments: n}, err
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	for _, statement := range []string{sweepAssignments, sweepPlaces, sweepTally} {
		if n, err := tx.Exec(ctx, statement, gone); err != nil || n > 0 {
			return false, err
		}
	}
	return true, nil
}

// Hanging implements hierarchy.Dependent.
func (Part) Hanging(ctx context.Context, tx *database.Tx, in scope.Environment, at hierarchy.ID) (n int, err error) {
	return n, tx.QueryRow(ctx, countPlaces, in.ID, at).Scan(&n)
}

// idsAtOnce is how many nodes one statement names.
const idsAtOnce = 64

// NodesGo implements hierarchy.Dependent.
func (Part) NodesGo(
	ctx context.Context, tx *database.Tx, _ principal.Actor, in scope.Environment, g hierarchy.Going,
) (removed int, err error) {
	c := numbersOf(tx, in)
	each := func(row database.Scanner) error {
		a, err := scan(row)
		c.countElsewhere(tx, in, a, -1)
		removed++
		return err
	}
	if g.Few == nil {
		if err := tx.Query(ctx, each, selectInSubtree, in.ID, g.Top); err != nil || removed == 0 {
			return removed, err
		}
		if _, err := tx.Exec(ctx, deleteInSubtree, in.ID, g.Top); err != nil {
			return removed, err
		}
		_, err = tx.Exec(ctx, deletePlacesInSubtree, in.ID, g.Top)
		return removed, err
	}
	for some := range slices.Chunk(g.Few, idsAtOnce) {
		args := []any{in.ID}
		for _, of := range some {
			args = append(args, of)
		}
		before, marks := removed, `(`+database.Marks(2, len(some))+`)`
		if err := tx.Query(ctx, each, selectAtNodes+marks, args...); err != nil {
			return removed, err
		}
		if removed == before {
			continue
		}
		for _, statement := range []string{deleteAtNodes, deletePlacesAtNodes} {
			if _, err := tx.Exec(ctx, statement+marks, args...); err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// RoleGoes implements rbac.Dependent.
func (Part) RoleGoes(
	ctx context.Context, tx *database.Tx, _ principal.Actor, in scope.Environment, of rbac.RoleID,
) error {
	c := numbersOf(tx, in)
	c.gone[of] = true
	err := tx.Query(ctx, func(row database.Scanner) error {
		a, err := scan(row)
		c.countElsewhere(tx, in, a, -1)
		return err
	}, selectOfRole, in.ID, of)
	if err != nil {
		return err
	}
	for _, statement := range []string{deleteOfRole, deletePlacesOfRole} {
		if _, err := tx.Exec(ctx, statement, in.ID, of); err != nil {
			return err
		}
	}
	return nil
}
