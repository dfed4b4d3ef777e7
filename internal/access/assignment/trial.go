package assignment

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Trial judges calls as the use cases do and makes no change. It belongs to one transaction,
// which may be one that only reads. What it was asked for adds up.
type Trial struct {
	// Changes are what decisions would see.
	Changes []decide.Change
	// Refused says why something was refused.
	Refused []Refusal

	tx *database.Tx
	in scope.Environment
}

// Refusal is a fault, and what it is about: an id as it was sent, or of what is in the way;
// "" for none.
type Refusal struct {
	Err   error
	About string
}

// NewTrial begins a trial.
func NewTrial(tx *database.Tx, in scope.Environment) *Trial { return &Trial{tx: tx, in: in} }

func (t *Trial) refuse(err error, about ...string) {
	for _, one := range about {
		t.Refused = append(t.Refused, Refusal{err, one})
	}
}

// triple is what only one assignment may give.
type triple struct{ identity, node, role id.ID }

func (a Assignment) triple() triple { return triple{a.Identity.Any(), a.Node.Any(), a.Role.Any()} }

// Create judges Service.BulkCreate: each row by itself, a repeat after the first one.
func (t *Trial) Create(ctx context.Context, list []Draft) error {
	g, drafts, given := newGiver(t.tx, t.in), make([]New, len(list)), map[triple]bool{}
	for i, d := range list {
		drafts[i] = d.asNew()
	}
	if err := g.meet(ctx, drafts); err != nil {
		return err
	}
	next := id.Run[ID](t.tx.Now)
	for i, n := range drafts {
		_, err := g.mayGive(ctx, n)
		a := Assignment{next(), n.Identity, n.Node, n.Role, n.Window, t.tx.Now, t.tx.Now}
		if err == nil {
			if err = (row{Assignment: a}).alone(ctx, t.tx, t.in); err == nil && given[a.triple()] {
				err = ErrConflict
			}
		}
		switch {
		case err == nil:
			given[a.triple()] = true
			t.Changes = append(t.Changes, decide.PutAssignment{Assignment: a.Decided()})
		case fault.As(err) == nil:
			return err
		default:
			t.refuse(err, list[i].about(err))
		}
	}
	return nil
}

// about is what a refusal of the draft is about.
func (d *Draft) about(err error) string {
	switch {
	case errors.Is(err, enduser.ErrNotFound):
		return d.IdentityID
	case errors.Is(err, hierarchy.ErrNotFound), errors.Is(err, hierarchy.ErrReservedType):
		return d.NodeID
	case errors.Is(err, ErrConflict):
		if data, is := fault.As(err).Data.(conflictData); is {
			return data.Assignment.String()
		}
		return ""
	case errors.Is(err, fault.Validation):
		return ""
	}
	return d.RoleID
}

// Remove judges Service.BulkRemove.
func (t *Trial) Remove(ctx context.Context, some Some) error {
	rows, err := removable(ctx, t.tx, t.in, some)
	if err != nil {
		return t.refuseAll(err, rows, "")
	}
	for _, r := range rows {
		a := r.Decided()
		t.Changes = append(t.Changes, decide.DropAssignment{ID: a.ID, Identity: a.Identity, Node: a.Node})
	}
	return nil
}

// refuseAll notes the fault of a call that does all or nothing, for each of the rows that it
// is about, or for the role.
func (t *Trial) refuseAll(err error, rows []row, role string) error {
	f := fault.As(err)
	if f == nil {
		return err
	}
	if data, is := f.Data.(idsData); is {
		t.refuse(err, data.IDs...)
		return nil
	}
	if !errors.Is(err, hierarchy.ErrReservedType) {
		t.refuse(err, role)
		return nil
	}
	for _, r := range rows {
		if r.reserved() != nil {
			t.refuse(err, r.ID.String())
		}
	}
	return nil
}

// ChangeRole judges Service.BulkChangeRole.
func (t *Trial) ChangeRole(ctx context.Context, c NewRole) error {
	rows, role, err := movable(ctx, t.tx, t.in, c)
	if err != nil {
		return t.refuseAll(err, rows, c.RoleID)
	}
	for _, r := range rows {
		r.Role = role.ID
		t.Changes = append(t.Changes, decide.PutAssignment{Assignment: r.Decided()})
	}
	return nil
}

// ChangeWindow judges Service.BulkChangeWindow.
func (t *Trial) ChangeWindow(ctx context.Context, c NewWindow) error {
	rows, err := rewindowed(ctx, t.tx, t.in, c)
	if err != nil {
		return t.refuseAll(err, rows, "")
	}
	for _, before := range rows {
		after := before
		if after.Window = before.Window.changed(c.From, c.To); after != before {
			t.Changes = append(t.Changes, decide.PutAssignment{Assignment: after.Decided()})
		}
	}
	return nil
}

// Update judges Service.Update of several assignments, one after the other, each by itself: as
// if those before it had been changed.
func (t *Trial) Update(ctx context.Context, some Some, c Change) error {
	seen, given := map[string]bool{}, map[triple]bool{}
	for _, of := range some.IDs {
		if seen[of] {
			continue
		}
		seen[of] = true
		before, after, err := updatable(ctx, t.tx, t.in, named[ID](of), c)
		if err == nil && after.Role != before.Role && given[after.triple()] {
			err = ErrConflict
		}
		switch {
		case err == nil:
			given[after.triple()] = true
			if after != before {
				t.Changes = append(t.Changes, decide.PutAssignment{Assignment: after.Decided()})
			}
		case fault.As(err) == nil:
			return err
		case errors.Is(err, rbac.ErrRoleNotFound), errors.Is(err, ErrSystemRole), errors.Is(err, ErrInactive):
			t.refuse(err, c.RoleID)
		default:
			t.refuse(err, of)
		}
	}
	return nil
}
