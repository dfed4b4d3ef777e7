package dump

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
)

// Removed counts what goes.
type Removed struct{ Permissions, Roles, Nodes, Assignments, Invites int }

// removes counts what a plan takes away.
func (s *Service) removes(ctx context.Context, p *plan) (r Removed, err error) {
	if p.permissions != nil {
		r.Permissions = len(p.permissions.gone)
	}
	roles := p.goneRoles()
	r.Roles = len(roles)
	var nodes []hierarchy.ID
	if p.tree != nil {
		nodes = p.tree.removed()
		r.Nodes = len(nodes)
	}
	if r.Assignments, err = assignment.CountWith(ctx, p.tx, p.in, roles, nodes); err != nil || s.Invites == nil {
		return r, err
	}
	r.Invites, err = s.Invites.Naming(ctx, p.tx, p.in, roles, nodes)
	return r, err
}

func (p *plan) goneRoles() (ids []rbac.RoleID) {
	if p.roles == nil {
		return nil
	}
	for _, r := range p.roles.gone {
		ids = append(ids, r.ID)
	}
	return ids
}

// apply does what the plan says: its transaction writes, and holds the Environment's lock.
func (s *Service) apply(ctx context.Context, p *plan, by principal.Actor, from source) error {
	if p.permissions != nil {
		if err := p.putPermissions(ctx); err != nil {
			return err
		}
	}
	if p.roles != nil {
		if err := s.putRoles(ctx, p, by, from); err != nil {
			return err
		}
	}
	if p.permissions != nil {
		// No role that stays holds one of them any more, unless the roles stay as they are.
		if err := rbac.DropPermissions(ctx, p.tx, p.in, p.permissions.gone); err != nil {
			return err
		}
	}
	if p.tree != nil {
		return s.putTree(ctx, p, by, from)
	}
	return nil
}

func (p *plan) putPermissions(ctx context.Context) error {
	var more []rbac.Permission
	for i, w := range p.permissions.wanted {
		switch p.permissions.fates[i] {
		case made:
			w.ID = id.New[rbac.PermissionID](p.tx.Now)
			more = append(more, w)
		case changed:
			if err := rbac.ReplacePermission(ctx, p.tx, p.in, w); err != nil {
				return err
			}
		case same:
		}
	}
	return rbac.InsertPermissions(ctx, p.tx, p.in, more)
}

func (s *Service) putRoles(ctx context.Context, p *plan, by principal.Actor, from source) error {
	q := p.roles
	gone := p.goneRoles()
	for _, of := range gone {
		for _, d := range s.OfRoles {
			if err := d.RoleGoes(ctx, p.tx, by, p.in, of); err != nil {
				return err
			}
		}
	}
	if err := rbac.DropRoles(ctx, p.tx, p.in, gone); err != nil {
		return err
	}
	var renamed []rbac.RoleID
	for i, w := range q.wanted {
		if q.fates[i] == changed && w.fold != q.before[q.match[i]].fold {
			renamed = append(renamed, w.ID)
		}
	}
	if err := rbac.FreeNames(ctx, p.tx, p.in, renamed); err != nil {
		return err
	}
	ids, err := rbac.Grantable(ctx, p.tx, p.in)
	if err != nil {
		return err
	}
	i := -1
	return from.roles(ctx, func(_ rbac.Role, keys []string) error {
		i++
		return p.putRole(ctx, i, keys, ids)
	})
}

// putRole writes one role, which holds the keys from then on.
func (p *plan) putRole(ctx context.Context, i int, keys []string, ids map[string]rbac.PermissionID) error {
	w := p.roles.wanted[i].Role
	switch p.roles.fates[i] {
	case same:
		if w.Ref == p.roles.before[p.roles.match[i]].Ref {
			return nil
		}
		return rbac.SetRef(ctx, p.tx, p.in, w)
	case made:
		w.ID = id.New[rbac.RoleID](p.tx.Now)
		if w.Ref.IsZero() {
			w.Ref = w.ID
		}
		if err := rbac.InsertRole(ctx, p.tx, p.in, w); err != nil {
			return err
		}
	case changed:
		if err := rbac.ReplaceRole(ctx, p.tx, p.in, w); err != nil {
			return err
		}
		if err := rbac.SetRef(ctx, p.tx, p.in, w); err != nil {
			return err
		}
	}
	return rbac.HoldExactly(ctx, p.tx, p.in, w, keys, ids)
}

func (s *Service) putTree(ctx context.Context, p *plan, by principal.Actor, from source) error {
	t := p.tree
	gone := t.removed()
	if err := s.dropNodes(ctx, p, by, gone); err != nil {
		return err
	}
	if err := hierarchy.FreeSlugs(ctx, p.tx, p.in, t.freed()); err != nil {
		return err
	}
	t.name(id.Run[hierarchy.ID](p.tx.Now))
	bulk, written := hierarchy.NewBulk(p.tx, p.in), 0
	err := from.nodes(ctx, func(n hierarchy.Node) error {
		written++
		s.progress(ctx, p.in, "written", written, len(t.src.all))
		return t.put(ctx, bulk, n)
	})
	if err != nil {
		return err
	}
	if err := bulk.Flush(ctx); err != nil {
		return err
	}
	t.follow(p, len(gone))
	return hierarchy.Recount(ctx, p.tx, p.in, t.tally())
}

