package decide

import (
	"cmp"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// An assignment is an Assignment as a snapshot stores it with its member: 40
// bytes without a pointer.
type assignment struct {
	from, to   Instant
	node, role uint32
	id         id.ID
}

// A memberAssignment is an assignment in the tree of spilled ones.
type memberAssignment struct {
	member uint32
	assignment
}

// inWindow reports whether now lies in [from, to).
func inWindow(from, to, now Instant) bool {
	return from <= now && (now < to || to == Forever)
}

// assignmentPosition is the position of an assignment among those of its member.
func assignmentPosition(node uint32, u id.ID) persist.Position[assignment] {
	return func(a assignment) int {
		if c := cmp.Compare(a.node, node); c != 0 {
			return c
		}
		return compareIDs(&a.id, &u)
	}
}

// spilledPosition is the position of an assignment in the tree of spilled ones.
func spilledPosition(m, node uint32, u id.ID) persist.Position[memberAssignment] {
	at := assignmentPosition(node, u)
	return func(a memberAssignment) int {
		if c := cmp.Compare(a.member, m); c != 0 {
			return c
		}
		return at(a.assignment)
	}
}

// eachAssignment calls yield with every assignment of member m, by node, until
// yield returns false.
func (s *Snapshot) eachAssignment(m uint32, yield func(*assignment) bool) {
	who := s.members.at(m)
	for i := range who.list {
		if !yield(&who.list[i]) {
			return
		}
	}
	if who.layout == layoutSpilled {
		s.eachSpilled(m, 0, noNode, yield)
	}
}

// eachAssignmentAt calls yield with every assignment of member m at node n, by
// id, until yield returns false.
func (s *Snapshot) eachAssignmentAt(m, n uint32, yield func(*assignment) bool) {
	who := s.members.at(m)
	if who.layout == layoutSpilled {
		s.eachSpilled(m, n, n, yield)
		return
	}
	for i := firstAt(who.list, n); i < len(who.list) && who.list[i].node == n; i++ {
		if !yield(&who.list[i]) {
			return
		}
	}
}

// eachSpilled calls yield with the spilled assignments of member m at the nodes
// numbered first to last, until yield returns false.
func (s *Snapshot) eachSpilled(m, first, last uint32, yield func(*assignment) bool) {
	// A variable of the loop would be copied in each round: 200 bytes.
	c := s.spilled.Seek(spilledPosition(m, first, zeroID))
	for ; ; c.Next() {
		// Item would copy the assignment to the heap.
		a := c.Peek()
		if a == nil || a.member != m || a.node > last || !yield(&a.assignment) {
			return
		}
	}
}

// firstAt returns the place in list of the first assignment whose node is not
// below n.
func firstAt(list []assignment, n uint32) int {
	if len(list) <= 8 {
		for i := range list {
			if list[i].node >= n {
				return i
			}
		}
		return len(list)
	}
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].node < n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
