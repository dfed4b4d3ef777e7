package decide

import (
	"cmp"
	"slices"

	"canopy.dev/canopy/internal/access/decide/persist"
)

// buildAssignments gives each member its assignments and makes the trees that
// lead from nodes and roles to members. numbers are the members' numbers in the
// snapshot.
func (b *Builder) buildAssignments(
	s *Snapshot, owner *persist.Owner, nodes, members, roles renumbering, numbers []uint32,
) {
	places, end := b.placesByMember(nodes, members, roles, len(numbers))
	byNode := newPairSorter(s.nodeIDs.Len(), len(places))
	byRole := newPairSorter(s.roles.Len(), len(places))
	var spilled []memberAssignment
	var from uint32
	for i, m := range numbers {
		its := places[from:end[i]]
		from = end[i]
		if len(its) == 0 {
			continue
		}
		list := make([]assignment, len(its))
		for j, at := range its {
			list[j] = b.assignments[at/chunkLen][at%chunkLen].assignment
		}
		list = b.sortAssignments(list)
		for j := range list {
			byNode.add(list[j].node, m)
			byRole.add(list[j].role, m)
		}
		s.assignments += len(list)
		who := s.members.edit(owner, m)
		if len(list) <= listLen {
			who.setList(list)
			continue
		}
		who.setSpilled(len(list))
		for j := range list {
			spilled = append(spilled, memberAssignment{member: m, assignment: list[j]})
		}
	}
	b.assignments = nil
	slices.SortStableFunc(spilled, func(x, y memberAssignment) int { return cmp.Compare(x.member, y.member) })
	s.spilled = persist.NewBTree(spilled)
	s.membersByNode = persist.NewBTree(byNode.pairs())
	s.membersByRole = persist.NewBTree(byRole.pairs())
}

// placesByMember replaces the builder's numbers in the assignments by those of the
// renumberings, and leaves out the assignments that refer to missing rows. It
// sorts the others by member, with a counting sort: it returns their places and,
// for each member, where its places end.
//
// It sorts places and not the assignments themselves, which are ten times as
// long.
func (b *Builder) placesByMember(nodes, members, roles renumbering, count int) (places, end []uint32) {
	begin := make([]uint32, count+1)
	for _, chunk := range b.assignments {
		for i := range chunk {
			a := &chunk[i]
			if b.refersToMissing(a, nodes, members, roles) {
				a.member = noNumber
				continue
			}
			a.node, a.role, a.member = nodes.number[a.node], roles.number[a.role], members.number[a.member]
			begin[a.member]++
		}
	}
	places = make([]uint32, prefixSums(begin))
	for c, chunk := range b.assignments {
		for i := range chunk {
			if m := chunk[i].member; m != noNumber {
				places[begin[m]] = uint32(c*chunkLen + i)
				begin[m]++
			}
		}
	}
	return places, begin // each begin has moved to where the places of the member end
}

// refersToMissing reports whether the member, node or role of an assignment is
// missing.
func (b *Builder) refersToMissing(a *memberAssignment, nodes, members, roles renumbering) bool {
	p := Problem{Row: AssignmentRow, ID: a.id}
	switch {
	case members.number[a.member] == noNumber:
		p.Kind, p.Ref = MissingMember, b.members.ids[a.member]
	case nodes.number[a.node] == noNumber:
		p.Kind, p.Ref = MissingNode, b.nodes.ids[a.node]
	case roles.number[a.role] == noNumber:
		p.Kind, p.Ref = MissingRole, b.roles.ids[a.role]
	default:
		return false
	}
	b.problem(p)
	return true
}

// sortAssignments sorts the assignments of one member by node, then id. It leaves
// out those that came twice.
func (b *Builder) sortAssignments(list []assignment) []assignment {
	less := func(x, y *assignment) bool {
		return x.node < y.node || x.node == y.node && compareIDs(&x.id, &y.id) < 0
	}
	if len(list) <= 16 {
		// An insertion sort. Most members have few assignments, and calling
		// slices.SortFunc for each of them takes longer.
		for i := 1; i < len(list); i++ {
			for j := i; j > 0 && less(&list[j], &list[j-1]); j-- {
				list[j], list[j-1] = list[j-1], list[j]
			}
		}
	} else {
		slices.SortFunc(list, func(x, y assignment) int { return assignmentPosition(y.node, y.id)(x) })
	}
	same := func(i, j int) bool { return list[i].node == list[j].node && list[i].id == list[j].id }
	duplicates := false
	for i := 1; i < len(list); i++ {
		duplicates = duplicates || same(i, i-1)
	}
	if !duplicates {
		return list
	}
	var unique []assignment
	for i := range list {
		switch {
		case i > 0 && same(i, i-1):
		case i+1 < len(list) && same(i, i+1):
			b.problem(Problem{Kind: Duplicate, Row: AssignmentRow, ID: list[i].id})
		default:
			unique = append(unique, list[i])
		}
	}
	return unique
}

// A pairSorter sorts pairs by group with a counting sort. Pairs of one group stay
// in the order in which they were added.
type pairSorter struct {
	counts []uint32 // by group
	added  []pair
}

func newPairSorter(groups uint32, n int) *pairSorter {
	return &pairSorter{counts: make([]uint32, groups+1), added: make([]pair, 0, n)}
}

func (p *pairSorter) add(group, item uint32) {
	p.added = append(p.added, pairOf(group, item))
	p.counts[group]++
}

// pairs returns the pairs that were added, each of them once. Equal pairs must
// have been added in a row among those of their group.
func (p *pairSorter) pairs() []pair {
	begin := p.counts
	sorted := make([]pair, prefixSums(begin))
	for _, pr := range p.added {
		sorted[begin[pr.group()]] = pr
		begin[pr.group()]++
	}
	return slices.Compact(sorted)
}