// dropNodes deletes nodes, with what hangs on them.
func (s *Service) dropNodes(ctx context.Context, p *plan, by principal.Actor, gone []hierarchy.ID) error {
	done := 0
	for piece := range slices.Chunk(gone, 1000) {
		for _, d := range s.AtNodes {
			if _, err := d.NodesGo(ctx, p.tx, by, p.in, hierarchy.Going{Few: piece}); err != nil {
				return err
			}
		}
		if err := hierarchy.DeleteNodes(ctx, p.tx, p.in, piece); err != nil {
			return err
		}
		done += len(piece)
		s.progress(ctx, p.in, "removed", done, len(gone))
	}
	return nil
}

// name gives each node the id that it is going to have. New ones are in the order of those
// that they are made of, for siblings of one name stand in that of their ids.
func (t *treePlan) name(next func() hierarchy.ID) {
	t.ids = make([]hierarchy.ID, len(t.src.all))
	for _, i := range t.src.byID {
		if to := t.match[i]; to != none {
			t.ids[i] = t.tgt.all[to].id
			continue
		}
		t.ids[i] = next()
	}
}

// put writes one node.
func (t *treePlan) put(ctx context.Context, bulk *hierarchy.Bulk, n hierarchy.Node) error {
	i := t.src.find(n.ID)
	n.ID, n.Children, n.Parent = t.ids[i], int(t.children[i]), hierarchy.ID{}
	if above := t.src.all[i].parent; above >= 0 {
		n.Parent = t.ids[above]
	}
	if t.fates[i] == made {
		if n.Ref.IsZero() {
			n.Ref = n.ID
		}
		return bulk.Insert(ctx, n)
	}
	before := &t.tgt.all[t.match[i]]
	if n.Ref.IsZero() {
		n.Ref = before.ref
	}
	if n.Ref != before.ref || t.children[i] != before.children {
		if err := bulk.Count(ctx, n); err != nil {
			return err
		}
	}
	if t.fates[i] == changed {
		return bulk.Update(ctx, n)
	}
	return nil
}

// mostFollowed is how many changes of a tree are told one by one.
const mostFollowed = 10_000

// follow tells what decisions depend on: parents before children, so that none is ever
// below itself, and what goes at last, when all that stays has left it.
func (t *treePlan) follow(p *plan, gone int) {
	if t.made+t.changed+gone > mostFollowed {
		revision.AppendTree(p.tx, p.in, revision.Change{Kind: revision.Reload})
		return
	}
	revision.AppendTree(p.tx, p.in)
	t.eachPut(func(n hierarchy.Node) { revision.AppendTree(p.tx, p.in, n.Put()) })
	t.eachGone(func(top hierarchy.ID) { revision.AppendTree(p.tx, p.in, hierarchy.Gone(top)) })
}

// eachPut tells of the nodes that are put, parents first, with what decisions see of them.
func (t *treePlan) eachPut(put func(hierarchy.Node)) {
	for _, i := range t.order {
		if t.fates[i] == same {
			continue
		}
		n := &t.src.all[i]
		one := hierarchy.Node{ID: t.ids[i], Status: hierarchy.Active}
		if n.inactive {
			one.Status = hierarchy.Inactive
		}
		if n.parent >= 0 {
			one.Parent = t.ids[n.parent]
		}
		put(one)
	}
}

// eachGone tells of the tops of what goes.
func (t *treePlan) eachGone(gone func(top hierarchy.ID)) {
	for i := range t.tgt.all {
		// What lies below one that goes, goes with it.
		if o := &t.tgt.all[i]; !o.apart && !t.taken[i] && t.taken[o.parent] {
			gone(o.id)
		}
	}
}

// tally counts the tree as it is going to be.
func (t *treePlan) tally() hierarchy.Tally {
	var all hierarchy.Tally
	count := func(n *brief, depth int) {
		status := hierarchy.Active
		if n.inactive {
			status = hierarchy.Inactive
		}
		all.Add(t.src.hash.names[n.kind], status, depth)
	}
	for i := range t.src.all {
		count(&t.src.all[i], int(t.src.all[i].depth))
	}
	if t.kept == 0 {
		return all
	}
	above := t.matchedBy()
	depths := make([]int, len(t.tgt.all))
	for _, i := range t.tgt.fromTop() {
		o := &t.tgt.all[i]
		if !o.apart {
			continue
		}
		if depths[i] = depths[o.parent] + 1; !t.tgt.all[o.parent].apart {
			depths[i] = int(t.src.all[above[o.parent]].depth) + 1
		}
		count(o, depths[i])
	}
	return all
}
