package decide

import (
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
)

// An ImpactQuery asks what an edit would do, without doing it.
type ImpactQuery struct {
	Edit Edit
	// After continues behind the Next of the page before; zero for the first.
	After id.ID
	// Limit is the number of identities in a page; below 1 means 1.
	Limit int
}

// ImpactPage is one page of those whose access an edit would change now.
type ImpactPage struct {
	// Impacts by identity. Who is not in any page keeps exactly what they have.
	Impacts []Impact
	// Next is to be sent as After; zero on the last page.
	Next id.ID
	// Until is the next instant at which time alone would change this page,
	// also by bringing in somebody who isn't in it; Forever when there is none.
	Until Instant
	// Problems of the edit, as from Apply.
	Problems []Problem
}

// Impact is what an edit would do to the access of one identity now: the
// difference between Evaluate after and before, at every node.
type Impact struct {
	Identity id.ID
	// Gains are areas of the tree as the edit leaves it, Losses of the tree as
	// it was. By permission, then node.
	Gains, Losses []Area
	// Until is the next instant at which time alone would change the gains or
	// losses, or Forever.
	Until Instant
}

// Area is a permission at the live nodes of a subtree.
type Area struct {
	Permission string
	Node       id.ID   // the top of the subtree
	Except     []id.ID // tops of subtrees within that are not meant, by id
}

// Impact is a page of what q.Edit would change now, for every identity whose
// answers it would change and for nobody else. Only those are looked at who have
// an assignment that the edit could concern, from q.After on, until the page is
// full.
func (s *Snapshot) Impact(q ImpactQuery, now Instant) ImpactPage {
	next, problems := s.Apply(q.Edit)
	page := ImpactPage{Until: Forever, Problems: problems}
	c := compareSnapshots(s, next, q.Edit, q.After)
	limit := max(q.Limit, 1)
	for {
		u, ok := c.affected.next()
		if !ok {
			return page
		}
		impact := c.impact(u, now)
		changed := len(impact.Gains)+len(impact.Losses) > 0
		if changed && len(page.Impacts) == limit {
			page.Next = page.Impacts[limit-1].Identity
			return page
		}
		page.Until = min(page.Until, impact.Until)
		if changed {
			page.Impacts = append(page.Impacts, impact)
		}
	}
}

// A comparison is an edit with the snapshots before and after it. Numbers mean
// the same thing in both, or nothing in one of them, save that a row which was
// dropped and put again has two.
type comparison struct {
	before, after side
	nodesOnly     bool    // nothing but nodes was changed
	nodes         []id.ID // that were added, moved, switched or dropped, by id
	affected      merger  // who may gain or lose something
}

// A side is a snapshot before or after an edit.
type side struct {
	*Snapshot
	nodes  map[uint32]bool // the numbers of comparison.nodes
	listed map[uint32]bool // nodes whose holders are affected
}

func compareSnapshots(before, after *Snapshot, e Edit, from id.ID) *comparison {
	c := &comparison{
		before:    side{before, map[uint32]bool{}, map[uint32]bool{}},
		after:     side{after, map[uint32]bool{}, map[uint32]bool{}},
		nodesOnly: true,
		affected:  merger{after: from},
	}
	var nodes, roles, named []id.ID
	for _, change := range e.Changes {
		switch x := change.(type) {
		case PutNode:
			nodes = append(nodes, x.ID)
			continue
		case DropNode:
			nodes = append(nodes, x.ID)
			continue
		case PutRole:
			roles = append(roles, x.ID)
		case DropRole:
			roles = append(roles, x.ID)
		case DropPermission:
			roles = append(roles, before.rolesWith(x.Key)...)
		case PutMember:
			named = append(named, x.Identity)
		case DropMember:
			named = append(named, x.Identity)
		case PutAssignment:
			named = append(named, x.Identity)
		case DropAssignment:
			named = append(named, x.Identity)
		case DropAssignments:
			named = append(named, x.Identity)
		}
		c.nodesOnly = false
	}
	for _, u := range sortedIDs(nodes) {
		c.node(u)
	}
	c.nodes = sortedIDs(c.nodes)
	for _, u := range sortedIDs(roles) {
		c.role(u)
	}
	c.affected.named = sortedIDs(named)
	return c
}

