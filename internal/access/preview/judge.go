package preview

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Problem is why the call, or a part of it, would be refused.
type Problem struct {
	Code    string
	Message string
	ID      string // of what it is about, as it was sent; "" for none
}

// Going counts what a call would take along, and which nodes it is about.
type Going struct {
	Nodes       int // that are moved, switched or removed, with all below them
	Assignments int // that are removed
	Invites     int // that are withdrawn
}

// judgement is what the real call would do.
type judgement struct {
	problems []Problem
	changes  []decide.Change
	large    bool // too much to say who gains and who loses
	kept     bool // what is made has no id yet
	going    Going
	until    decide.Instant // when time alone changes the judgement
	source   revision.At    // of another Environment that it stands on, else zero
}

// judge judges one change at one moment.
type judge struct {
	*judgement

	s     *Service
	tx    *database.Tx
	in    scope.Environment
	world *decide.Snapshot
	first bool // what goes is told
}

func (j *judge) judge(ctx context.Context, c Change) error {
	switch c.Kind {
	case MoveNodes, SwitchNodes, DeleteNodes:
		return j.nodes(ctx, c)
	case SwitchRole, SetPermissions, DeleteRole:
		return j.role(ctx, c, named[rbac.RoleID](*c.RoleID))
	case DeletePermission:
		change, err := rbac.TryDeletePermission(ctx, j.tx, j.in, named[rbac.PermissionID](*c.PermissionID))
		return j.note(change, err, *c.PermissionID)
	case CreateAssignments, ChangeAssignments, RemoveAssignments:
		return j.assignments(ctx, c)
	case Deactivate, Remove:
		return j.identities(ctx, c)
	case Revert:
		t, err := j.s.Dumps.TryRevert(ctx, j.tx, j.in, j.s.most())
		return j.trial(t, err)
	case Promote:
		parts := c.Parts
		if parts == nil {
			parts = dump.Promoted()
		}
		t, err := j.s.Dumps.TryPromote(ctx, j.tx, j.in, *c.Source, parts, j.s.most())
		j.kept = true
		return j.trial(t, err)
	}
	return nil
}

// note keeps a change, nil for none, or the fault of one. Other errors are given back.
func (j *judge) note(change decide.Change, err error, about string) error {
	if err == nil {
		if change != nil {
			j.changes = append(j.changes, change)
		}
		return nil
	}
	f := fault.As(err)
	if f == nil {
		return err
	}
	switch keys := rbac.Keys(f); {
	case len(keys) > 0:
		for _, key := range keys {
			j.problem(Problem{f.Code, f.Message, key})
		}
	case len(f.Details) > 0:
		for _, detail := range f.Details {
			j.problem(Problem{f.Code, f.Message + ": " + detail, about})
		}
	default:
		j.problem(Problem{f.Code, f.Message, about})
	}
	return nil
}

// problem keeps a problem, once.
func (j *judge) problem(p Problem) {
	if !slices.Contains(j.problems, p) {
		j.problems = append(j.problems, p)
	}
}

// named reads an id; what is none becomes the zero one, which names nothing.
func named[I ~[16]byte](text string) I {
	of, err := id.Parse[I](text)
	if err != nil {
		return I{}
	}
	return of
}

// once are the texts in their order, each once.
func once(list []string) []string {
	seen := make(map[string]bool, len(list))
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool {
		before := seen[s]
		seen[s] = true
		return before
	})
}

func (j *judge) nodes(ctx context.Context, c Change) error {
	t, err := hierarchy.NewTrial(ctx, j.tx, j.in, j.world)
	if err != nil {
		return err
	}
	var to hierarchy.Node
	var nowhere error
	if c.Kind == MoveNodes {
		if to, nowhere = t.Target(ctx, *c.ParentNodeID); nowhere != nil && fault.As(nowhere) == nil {
			return nowhere
		}
	}
	var about []id.ID
	for _, of := range once(c.NodeIDs) {
		n, err := t.Named(ctx, of)
		var change decide.Change
		switch {
		case err != nil:
		case c.Kind == MoveNodes && nowhere != nil:
			of, err = *c.ParentNodeID, nowhere
		case c.Kind == MoveNodes:
			change, err = t.Move(ctx, n, to)
		case c.Kind == SwitchNodes:
			change, err = t.Switch(n, *c.Status)
		default:
			change, err = t.Delete(n)
		}
		if err := j.note(change, err, of); err != nil {
			return err
		}
		if err == nil && change != nil {
			about = append(about, n.ID.Any())
		}
	}
	return j.weigh(ctx, c.Kind, about)
}

