package assignment

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Result is how one row of several ended: with an assignment, or with a fault.
type Result struct {
	Made Assignment
	Err  error
}

// BulkCreate makes what can be made of the drafts, each by itself, in one transaction. total
// is how many rows the call had, those among them that are no drafts. Faults of each row as
// of Give. One event: assignment.bulk_created, whose outcome is a failure where nothing was
// made.
func (s *Service) BulkCreate(
	ctx context.Context, by principal.Actor, in scope.Environment, list []Draft, total int,
) ([]Result, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) ([]Result, error) {
		g, results, made := newGiver(tx, in), make([]Result, len(list)), []ID{}
		drafts := make([]New, len(list))
		for i, d := range list {
			drafts[i] = d.asNew()
		}
		if err := g.meet(ctx, drafts); err != nil {
			return nil, err
		}
		for i, n := range drafts {
			a, _, err := g.give(ctx, n)
			switch {
			case err == nil:
				made = append(made, a.ID)
			case fault.As(err) == nil:
				return nil, err
			}
			results[i] = Result{a, err}
		}
		about := entry(by, in, id.ID{}, "")
		if len(made) == 0 {
			about.Outcome = event.Failure
		}
		told := BulkCreatedPayload{made, len(made), total - len(made)}
		return results, event.Record(ctx, tx, BulkCreated, about, told)
	})
}

// idsData is what a fault says of assignments.
type idsData struct {
	IDs []string `json:"ids"`
}

// longestID is how much is told of what was sent as an id.
const longestID = 100

// findAll reads assignments, each once, in the order in which they were sent. The fault
// rbac.assignment_not_found tells all that are none.
func findAll(ctx context.Context, tx *database.Tx, in scope.Environment, some Some) ([]row, error) {
	var ids []ID
	for _, text := range some.IDs {
		ids = append(ids, named[ID](text))
	}
	found := make(map[ID]row, len(ids))
	for piece := range slices.Chunk(ids, database.Piece) {
		args := []any{in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		err := tx.Query(ctx, func(s database.Scanner) error {
			r, err := scanRow(s)
			found[r.ID] = r
			return err
		}, selectRows+` AND a.id IN (`+database.Marks(2, len(piece))+`)`, args...)
		if err != nil {
			return nil, err
		}
	}
	missing, rows, seen := []string{}, []row{}, map[string]bool{}
	for i, of := range ids {
		text := some.IDs[i]
		if seen[text] {
			continue
		}
		seen[text] = true
		if r, is := found[of]; is {
			rows = append(rows, r)
			continue
		}
		missing = append(missing, string([]rune(text)[:min(longestID, len([]rune(text)))]))
	}
	if len(missing) > 0 {
		return nil, ErrNotFound.WithData(idsData{missing})
	}
	return rows, nil
}

// anyReserved is nodes.reserved_type where that is the answer for one of the rows.
func anyReserved(rows []row) error {
	for _, r := range rows {
		if err := r.reserved(); err != nil {
			return err
		}
	}
	return nil
}

// removable are assignments that may be removed together. Faults as of BulkRemove.
func removable(ctx context.Context, tx *database.Tx, in scope.Environment, some Some) ([]row, error) {
	rows, err := findAll(ctx, tx, in, some)
	if err == nil {
		err = anyReserved(rows)
	}
	return rows, err
}

// BulkRemove removes all of the assignments, or none. Faults: rbac.assignment_not_found (data:
// ids), nodes.reserved_type. One event: assignment.bulk_removed.
func (s *Service) BulkRemove(ctx context.Context, by principal.Actor, in scope.Environment, some Some) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		rows, err := removable(ctx, tx, in, some)
		if err != nil {
			return none, err
		}
		told := BulkRemovedPayload{}
		for _, r := range rows {
			if err := r.remove(ctx, tx, in); err != nil {
				return none, err
			}
			told.IDs, told.Affected = append(told.IDs, r.ID), append(told.Affected, r.holding())
		}
		return none, event.Record(ctx, tx, BulkRemoved, entry(by, in, id.ID{}, ""), told)
	})
	return err
}