func sortedIDs(ids []id.ID) []id.ID {
	slices.SortFunc(ids, func(a, b id.ID) int { return compareIDs(&a, &b) })
	return slices.Compact(ids)
}

// rolesWith is the roles that bundle the permission.
func (s *Snapshot) rolesWith(permission string) []id.ID {
	key, ok := s.keyOf(permission)
	if !ok {
		return nil
	}
	var ids []id.ID
	for r := range s.roles.n {
		if ro := s.roles.at(r); ro.grants.has(key) {
			ids = append(ids, ro.id)
		}
	}
	return ids
}

// role notes who bears a role, if that grants something else than before.
func (c *comparison) role(u id.ID) {
	var granted [2]bitset
	var found [2]bool
	var number [2]uint32
	for i, s := range []*Snapshot{c.before.Snapshot, c.after.Snapshot} {
		if number[i], found[i] = s.roleOf(u); found[i] && s.roles.at(number[i]).active {
			granted[i] = s.roles.at(number[i]).grants
		}
	}
	if number[0] == number[1] && granted[0].equal(granted[1]) {
		return
	}
	for i, s := range []*Snapshot{c.before.Snapshot, c.after.Snapshot} {
		if found[i] {
			c.affected.add(s, &s.bearers, number[i])
		}
	}
}

// node notes who has an assignment that counted at a node before and no longer
// does, or the other way round.
func (c *comparison) node(u id.ID) {
	b, wasThere := c.before.nodeOf(u)
	a, isThere := c.after.nodeOf(u)
	replaced := wasThere && isThere && a != b
	switch {
	case !wasThere && !isThere:
		return
	case wasThere && isThere && !replaced && *c.before.up.at(b) == *c.after.up.at(a):
		return
	}
	c.nodes = append(c.nodes, u)
	if wasThere {
		c.before.nodes[b] = true
	}
	if isThere {
		c.after.nodes[a] = true
	}
	if replaced {
		// What lay below it then does not lie below it now.
		c.before.eachBelow(b, func(n uint32) {
			c.nodes = append(c.nodes, *c.before.Snapshot.nodes.at(n))
			c.before.nodes[n] = true
		})
	}
	wasLive, isLive := wasThere && c.before.live(b), isThere && c.after.live(a)
	switch {
	case !wasLive && !isLive:
	case wasLive && isLive && !replaced:
		// Moved: only the nodes above it that it has lost or won make a
		// difference.
		was, is := c.before.lineage(b), c.after.lineage(a)
		for _, n := range was {
			if !slices.Contains(is, n) {
				c.holdersAt(&c.before, n)
			}
		}
		for _, n := range is {
			if !slices.Contains(was, n) {
				c.holdersAt(&c.after, n)
			}
		}
	default:
		if wasThere {
			c.holdersAround(&c.before, b)
		}
		if isThere {
			c.holdersAround(&c.after, a)
		}
	}
}

func (c *comparison) holdersAround(s *side, n uint32) {
	for _, at := range s.lineage(n) {
		c.holdersAt(s, at)
	}
	s.eachBelow(n, func(n uint32) { c.holdersAt(s, n) })
}

func (c *comparison) holdersAt(s *side, n uint32) {
	if !s.listed[n] {
		s.listed[n] = true
		c.affected.add(s.Snapshot, &s.holders, n)
	}
}

// eachBelow calls f with every node below n.
func (s *Snapshot) eachBelow(n uint32, f func(n uint32)) {
	below := s.childrenOf(n)
	for len(below) > 0 {
		last := len(below) - 1
		n, below = below[last], below[:last]
		f(n)
		below = append(below, s.childrenOf(n)...)
	}
}

// Why the following is exact.
//
// Call a node marked when it is one of c.nodes or has an assignment of the
// identity, before or after. Between two marked nodes nothing lies that could
// make a difference: from any node up to the next marked one, every step is the
// same before and after, every assignment that counts at the one counts at the
// other, and they are live together, or the node lies below one that is switched
// off before and after. So the identity gains and loses at a live node just what
// it gains and loses at the next marked node from there up, and where there is
// none, nothing.

// A mark is a marked node with what changes at it.
type mark struct {
	node           id.ID
	gained, lost   bitset
	aboveA, aboveB int // the next mark up, after and before; -1 for none
}

