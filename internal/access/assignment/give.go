package assignment

import (
	"context"
	"maps"
	"slices"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// New is an assignment to be made. An id that names nothing, such as the zero one, is
// answered like one that is unknown.
type New struct {
	Identity principal.IdentityID
	Node     hierarchy.ID
	Role     rbac.RoleID
	Window   Window // Always, where nobody asked for less
	Source   string // of the event: how it came about, "" for a call that asked for it
}

// Give makes an assignment, in a transaction that holds the Environment's lock. Of several
// broken rules the first answers: validation for the window; identities.not_found without an
// active membership; nodes.node_not_found; rbac.role_not_found; nodes.reserved_type;
// rbac.role_system_not_assignable; rbac.role_inactive; rbac.assignment_conflict, with the
// assignment_id of the one that is there, after which the transaction may go on. Event:
// assignment.created.
func Give(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, n New,
) (Assignment, error) {
	g := newGiver(tx, in)
	a, role, err := g.give(ctx, n)
	if err != nil {
		return a, err
	}
	told := CreatedPayload{a.Identity, a.Node, a.Role, n.Source}
	return a, event.Record(ctx, tx, Created, entry(by, in, a.ID.Any(), role.Name), told)
}

// Fits judges whether a role may be given at a node, to whomever: nodes.node_not_found,
// rbac.role_not_found, nodes.reserved_type, rbac.role_system_not_assignable,
// rbac.role_inactive.
func Fits(ctx context.Context, tx *database.Tx, in scope.Environment, node hierarchy.ID, role rbac.RoleID) error {
	_, err := newGiver(tx, in).fits(ctx, node, role)
	return err
}

// giver makes assignments in one transaction, and remembers what it has looked up: rows of
// one call are mostly about few nodes and roles.
type giver struct {
	tx      *database.Tx
	in      scope.Environment
	members map[principal.IdentityID]bool
	nodes   map[hierarchy.ID]looked[hierarchy.Node]
	roles   map[rbac.RoleID]looked[rbac.Role]
}

// looked is what a look-up gave.
type looked[T any] struct {
	v   T
	err error // a fault: it is not there
}

func newGiver(tx *database.Tx, in scope.Environment) *giver {
	return &giver{
		tx, in,
		map[principal.IdentityID]bool{},
		map[hierarchy.ID]looked[hierarchy.Node]{},
		map[rbac.RoleID]looked[rbac.Role]{},
	}
}

// give makes an assignment, with its change row and counts, and records no event.
func (g *giver) give(ctx context.Context, n New) (a Assignment, role rbac.Role, err error) {
	if role, err = g.mayGive(ctx, n); err != nil {
		return a, role, err
	}
	tx, in := g.tx, g.in
	a = Assignment{id.New[ID](tx.Now), n.Identity, n.Node, n.Role, n.Window, tx.Now, tx.Now}
	made, err := tx.Exec(ctx, insertAssignment, a.ID, in.ID, a.Identity, a.Node, a.Role, a.Window.From, a.Window.To,
		a.CreatedAt)
	if err != nil {
		return a, role, err
	}
	if made == 0 {
		return a, role, conflict(ctx, tx, in, a)
	}
	count(tx, in, a, 1)
	revision.Append(tx, in, a.put())
	return a, role, nil
}

// mayGive gives the role, if all rules hold but that nobody gave the same before.
func (g *giver) mayGive(ctx context.Context, n New) (role rbac.Role, err error) {
	if !n.Window.valid() {
		return role, fault.Validation.WithDetails("effective_to " + windowRule)
	}
	if err := g.isMember(ctx, n.Identity); err != nil {
		return role, err
	}
	return g.fits(ctx, n.Node, n.Role)
}

// windowRule is what a window must be.
const windowRule = "must be after effective_from"

// conflict tells which assignment is in the way.
func conflict(ctx context.Context, tx *database.Tx, in scope.Environment, a Assignment) error {
	var there ID
	err := tx.QueryRow(ctx, selectTriple, in.ID, a.Identity, a.Role, a.Node).Scan(&there)
	if err != nil {
		return err
	}
	return ErrConflict.WithData(conflictData{there})
}

type conflictData struct {
	Assignment ID `json:"assignment_id"`
}

// meet looks up at once who of those that are to get something is a member, and the nodes.
func (g *giver) meet(ctx context.Context, list []New) error {
	people, at := make([]principal.IdentityID, len(list)), map[hierarchy.ID]bool{}
	for i, n := range list {
		people[i] = n.Identity
		at[n.Node] = true
	}
	active, err := membership.ActiveOf(ctx, g.tx, g.in, people)
	if err != nil {
		return err
	}
	for _, of := range people {
		g.members[of] = active[of]
	}
	nodes, err := hierarchy.Some(ctx, g.tx, g.in, slices.Collect(maps.Keys(at)))
	for _, n := range nodes {
		g.nodes[n.ID] = looked[hierarchy.Node]{n, nil}
	}
	return err
}

// isMember is identities.not_found without an active membership.
func (g *giver) isMember(ctx context.Context, of principal.IdentityID) error {
	is, known := g.members[of]
	if !known {
		var err error
		if is, err = membership.IsActive(ctx, g.tx, g.in, of); err != nil {
			return err
		}
		g.members[of] = is
	}
	if !is {
		return enduser.ErrNotFound
	}
	return nil
}

// fits gives the role, if it may be given at the node.
func (g *giver) fits(ctx context.Context, node hierarchy.ID, role rbac.RoleID) (rbac.Role, error) {
	n, err := look(g.nodes, node, func() (hierarchy.Node, error) { return hierarchy.Find(ctx, g.tx, g.in, node) })
	if err != nil {
		return rbac.Role{}, err
	}
	r, err := g.role(ctx, role)
	switch {
	case err != nil:
		return r, err
	case hierarchy.IsReserved(n.Type):
		return r, hierarchy.ErrReservedType
	}
	return r, mayBeGiven(r)
}

func (g *giver) role(ctx context.Context, of rbac.RoleID) (rbac.Role, error) {
	return look(g.roles, of, func() (rbac.Role, error) { return rbac.FindRole(ctx, g.tx, g.in, of) })
}

// mayBeGiven holds the rules of a role that is there.
func mayBeGiven(r rbac.Role) error {
	switch {
	case r.SystemKey != nil:
		return ErrSystemRole
	case !r.Active:
		return ErrInactive
	}
	return nil
}

// look gives what was looked up before, or looks it up.
func look[K comparable, T any](known map[K]looked[T], of K, find func() (T, error)) (T, error) {
	if l, is := known[of]; is {
		return l.v, l.err
	}
	v, err := find()
	if err == nil || fault.As(err) != nil {
		known[of] = looked[T]{v, err}
	}
	return v, err
}
