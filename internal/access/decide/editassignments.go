package decide

import (
	"slices"

	"canopy.dev/canopy/internal/access/decide/persist"
)

// Adding and removing the assignments of one member: first where the member has
// its assignments, then in the two trees that lead to the member.

// putAssignment adds a to member m, or replaces the assignment with its node and
// id.
func (ed *editor) putAssignment(m uint32, a assignment) {
	var old *assignment
	ed.eachAssignmentAt(m, a.node, func(x *assignment) bool {
		if x.id == a.id {
			old = x
		}
		return old == nil
	})
	if old != nil && *old == a {
		return
	}
	was := a
	if old != nil {
		was = *old
	}
	who := ed.members.edit(ed.owner, m)
	switch {
	case who.layout == layoutSpilled:
		if ed.spilled.Put(ed.owner, memberAssignment{m, a}, spilledPosition(m, a.node, a.id)) {
			who.setSpilled(who.spilledLen() + 1)
		}
	case old == nil && len(who.list) == listLen:
		ed.spill(m, who)
		ed.spilled.Put(ed.owner, memberAssignment{m, a}, spilledPosition(m, a.node, a.id))
		who.setSpilled(who.spilledLen() + 1)
	default:
		at := slices.IndexFunc(who.list, func(x assignment) bool { return assignmentPosition(a.node, a.id)(x) >= 0 })
		if at < 0 {
			at = len(who.list)
		}
		rest := at
		if old != nil {
			rest++
		}
		list := make([]assignment, 0, at+1+len(who.list)-rest)
		list = append(list, who.list[:at]...)
		list = append(list, a)
		who.setList(append(list, who.list[rest:]...))
	}
	if old == nil {
		ed.assignments++
		ed.membersByNode.Put(ed.owner, pairOf(a.node, m), ed.memberPosition(a.node, who.id))
	}
	if old == nil || was.role != a.role {
		ed.membersByRole.Put(ed.owner, pairOf(a.role, m), ed.memberPosition(a.role, who.id))
	}
	if was.role != a.role {
		ed.unpairRole(m, was.role)
	}
}

// spill moves the assignments of m from its list to the tree.
func (ed *editor) spill(m uint32, who *member) {
	for _, a := range who.list {
		ed.spilled.Put(ed.owner, memberAssignment{m, a}, spilledPosition(m, a.node, a.id))
	}
	who.setSpilled(len(who.list))
}

// unspill moves them back. It waits until a quarter of what a list holds is left,
// so that a member at the limit is not moved by every edit.
func (ed *editor) unspill(m uint32, who *member) {
	if who.spilledLen() > listLen/4 {
		return
	}
	list := make([]assignment, 0, who.spilledLen())
	ed.eachSpilled(m, 0, noNode, func(a *assignment) bool {
		list = append(list, *a)
		return true
	})
	for _, a := range list {
		ed.spilled.Delete(ed.owner, spilledPosition(m, a.node, a.id))
	}
	who.setList(list)
}

// dropAssignments removes the assignments of m for which which returns true.
func (ed *editor) dropAssignments(m uint32, which func(*assignment) bool) {
	var gone []assignment
	ed.eachAssignment(m, func(a *assignment) bool {
		if which(a) {
			gone = append(gone, *a)
		}
		return true
	})
	ed.removeAssignments(m, gone)
}

// dropAssignmentsAt removes the assignments of m at node n.
func (ed *editor) dropAssignmentsAt(m, n uint32) {
	var gone []assignment
	ed.eachAssignmentAt(m, n, func(a *assignment) bool {
		gone = append(gone, *a)
		return true
	})
	ed.removeAssignments(m, gone)
}

// removeAssignments removes assignments that m has. They are given by node, then
// id.
func (ed *editor) removeAssignments(m uint32, gone []assignment) {
	if len(gone) == 0 {
		return
	}
	who := ed.members.edit(ed.owner, m)
	if who.layout == layoutSpilled {
		for _, a := range gone {
			ed.spilled.Delete(ed.owner, spilledPosition(m, a.node, a.id))
			who.setSpilled(who.spilledLen() - 1)
		}
		ed.unspill(m, who)
	} else {
		list := make([]assignment, 0, len(who.list)-len(gone))
		rest := gone
		for _, a := range who.list {
			if len(rest) > 0 && a.id == rest[0].id && a.node == rest[0].node {
				rest = rest[1:]
				continue
			}
			list = append(list, a)
		}
		who.setList(list)
	}
	ed.assignments -= len(gone)
	var roles persist.Bitset
	at := uint32(noNode)
	for _, a := range gone {
		roles = roles.With(a.role)
		if a.node != at {
			ed.unpairNode(m, a.node)
			at = a.node
		}
	}
	for r := range roles.All() {
		ed.unpairRole(m, r)
	}
}

// unpairNode removes m from the members at node n, unless it still has an
// assignment there.
func (ed *editor) unpairNode(m, n uint32) {
	has := false
	ed.eachAssignmentAt(m, n, func(*assignment) bool { has = true; return false })
	if !has {
		ed.membersByNode.Delete(ed.owner, ed.memberPosition(n, ed.members.at(m).id))
	}
}

// unpairRole removes m from the members with role r, unless it still has an
// assignment of it.
func (ed *editor) unpairRole(m, r uint32) {
	has := false
	ed.eachAssignment(m, func(a *assignment) bool { has = a.role == r; return !has })
	if !has {
		ed.membersByRole.Delete(ed.owner, ed.memberPosition(r, ed.members.at(m).id))
	}
}
