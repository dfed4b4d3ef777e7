package decide

import (
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// An ImpactQuery asks what an edit would do, without doing it.
type ImpactQuery struct {
	Edit Edit
	// After is the Next of the page before; zero for the first page.
	After id.ID
	// Limit is the number of identities in a page; below 1 means 1.
	Limit int
}

// ImpactPage is one page of the identities whose access an edit would change now.
type ImpactPage struct {
	// Impacts by identity. An identity that is on no page keeps exactly the access
	// it has.
	Impacts []Impact
	// Next is to be sent as After for the next page; zero on the last page.
	Next id.ID
	// Until is the next instant at which time alone would change this page, also
	// by adding an identity that is not on it now; Forever when there is none.
	Until Instant
	// Problems of the edit, as from Apply.
	Problems []Problem
}

// Impact is what an edit would do to the access of one identity now: the
// difference between Evaluate after and before, at every node.
type Impact struct {
	Identity id.ID
	// Gains are areas of the tree after the edit, Losses of the tree before it.
	// Both are sorted by permission, then node.
	Gains, Losses []Area
	// Until is the next instant at which time alone would change the gains or
	// losses, or Forever.
	Until Instant
}

// Changes reports whether the identity gains or loses anything.
func (i Impact) Changes() bool { return len(i.Gains)+len(i.Losses) > 0 }

// Area is a permission at the live nodes of a subtree.
type Area struct {
	Permission string
	Node       id.ID   // the top of the subtree
	Except     []id.ID // tops of subtrees within it that do not belong to the area, by id
}

// Impact returns a page of what q.Edit would change now, for every identity whose
// answers it would change and for no other. It looks at the identities that have
// an assignment the edit could concern, from q.After on, until the page is full.
func (s *Snapshot) Impact(q ImpactQuery, now Instant) ImpactPage {
	t := s.Try(q.Edit)
	page := ImpactPage{Until: Forever, Problems: t.Problems}
	limit := max(q.Limit, 1)
	t.Each(q.After, now, func(impact Impact) bool {
		if impact.Changes() && len(page.Impacts) == limit {
			page.Next = page.Impacts[limit-1].Identity
			return false
		}
		page.Until = min(page.Until, impact.Until)
		if impact.Changes() {
			page.Impacts = append(page.Impacts, impact)
		}
		return true
	})
	return page
}

// Why the following is exact.
//
// Call a node marked if it is one of comparison.nodes, or has an assignment of
// the identity before or after the edit. Between a node and the next marked node
// above it, nothing makes a difference. Every step up is the same before and
// after. Every assignment that counts at the one node counts at the other. And
// the two are live together, unless the lower one lies below a node that is
// switched off both before and after.
//
// So at a live node the identity gains and loses just what it gains and loses at
// the next marked node upwards. Where there is no marked node above, it gains and
// loses nothing.

// A mark is a marked node with what changes at it.
type mark struct {
	node         id.ID
	gained, lost persist.Bitset
	// The places in the list of marks of the next mark up, in the tree after the
	// edit and in the tree before it; -1 for none.
	aboveAfter, aboveBefore int
}

// impact returns what changes for one identity.
func (c *comparison) impact(u id.ID, now Instant) Impact {
	marks, until := c.marksOf(u, now)
	return Impact{
		Identity: u,
		Gains: areas(c.after.Snapshot, marks,
			func(m *mark) persist.Bitset { return m.gained }, func(m *mark) int { return m.aboveAfter }),
		Losses: areas(c.before.Snapshot, marks,
			func(m *mark) persist.Bitset { return m.lost }, func(m *mark) int { return m.aboveBefore }),
		Until: until,
	}
}

// marksOf returns the marks of one identity, and the next instant at which time
// alone would change one of them.
func (c *comparison) marksOf(u id.ID, now Instant) (marks []mark, until Instant) {
	until = Forever
	b, a := c.before.identity(u), c.after.identity(u)
	if !b.active && !a.active {
		return nil, until
	}
	marks = make([]mark, 0, 8)
	for _, node := range c.marked(b, a) {
		mk := mark{node: node, aboveAfter: -1, aboveBefore: -1}
		was, is := b.assignmentsFor(node), a.assignmentsFor(node)
		diff := func(t Instant) (gained, lost persist.Bitset) {
			had, has := b.union(was, t), a.union(is, t)
			return has.Difference(had), had.Difference(has)
		}
		mk.gained, mk.lost = diff(now)
		until = min(until, firstEdge(append(was, is...), now, func(t Instant) bool {
			gained, lost := diff(t)
			return !gained.Equal(mk.gained) || !lost.Equal(mk.lost)
		}))
		marks = append(marks, mk)
	}
	for i := range marks {
		marks[i].aboveBefore = b.nextMark(marks, i)
		marks[i].aboveAfter = a.nextMark(marks, i)
	}
	return marks, until
}

// A sideIdentity is an identity before or after an edit.
type sideIdentity struct {
	*side
	member uint32 // its number, if it is a member
	known  bool   // it is a member
	active bool   // it is an active member
}

func (s *side) identity(u id.ID) sideIdentity {
	si := sideIdentity{side: s}
	if si.member, si.known = s.memberOf(u); si.known {
		si.active = s.members.at(si.member).inactiveReason() == None
	}
	return si
}

// marked returns the marked nodes of an identity, by id. When the edit changes
// nothing but nodes, those that lie below none of c.nodes are left out, since
// nothing changes at them.
func (c *comparison) marked(sides ...sideIdentity) []id.ID {
	ids := slices.Clone(c.nodes)
	for _, si := range sides {
		if !si.known {
			continue
		}
		si.eachAssignment(si.member, func(a *assignment) bool {
			at := a.node
			for c.nodesOnly && at != noNode && !si.nodes[at] {
				at = si.parent(at)
			}
			if at != noNode && !c.passes(si.nodeIDs.At(a.node)) {
				ids = append(ids, *si.nodeIDs.At(a.node))
			}
			return true
		})
	}
	return sortedIDs(ids)
}

// passes reports whether a node is looked past.
func (c *comparison) passes(u *id.ID) bool {
	if !c.kept {
		return false
	}
	_, wasThere := c.before.nodeOf(*u)
	return !wasThere
}

// assignmentsFor returns the assignments on the node's lineage, whatever their
// windows and roles. There are none if the node is not live or the identity not
// active.
func (si sideIdentity) assignmentsFor(node id.ID) []*assignment {
	n, ok := si.nodeOf(node)
	if !ok || !si.active || !si.live(n) {
		return nil
	}
	var list []*assignment
	for at := n; at != noNode; at = si.parent(at) {
		si.eachAssignmentAt(si.member, at, func(a *assignment) bool {
			list = append(list, a)
			return true
		})
	}
	return list
}

// nextMark returns the place in marks of the next mark above marks[i], or -1.
func (si sideIdentity) nextMark(marks []mark, i int) int {
	n, ok := si.nodeOf(marks[i].node)
	if !ok || len(marks) == 1 {
		return -1
	}
	for at := si.parent(n); at != noNode; at = si.parent(at) {
		u := si.nodeIDs.At(at)
		j, found := slices.BinarySearchFunc(marks, u, func(m mark, u *id.ID) int { return compareIDs(&m.node, u) })
		if found {
			return j
		}
	}
	return -1
}

// areas turns the marks into areas, permission by permission. A mark begins an
// area if it has the permission and the next mark above does not. It ends the
// area of the mark above if that has the permission and it does not.
func areas(s *Snapshot, marks []mark, has func(*mark) persist.Bitset, above func(*mark) int) []Area {
	below := make([][]int, len(marks))
	for i := range marks {
		if up := above(&marks[i]); up >= 0 {
			below[up] = append(below[up], i)
		}
	}
	// ends adds to list the marks below mark i that end the area of key.
	var ends func(list []id.ID, i int, key uint32) []id.ID
	ends = func(list []id.ID, i int, key uint32) []id.ID {
		for _, j := range below[i] {
			if has(&marks[j]).Has(key) {
				list = ends(list, j, key)
			} else {
				list = append(list, marks[j].node)
			}
		}
		return list
	}
	var list []Area
	for i := range marks {
		begins := has(&marks[i])
		if up := above(&marks[i]); up >= 0 {
			begins = begins.Difference(has(&marks[up]))
		}
		for key := range begins.All() {
			list = append(list, Area{
				Permission: *s.keys.At(key), Node: marks[i].node, Except: sortedIDs(ends(nil, i, key)),
			})
		}
	}
	slices.SortFunc(list, func(a, b Area) int {
		if c := strings.Compare(a.Permission, b.Permission); c != 0 {
			return c
		}
		return compareIDs(&a.Node, &b.Node)
	})
	return list
}