// weigh tells how much lies at and below nodes that are changed.
func (j *judge) weigh(ctx context.Context, kind Kind, nodes []id.ID) (err error) {
	if kind != DeleteNodes {
		j.going.Nodes = j.world.CountUnder(nodes)
		j.large = j.going.Nodes > j.s.most()
		return nil
	}
	w := j.world.WeightOf(nodes)
	j.going.Nodes, j.going.Assignments = w.Nodes, w.Assignments
	j.large = max(w.Nodes, w.Assignments) > j.s.most()
	if j.first {
		j.going.Invites, err = j.s.Invites.Naming(ctx, j.tx, j.in, nil, ofNodes(j.world.Under(nodes)))
	}
	return err
}

func ofNodes(list []id.ID) []hierarchy.ID {
	ids := make([]hierarchy.ID, len(list))
	for i := range list {
		ids[i] = hierarchy.ID(list[i])
	}
	return ids
}

func (j *judge) role(ctx context.Context, c Change, of rbac.RoleID) (err error) {
	var change decide.Change
	switch c.Kind {
	case SwitchRole:
		change, err = rbac.TryUpdateRole(ctx, j.tx, j.in, of, rbac.RoleChange{Active: c.IsActive})
	case SetPermissions:
		change, err = rbac.TrySetRoleKeys(ctx, j.tx, j.in, of, c.Keys)
	default:
		change, err = rbac.TryDeleteRole(ctx, j.tx, j.in, of)
	}
	if bad := j.note(change, err, *c.RoleID); bad != nil || err != nil || c.Kind != DeleteRole {
		return bad
	}
	roles := []rbac.RoleID{of}
	j.going.Assignments, err = assignment.CountWith(ctx, j.tx, j.in, roles, nil)
	j.large = j.going.Assignments > j.s.most()
	if err != nil || !j.first {
		return err
	}
	j.going.Invites, err = j.s.Invites.Naming(ctx, j.tx, j.in, roles, nil)
	return err
}

func (j *judge) assignments(ctx context.Context, c Change) error {
	t := assignment.NewTrial(j.tx, j.in)
	some := assignment.Some{IDs: c.AssignmentIDs}
	window := c.From.Given || c.To.Given
	var err error
	switch {
	case c.Kind == CreateAssignments:
		err = t.Create(ctx, c.Assignments)
	case c.Kind == RemoveAssignments:
		err = t.Remove(ctx, some)
		j.going.Assignments = len(t.Changes)
	case c.RoleID == nil:
		err = t.ChangeWindow(ctx, assignment.NewWindow{Some: some, From: c.From, To: c.To})
	case !window:
		err = t.ChangeRole(ctx, assignment.NewRole{Some: some, RoleID: *c.RoleID})
	default:
		err = t.Update(ctx, some, assignment.Change{RoleID: *c.RoleID, From: c.From, To: c.To})
	}
	if err != nil {
		return err
	}
	j.changes = t.Changes
	for _, r := range t.Refused {
		if err := j.note(nil, r.Err, r.About); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) identities(ctx context.Context, c Change) error {
	at := membership.InEnvironment(j.in)
	for _, of := range once(c.IdentityIDs) {
		i, err := at.Find(ctx, j.tx, named[enduser.ID](of))
		switch {
		case err != nil:
			if err := j.note(nil, err, of); err != nil {
				return err
			}
		case c.Kind == Remove:
			j.changes = append(j.changes, decide.DropAssignments{Identity: i.ID.Any()}, member(i, i.Active, false))
			j.going.Assignments += j.world.HeldBy(i.ID.Any())
			if !j.first {
				continue
			}
			n, err := j.s.Invites.Of(ctx, j.tx, j.in, i.Email)
			if err != nil {
				return err
			}
			j.going.Invites += n
		case i.Active:
			j.changes = append(j.changes, member(i, false, true))
		}
	}
	j.large = j.going.Assignments > j.s.most()
	return nil
}

func member(i enduser.Identity, active, here bool) decide.Change {
	return decide.PutMember{Member: decide.Member{
		Identity: i.ID.Any(), IdentityActive: active, MembershipActive: here,
	}}
}

// trial keeps what room dump has judged.
func (j *judge) trial(t dump.Trial, err error) error {
	if err != nil {
		return j.note(nil, err, "")
	}
	j.changes, j.large, j.until, j.source = t.Changes, t.Large, t.Until, t.Source
	j.going = Going{t.Removed.Nodes, t.Removed.Assignments, t.Removed.Invites}
	return nil
}