// movable are the assignments that would get another role, and that role. Faults as of
// BulkChangeRole; then the rows are all that were named, or none.
func movable(
	ctx context.Context, tx *database.Tx, in scope.Environment, c NewRole,
) (rows []row, role rbac.Role, err error) {
	if rows, err = findAll(ctx, tx, in, c.Some); err != nil {
		return nil, role, err
	}
	if role, err = rbac.FindRole(ctx, tx, in, named[rbac.RoleID](c.RoleID)); err == nil {
		err = anyReserved(rows)
	}
	if err != nil {
		return rows, role, err
	}
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.Role == role.ID })
	if len(rows) == 0 {
		return nil, role, nil
	}
	if err := mayBeGiven(role); err != nil {
		return rows, role, err
	}
	return rows, role, collisions(ctx, tx, in, rows, role.ID)
}

// BulkChangeRole gives all of the assignments a role, or none. Those that have it stay as
// they are; where all have it, nothing is written. Faults, in this order:
// rbac.assignment_not_found (data: ids), rbac.role_not_found, nodes.reserved_type,
// rbac.role_system_not_assignable, rbac.role_inactive, rbac.assignment_conflict (data: the
// ids that collide). One event: assignment.bulk_role_changed.
func (s *Service) BulkChangeRole(
	ctx context.Context, by principal.Actor, in scope.Environment, c NewRole,
) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		rows, role, err := movable(ctx, tx, in, c)
		if err != nil || len(rows) == 0 {
			return none, err
		}
		told := BulkRolePayload{Role: role.ID}
		for _, before := range rows {
			after := before
			after.Role, after.roleName = role.ID, role.Name
			if _, err := after.replace(ctx, tx, in, before); err != nil {
				return none, err
			}
			told.IDs = append(told.IDs, after.ID)
			told.Affected = append(told.Affected, Holder{after.Identity, after.Node})
		}
		return none, event.Record(ctx, tx, BulkRoleChanged, entry(by, in, id.ID{}, role.Name), told)
	})
	return err
}

// collisions is rbac.assignment_conflict with the rows that can't all get the role: others
// give the same already, or they would among each other.
func collisions(ctx context.Context, tx *database.Tx, in scope.Environment, rows []row, role rbac.RoleID) error {
	type at struct {
		identity principal.IdentityID
		node     hierarchy.ID
	}
	holds := make(map[at]int, len(rows))
	for _, r := range rows {
		holds[at{r.Identity, r.Node}]++
	}
	colliding := []string{}
	for _, r := range rows {
		r.Role = role
		err := r.alone(ctx, tx, in)
		if err != nil && fault.As(err) == nil {
			return err
		}
		if err != nil || holds[at{r.Identity, r.Node}] > 1 {
			colliding = append(colliding, r.ID.String())
		}
	}
	if len(colliding) > 0 {
		return ErrConflict.WithData(idsData{colliding})
	}
	return nil
}

// rewindowed are the assignments that would get another window. Faults as of BulkChangeWindow.
func rewindowed(ctx context.Context, tx *database.Tx, in scope.Environment, c NewWindow) ([]row, error) {
	rows, err := findAll(ctx, tx, in, c.Some)
	for _, r := range rows {
		if err == nil && !r.Window.changed(c.From, c.To).valid() {
			err = fault.Validation.WithDetails("effective_to " + windowRule)
		}
	}
	return rows, err
}

// BulkChangeWindow gives all of the assignments the ends that are given, or none. Faults:
// rbac.assignment_not_found (data: ids); validation for a window that would come of it.
// Event: assignment.updated, one for each that has changed.
func (s *Service) BulkChangeWindow(
	ctx context.Context, by principal.Actor, in scope.Environment, c NewWindow,
) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		rows, err := rewindowed(ctx, tx, in, c)
		if err != nil {
			return none, err
		}
		for _, before := range rows {
			after := before
			if after.Window = before.Window.changed(c.From, c.To); after == before {
				continue
			}
			if after, err = after.replace(ctx, tx, in, before); err != nil {
				return none, err
			}
			about := entry(by, in, after.ID.Any(), after.roleName)
			if err := event.Record(ctx, tx, Updated, about, after.holding()); err != nil {
				return none, err
			}
		}
		return none, nil
	})
	return err
}