// impact is what changes for one identity.
func (c *comparison) impact(u id.ID, now Instant) Impact {
	impact := Impact{Identity: u, Until: Forever}
	b, a := c.before.subject(u), c.after.subject(u)
	if !b.active && !a.active {
		return impact
	}
	marks := make([]mark, 0, 8)
	for _, node := range c.marked(b, a) {
		mk := mark{node: node, aboveA: -1, aboveB: -1}
		was, is := b.rowsFor(node), a.rowsFor(node)
		diff := func(t Instant) (gained, lost bitset) {
			had, has := b.union(was, t), a.union(is, t)
			return has.minus(had), had.minus(has)
		}
		mk.gained, mk.lost = diff(now)
		impact.Until = min(impact.Until, firstEdge(append(was, is...), now, func(t Instant) bool {
			gained, lost := diff(t)
			return !gained.equal(mk.gained) || !lost.equal(mk.lost)
		}))
		marks = append(marks, mk)
	}
	for i := range marks {
		marks[i].aboveB = b.nextMark(marks, i)
		marks[i].aboveA = a.nextMark(marks, i)
	}
	impact.Gains = areas(a.Snapshot, marks,
		func(m *mark) bitset { return m.gained }, func(m *mark) int { return m.aboveA })
	impact.Losses = areas(b.Snapshot, marks,
		func(m *mark) bitset { return m.lost }, func(m *mark) int { return m.aboveB })
	return impact
}

// A subject is an identity on one side of an edit.
type subject struct {
	*side
	number uint32
	known  bool
	active bool
}

func (s *side) subject(u id.ID) subject {
	sub := subject{side: s}
	if sub.number, sub.known = s.memberOf(u); sub.known {
		sub.active = s.members.at(sub.number).reason() == None
	}
	return sub
}

// marked is the marked nodes of an identity, by id. When nothing but nodes was
// changed, those that lie below none of c.nodes are left out: nothing changes
// at them.
func (c *comparison) marked(sides ...subject) []id.ID {
	ids := slices.Clone(c.nodes)
	for _, sub := range sides {
		if !sub.known {
			continue
		}
		sub.eachRow(sub.number, func(r *row) bool {
			at := r.node
			for c.nodesOnly && at != nowhere && !sub.nodes[at] {
				at = sub.parent(at)
			}
			if at != nowhere {
				ids = append(ids, *sub.Snapshot.nodes.at(r.node))
			}
			return true
		})
	}
	return sortedIDs(ids)
}

// rowsFor is the assignments that count at the node, if the node is live and the
// identity active; their windows and roles aside.
func (sub subject) rowsFor(node id.ID) []*row {
	n, ok := sub.nodeOf(node)
	if !ok || !sub.active || !sub.live(n) {
		return nil
	}
	var rows []*row
	for at := n; at != nowhere; at = sub.parent(at) {
		sub.eachRowAt(sub.number, at, func(r *row) bool {
			rows = append(rows, r)
			return true
		})
	}
	return rows
}

// nextMark is the mark that lies next above marks[i], or -1.
func (sub subject) nextMark(marks []mark, i int) int {
	n, ok := sub.nodeOf(marks[i].node)
	if !ok || len(marks) == 1 {
		return -1
	}
	for at := sub.parent(n); at != nowhere; at = sub.parent(at) {
		u := sub.Snapshot.nodes.at(at)
		j, found := slices.BinarySearchFunc(marks, u, func(m mark, u *id.ID) int { return compareIDs(&m.node, u) })
		if found {
			return j
		}
	}
	return -1
}

// areas says what the marks say permission by permission: a mark begins an area
// where the next one above does not have the permission, and ends the area above
// where it doesn't have it itself.
func areas(s *Snapshot, marks []mark, has func(*mark) bitset, above func(*mark) int) []Area {
	below := make([][]int, len(marks))
	for i := range marks {
		if up := above(&marks[i]); up >= 0 {
			below[up] = append(below[up], i)
		}
	}
	// ends adds to list where the area of key that mark i is in ends below it.
	var ends func(list []id.ID, i int, key uint32) []id.ID
	ends = func(list []id.ID, i int, key uint32) []id.ID {
		for _, j := range below[i] {
			if has(&marks[j]).has(key) {
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
			begins = begins.minus(has(&marks[up]))
		}
		for key := range begins.all() {
			list = append(list, Area{
				Permission: *s.keys.at(key), Node: marks[i].node, Except: sortedIDs(ends(nil, i, key)),
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
