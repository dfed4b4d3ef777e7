package assignment

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Service holds the use cases of assignments, one transaction each. It is safe for
// concurrent use.
type Service struct {
	DB *database.DB
	// Memory is about how many bytes lists may hold in all; 0 is 256 MiB. What is in use stays,
	// whatever it takes.
	Memory int

	memory memory
}

// Create makes an assignment; d is normalised. Faults and event as of Give.
func (s *Service) Create(
	ctx context.Context, by principal.Actor, in scope.Environment, d Draft,
) (Assignment, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Assignment, error) {
		return Give(ctx, tx, by, in, d.asNew())
	})
}

// row is an assignment with what its rules ask of its node and role.
type row struct {
	Assignment
	nodeType string
	roleName string
}

func find(ctx context.Context, tx *database.Tx, in scope.Environment, of ID) (row, error) {
	r, err := scanRow(tx.QueryRow(ctx, selectRows+` AND a.id = $2`, in.ID, of))
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return r, err
}

// reserved is nodes.reserved_type at a node where an assignment is a membership of an
// organization, which the routes of organizations give and take.
func (r row) reserved() error {
	if hierarchy.IsReserved(r.nodeType) {
		return hierarchy.ErrReservedType
	}
	return nil
}

// Update gives an assignment another role, or another window; c is normalised. A change that
// changes nothing writes nothing. Faults, in this order: rbac.assignment_not_found,
// validation for the window that would come of it, rbac.role_not_found, nodes.reserved_type
// for another role, rbac.role_system_not_assignable, rbac.role_inactive but for the present
// role, rbac.assignment_conflict. Event: assignment.updated.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, in scope.Environment, of ID, c Change,
) (Assignment, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Assignment, error) {
		before, after, err := updatable(ctx, tx, in, of, c)
		if err != nil {
			return before.Assignment, err
		}
		if after == before {
			return before.Assignment, nil
		}
		if after, err = after.replace(ctx, tx, in, before); err != nil {
			return before.Assignment, err
		}
		about := entry(by, in, of.Any(), after.roleName)
		return after.Assignment, event.Record(ctx, tx, Updated, about, after.holding())
	})
}

// updatable is an assignment as it is, and as a change would have it. Faults as of Update.
func updatable(
	ctx context.Context, tx *database.Tx, in scope.Environment, of ID, c Change,
) (before, after row, err error) {
	if before, err = find(ctx, tx, in, of); err != nil {
		return before, before, err
	}
	after = before
	if after.Window = before.Window.changed(c.From, c.To); !after.Window.valid() {
		return before, after, fault.Validation.WithDetails("effective_to " + windowRule)
	}
	role, err := rbac.FindRole(ctx, tx, in, named[rbac.RoleID](c.RoleID))
	if err != nil {
		return before, after, err
	}
	if after.Role, after.roleName = role.ID, role.Name; after.Role == before.Role {
		return before, after, nil
	}
	if err = before.reserved(); err == nil {
		err = mayBeGiven(role)
	}
	if err == nil {
		err = after.alone(ctx, tx, in)
	}
	return before, after, err
}

// alone is rbac.assignment_conflict where another assignment gives the same.
func (r row) alone(ctx context.Context, tx *database.Tx, in scope.Environment) error {
	err := conflict(ctx, tx, in, r.Assignment)
	if errors.Is(err, database.ErrNoRows) {
		return nil
	}
	return err
}

// replace keeps the assignment as it has become.
func (r row) replace(ctx context.Context, tx *database.Tx, in scope.Environment, before row) (row, error) {
	r.UpdatedAt = tx.Now
	_, err := tx.Exec(ctx, updateAssignment, r.Role, r.Window.From, r.Window.To, r.UpdatedAt, in.ID, r.ID)
	if err != nil {
		return r, err
	}
	count(tx, in, before.Assignment, -1)
	count(tx, in, r.Assignment, 1)
	revision.Append(tx, in, r.put())
	return r, nil
}

// Remove removes an assignment. Faults: rbac.assignment_not_found, nodes.reserved_type.
// Event: assignment.removed.
func (s *Service) Remove(ctx context.Context, by principal.Actor, in scope.Environment, of ID) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		r, err := find(ctx, tx, in, of)
		if err == nil {
			err = r.reserved()
		}
		if err != nil {
			return none, err
		}
		if err := r.remove(ctx, tx, in); err != nil {
			return none, err
		}
		return none, event.Record(ctx, tx, Removed, entry(by, in, of.Any(), r.roleName), r.holding())
	})
	return err
}

// remove removes the assignment, and tells nobody of it.
func (r row) remove(ctx context.Context, tx *database.Tx, in scope.Environment) error {
	if _, err := tx.Exec(ctx, deleteAssignment, in.ID, r.ID); err != nil {
		return err
	}
	count(tx, in, r.Assignment, -1)
	revision.Append(tx, in, r.drop())
	return nil
}
