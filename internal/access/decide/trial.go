package decide

import (
	"slices"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Trial is an edit that was tried on a snapshot, to be asked what it would change.
// Like a snapshot it never changes, and may be asked by any number of goroutines.
type Trial struct {
	// Problems of the edit, as from Apply.
	Problems []Problem

	before, after *Snapshot
	edit          Edit
	kept          bool
}

// Try makes the edit, without any effect on s.
func (s *Snapshot) Try(e Edit) *Trial {
	next, problems := s.Apply(e)
	return &Trial{Problems: problems, before: s, after: next, edit: e}
}

// Kept is the same trial, whose gains leave out the nodes that the edit adds. They
// are at none of its areas, neither as tops nor among the exceptions, and those
// below them that were there before are told as without them.
func (t *Trial) Kept() *Trial {
	kept := *t
	kept.kept = true
	return &kept
}

// Counts returns how many rows there are before and after the edit.
func (t *Trial) Counts() (before, after Counts) { return t.before.Counts(), t.after.Counts() }

// Each calls yield with what changes for the identities that the edit could concern,
// by id and after one, until yield returns false. Many have neither gains nor losses;
// an identity it does not come to keeps exactly the access it has.
func (t *Trial) Each(after id.ID, now Instant, yield func(Impact) bool) {
	c := newComparison(t.before, t.after, t.edit, t.kept, after)
	for {
		u, ok := c.affected.next()
		if !ok || !yield(c.impact(u, now)) {
			return
		}
	}
}

// Affected counts the identities whose access an edit would change now.
type Affected struct {
	Gaining, Losing int // one that gains here and loses there is in both
	// Whole says that nobody was left out.
	Whole bool
	// Until is the next instant at which time alone would change the numbers, or
	// an earlier one; Forever when there is none.
	Until Instant
}

// Count counts the identities after one, until they are more than most, or stop,
// which is asked after each identity that was looked at, says so.
func (t *Trial) Count(after id.ID, most int, now Instant, stop func() bool) Affected {
	n := Affected{Until: Forever}
	c := newComparison(t.before, t.after, t.edit, t.kept, after)
	some := func(of func(*mark) persist.Bitset) func(mark) bool {
		return func(m mark) bool { return !of(&m).Equal(nil) }
	}
	for counted := 0; ; {
		u, ok := c.affected.next()
		if !ok {
			n.Whole = true
			return n
		}
		marks, until := c.marksOf(u, now)
		gains := slices.ContainsFunc(marks, some(func(m *mark) persist.Bitset { return m.gained }))
		loses := slices.ContainsFunc(marks, some(func(m *mark) persist.Bitset { return m.lost }))
		if gains || loses {
			if counted++; counted > most {
				return n
			}
		}
		n.Until = min(n.Until, until)
		if gains {
			n.Gaining++
		}
		if loses {
			n.Losing++
		}
		if stop() {
			return n
		}
	}
}

// Weight is how much hangs on something.
type Weight struct{ Nodes, Assignments int }

// WeightOf is what lies at and below some nodes, each counted once. Those that are
// not there weigh nothing.
func (s *Snapshot) WeightOf(nodes []id.ID) Weight {
	var w Weight
	s.eachUnder(nodes, func(n uint32) {
		w.Nodes++
		c := s.membersFrom(&s.membersByNode, n, zeroID)
		for ; ; c.Next() {
			p, ok := c.Item()
			if !ok || p.group() != n {
				return
			}
			s.eachAssignmentAt(p.item(), n, func(*assignment) bool {
				w.Assignments++
				return true
			})
		}
	})
	return w
}

// CountUnder is how many nodes lie at and below some, each counted once.
func (s *Snapshot) CountUnder(nodes []id.ID) (n int) {
	s.eachUnder(nodes, func(uint32) { n++ })
	return n
}

// Under are some nodes and everything below them, each once, in no order.
func (s *Snapshot) Under(nodes []id.ID) []id.ID {
	var all []id.ID
	s.eachUnder(nodes, func(n uint32) { all = append(all, *s.nodeIDs.At(n)) })
	return all
}

// eachUnder calls f with the nodes and everything below them.
func (s *Snapshot) eachUnder(nodes []id.ID, f func(n uint32)) {
	tops := map[uint32]bool{}
	for _, u := range nodes {
		if n, ok := s.nodeOf(u); ok {
			tops[n] = true
		}
	}
	for n := range tops {
		covered := false
		for at := s.parent(n); at != noNode && !covered; at = s.parent(at) {
			covered = tops[at]
		}
		if !covered {
			f(n)
			s.eachBelow(n, f)
		}
	}
}

// Height is how many levels a node has with what lies below it, 1 where that is
// nothing; 0 for a node that is not there. Some nodes are left out, with everything
// below them.
func (s *Snapshot) Height(top id.ID, without map[id.ID]bool) int {
	n, ok := s.nodeOf(top)
	if !ok {
		return 0
	}
	levels := 0
	for level := []uint32{n}; len(level) > 0; levels++ {
		var next []uint32
		for _, at := range level {
			for _, child := range s.childrenOf(at) {
				if len(without) == 0 || !without[*s.nodeIDs.At(child)] {
					next = append(next, child)
				}
			}
		}
		level = next
	}
	return levels
}

// HeldBy is how many assignments an identity has.
func (s *Snapshot) HeldBy(identity id.ID) (n int) {
	if m, ok := s.memberOf(identity); ok {
		s.eachAssignment(m, func(*assignment) bool {
			n++
			return true
		})
	}
	return n
}
