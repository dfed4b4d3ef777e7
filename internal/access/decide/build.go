package decide

import (
	"hash/maphash"
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Builder makes a snapshot of the rows of one environment, told in one pass and
// in any order. It is used by one goroutine. The zero Builder is ready.
type Builder struct {
	problems []Problem
	session  session

	nodes struct {
		ids    []id.ID
		index  index
		parent []uint32 // nowhere for a root
		state  []rowState
	}
	members struct {
		ids    []id.ID
		index  index
		states []memberState
		state  []rowState
	}
	roles struct {
		ids   []id.ID
		index index
		rows  []Role
		state []rowState
	}
	keys map[string]struct{}

	waiting []Assignment
	// Assignments in pieces, so that a long list is never copied to grow.
	assignments [][]link

	fetched uint32
}

// A link is an assignment whose ends are numbers of the builder. The numbers
// are given out at first mention, be it by the row itself or by another that
// points to it.
type link struct {
	row
	member uint32
}

const linksLen = 1 << 14

type rowState uint8

const (
	told       rowState = 1 << iota // the row came, and was not only pointed to
	toldTwice                       // it came again
	switchedOn                      // of a node: active
	rootless                        // of a node: it does not hang on the root
	rooted                          // of a node: it hangs on the root
)

// Permission adds a key to the catalog. A key may come twice.
func (b *Builder) Permission(key string) {
	if key == "" {
		b.problem(Problem{Kind: NoID, Subject: SubjectPermission})
		return
	}
	if b.keys == nil {
		b.keys = map[string]struct{}{}
	}
	b.keys[key] = struct{}{}
}

// Role adds a role. The builder keeps r.Permissions.
func (b *Builder) Role(r Role) {
	if r.ID.IsZero() {
		b.problem(Problem{Kind: NoID, Subject: SubjectRole})
		return
	}
	n := b.role(r.ID)
	if tell(&b.roles.state[n]) {
		b.roles.rows[n] = r
	}
}

// Node adds a node.
func (b *Builder) Node(n Node) {
	if n.ID.IsZero() {
		b.problem(Problem{Kind: NoID, Subject: SubjectNode})
		return
	}
	i, parent := b.node(n.ID), uint32(nowhere)
	if !n.Parent.IsZero() {
		parent = b.node(n.Parent)
	}
	if tell(&b.nodes.state[i]) {
		b.nodes.parent[i] = parent
		if n.Active {
			b.nodes.state[i] |= switchedOn
		}
	}
}

// Member adds a member.
func (b *Builder) Member(m Member) {
	if m.Identity.IsZero() {
		b.problem(Problem{Kind: NoID, Subject: SubjectMember})
		return
	}
	n := b.member(m.Identity)
	if tell(&b.members.state[n]) {
		b.members.states[n] = m.state()
	}
}

func (m Member) state() memberState {
	var state memberState
	if m.IdentityActive {
		state |= identityActive
	}
	if m.MembershipActive {
		state |= membershipActive
	}
	return state
}

// Assignment adds an assignment.
func (b *Builder) Assignment(a Assignment) {
	switch {
	case a.ID.IsZero():
		b.problem(Problem{Kind: NoID, Subject: SubjectAssignment})
		return
	case a.From >= a.To:
		b.problem(Problem{Kind: EmptyWindow, Subject: SubjectAssignment, ID: a.ID})
		return
	}
	if b.waiting = append(b.waiting, a); len(b.waiting) == batchLen {
		b.link()
	}
}

// batchLen is how many assignments are linked at once.
const batchLen = 64

// link gives numbers to the ends of the waiting assignments. To look up two ids
// in large tables is to wait for memory four times. So it is done in steps for
// all that wait, first only touching what the next step needs: the processor
// then waits for many of them at once, and the last step for none.
func (b *Builder) link() {
	var hashes [batchLen][2]uint64
	var buckets [batchLen][2]*bucket
	for i := range b.waiting {
		a, h := &b.waiting[i], &hashes[i]
		h[0], h[1] = hashID(a.Identity), hashID(a.Node)
		buckets[i] = [2]*bucket{b.members.index.first(h[0]), b.nodes.index.first(h[1])}
		for _, at := range &buckets[i] {
			b.fetched += at.n + uint32(at.tags[0]) // one in each cache line
		}
	}
	for i := range b.waiting {
		h, at := &hashes[i], &buckets[i]
		if hits := at[0].hits(h[0]); hits != 0 {
			b.fetched += uint32(b.members.ids[at[0].slot(hits)][15])
		}
		if hits := at[1].hits(h[1]); hits != 0 {
			b.fetched += uint32(b.nodes.ids[at[1].slot(hits)][15])
		}
	}
	for i := range b.waiting {
		a := &b.waiting[i]
		last := len(b.assignments) - 1
		if last < 0 || len(b.assignments[last]) == linksLen {
			b.assignments = append(b.assignments, make([]link, 0, linksLen))
			last++
		}
		b.assignments[last] = append(b.assignments[last], link{
			row:    row{from: a.From, to: a.To, node: b.node(a.Node), role: b.role(a.Role), id: a.ID},
			member: b.member(a.Identity),
		})
	}
	b.waiting = b.waiting[:0]
}

func (b *Builder) problem(p Problem) { b.problems = append(b.problems, p) }

// tell notes that a row came and reports whether it was the first time.
func tell(state *rowState) bool {
	if *state&told != 0 {
		*state |= toldTwice
		return false
	}
	*state |= told
	return true
}

// good reports whether the row came, once.
func (state rowState) good() bool { return state&(told|toldTwice) == told }

func (b *Builder) node(u id.ID) uint32 {
	n, added := b.number(&b.nodes.index, &b.nodes.ids, u)
	if added {
		b.nodes.parent = append(b.nodes.parent, nowhere)
		b.nodes.state = append(b.nodes.state, 0)
	}
	return n
}

func (b *Builder) member(u id.ID) uint32 {
	n, added := b.number(&b.members.index, &b.members.ids, u)
	if added {
		b.members.states = append(b.members.states, 0)
		b.members.state = append(b.members.state, 0)
	}
	return n
}

func (b *Builder) role(u id.ID) uint32 {
	n, added := b.number(&b.roles.index, &b.roles.ids, u)
	if added {
		b.roles.rows = append(b.roles.rows, Role{})
		b.roles.state = append(b.roles.state, 0)
	}
	return n
}

// number is the builder's number of an id, given out now when it is new.
func (b *Builder) number(x *index, ids *[]id.ID, u id.ID) (n uint32, added bool) {
	h, known := hashID(u), *ids
	if n, ok := x.find(h, func(n uint32) bool { return known[n] == u }); ok {
		return n, false
	}
	b.session.all = true
	n = uint32(len(known))
	*ids = append(known, u)
	x.put(&b.session, h, n, func(n uint32) uint64 { return hashID((*ids)[n]) })
	return n, true
}

// Build makes the snapshot of the rows told so far, and says which of them were
// left out because they contradict each other: in no order that means anything.
// The builder is spent.
//
// It numbers nodes, members and roles in the order of their ids, so that lists
// of pairs can be sorted by number.
func (b *Builder) Build(revision uint64) (*Snapshot, []Problem) {
	b.link()
	sess := &session{all: true}
	s := &Snapshot{revision: revision, seed: maphash.MakeSeed(), root: nowhere}
	b.buildKeys(s, sess)
	roles := b.buildRoles(s, sess)
	nodes := b.buildNodes(s, sess)
	members, seats := b.buildMembers(s, sess)
	b.buildAssignments(s, nodes, members, roles, seats)
	sess.end()
	problems := b.problems
	*b = Builder{}
	return s, problems
}

func (b *Builder) buildKeys(s *Snapshot, sess *session) {
	keys := make([]string, 0, len(b.keys))
	for key := range b.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		s.byKey.put(sess, maphash.String(s.seed, key), s.keys.add(sess, key), s.hashKey)
	}
}

func (b *Builder) buildRoles(s *Snapshot, sess *session) renumbering {
	re := b.renumber(SubjectRole, b.roles.ids, b.roles.state, rowState.good)
	s.byRole.reserve(sess, len(re.order))
	for _, old := range re.order {
		r := b.roles.rows[old]
		ro := role{id: r.ID, name: r.Name, active: r.Active}
		for _, key := range r.Permissions {
			n, ok := s.keyOf(key)
			if !ok {
				b.problem(Problem{Kind: MissingPermission, Subject: SubjectRole, ID: r.ID, Key: key})
				continue
			}
			ro.grants = ro.grants.with(n)
		}
		s.byRole.put(sess, hashID(r.ID), s.roles.add(sess, ro), s.hashRole)
	}
	return re
}

func (b *Builder) buildNodes(s *Snapshot, sess *session) renumbering {
	b.findRoot()
	for n := range b.nodes.ids {
		b.hang(uint32(n))
	}
	re := b.renumber(SubjectNode, b.nodes.ids, b.nodes.state, func(state rowState) bool { return state&rooted != 0 })
	s.plates.homes.layOut(homesFor(len(re.order) * 9 / 8))
	kids := make([]uint32, len(re.order)+1) // how many children each node has, later where they begin
	for i, old := range re.order {
		up := uint32(nowhere)
		if parent := b.nodes.parent[old]; parent == nowhere {
			s.root = uint32(i)
		} else {
			up = re.number[parent]
			kids[up]++
		}
		if b.nodes.state[old]&switchedOn == 0 {
			up |= off
		}
		s.up.add(sess, up)
		s.nodes.add(sess, b.nodes.ids[old])
		s.plates.put(sess, b.nodes.ids[old], uint32(i), up, s.hashNode)
	}
	pairs := make([]pair, accumulate(kids))
	for i := range re.order {
		if up := s.parent(uint32(i)); up != nowhere {
			pairs[kids[up]] = pairOf(up, uint32(i))
			kids[up]++
		}
	}
	s.children = plant(pairs)
	return re
}

// findRoot leaves one root: of several, the one with the lowest id.
func (b *Builder) findRoot() {
	root := -1
	for n, state := range b.nodes.state {
		if !state.good() || b.nodes.parent[n] != nowhere {
			continue
		}
		if root >= 0 && compareIDs(&b.nodes.ids[root], &b.nodes.ids[n]) < 0 {
			b.secondRoot(n)
			continue
		}
		if root >= 0 {
			b.secondRoot(root)
		}
		root = n
	}
	if root >= 0 {
		b.nodes.state[root] |= rooted
	}
}

func (b *Builder) secondRoot(n int) {
	b.nodes.state[n] |= rootless
	b.problem(Problem{Kind: SecondRoot, Subject: SubjectNode, ID: b.nodes.ids[n]})
}

// hang finds out whether node n, and every node above it, hangs on the root.
func (b *Builder) hang(n uint32) {
	known := func(n uint32) bool { return b.nodes.state[n]&(rooted|rootless) != 0 }
	var path []uint32
	for !known(n) && b.nodes.state[n].good() {
		// Until the walk ends, assume the worst: a walk that meets itself, a
		// cycle, then ends at once.
		b.nodes.state[n] |= rootless
		path = append(path, n)
		n = b.nodes.parent[n]
	}
	if b.nodes.state[n]&rooted != 0 {
		for _, p := range path {
			b.nodes.state[p] ^= rootless | rooted
		}
		return
	}
	cycle := slices.Contains(path, n)
	for _, p := range path {
		kind := MissingParent
		if cycle {
			kind = ParentCycle
		}
		b.problem(Problem{Kind: kind, Subject: SubjectNode, ID: b.nodes.ids[p], Ref: b.nodes.ids[b.nodes.parent[p]]})
	}
}

// buildMembers also returns the numbers of the members, in the order of their
// ids: here a renumbering gives places in that order.
func (b *Builder) buildMembers(s *Snapshot, sess *session) (renumbering, []uint32) {
	re := b.renumber(SubjectMember, b.members.ids, b.members.state, rowState.good)
	list := make([]member, len(re.order))
	for i, old := range re.order {
		list[i] = member{id: b.members.ids[old], state: b.members.states[old]}
	}
	return re, s.members.settle(sess, list)
}

// A renumbering leads from the builder's numbers to the snapshot's, which leave
// the bad rows out and stand in the order of ids.
type renumbering struct {
	order  []uint32 // the builder's numbers, in the order of the snapshot's
	number []uint32 // the snapshot's number of each of the builder's, or missing
}

const missing = 1<<32 - 1

func (b *Builder) renumber(subject Subject, ids []id.ID, states []rowState, good func(rowState) bool) renumbering {
	re := renumbering{order: make([]uint32, 0, len(ids)), number: make([]uint32, len(ids))}
	for n, state := range states {
		re.number[n] = missing
		if state&toldTwice != 0 {
			b.problem(Problem{Kind: Duplicate, Subject: subject, ID: ids[n]})
		} else if good(state) {
			re.order = append(re.order, uint32(n))
		}
	}
	byID := func(x, y uint32) int { return compareIDs(&ids[x], &ids[y]) }
	if !slices.IsSortedFunc(re.order, byID) {
		slices.SortFunc(re.order, byID)
	}
	for i, n := range re.order {
		re.number[n] = uint32(i)
	}
	return re
}

// accumulate turns counts into the places where the counted begin, and returns
// how many there are in all.
func accumulate(counts []uint32) uint32 {
	var sum uint32
	for i, n := range counts {
		counts[i] = sum
		sum += n
	}
	return sum
}

func (b *Builder) buildAssignments(s *Snapshot, nodes, members, roles renumbering, seats []uint32) {
	// By member: count, then place. What is placed is where the link lies, not
	// the link, which is ten times as long.
	begin := make([]uint32, len(seats)+1)
	for _, piece := range b.assignments {
		for i := range piece {
			l := &piece[i]
			if b.dangles(l, nodes, members, roles) {
				l.member = missing
				continue
			}
			l.node, l.role, l.member = nodes.number[l.node], roles.number[l.role], members.number[l.member]
			begin[l.member]++
		}
	}
	places := make([]uint32, accumulate(begin))
	for p, piece := range b.assignments {
		for i := range piece {
			if m := piece[i].member; m != missing {
				places[begin[m]] = uint32(p*linksLen + i)
				begin[m]++
			}
		}
	}
	// begin[m] is now where the next member begins.
	holders := newPairing(s.nodes.n, len(places))
	bearers := newPairing(s.roles.n, len(places))
	var crowded []heavyRow
	var from uint32
	for i, m := range seats {
		mine := places[from:begin[i]]
		from = begin[i]
		if len(mine) == 0 {
			continue
		}
		rows := make([]row, len(mine))
		for i, at := range mine {
			rows[i] = b.assignments[at/linksLen][at%linksLen].row
		}
		rows = b.tidy(rows)
		for i := range rows {
			holders.note(rows[i].node, m)
			bearers.note(rows[i].role, m)
		}
		// The session of this build may change every leaf in place.
		who := s.members.at(m)
		if s.assignments += len(rows); len(rows) <= lightRows {
			who.setRows(rows)
			continue
		}
		who.setHeavy(uint32(len(rows)))
		for i := range rows {
			crowded = append(crowded, heavyRow{member: m, row: rows[i]})
		}
	}
	b.assignments = nil
	slices.SortStableFunc(crowded, func(x, y heavyRow) int { return compare(x.member, y.member) })
	s.heavy = plant(crowded)
	s.holders = plant(holders.pairs())
	s.bearers = plant(bearers.pairs())
}

// dangles reports whether one of the ends of a link is missing.
func (b *Builder) dangles(l *link, nodes, members, roles renumbering) bool {
	p := Problem{Subject: SubjectAssignment, ID: l.id}
	switch {
	case members.number[l.member] == missing:
		p.Kind, p.Ref = MissingMember, b.members.ids[l.member]
	case nodes.number[l.node] == missing:
		p.Kind, p.Ref = MissingNode, b.nodes.ids[l.node]
	case roles.number[l.role] == missing:
		p.Kind, p.Ref = MissingRole, b.roles.ids[l.role]
	default:
		return false
	}
	b.problem(p)
	return true
}

// tidy sorts the rows of one member and leaves out those that came twice.
func (b *Builder) tidy(rows []row) []row {
	less := func(x, y *row) bool {
		return x.node < y.node || x.node == y.node && compareIDs(&x.id, &y.id) < 0
	}
	if len(rows) <= 16 {
		for i := 1; i < len(rows); i++ {
			for j := i; j > 0 && less(&rows[j], &rows[j-1]); j-- {
				rows[j], rows[j-1] = rows[j-1], rows[j]
			}
		}
	} else {
		slices.SortFunc(rows, func(x, y row) int { return atRow(y.node, y.id)(x) })
	}
	same := func(i, j int) bool { return rows[i].node == rows[j].node && rows[i].id == rows[j].id }
	twice := false
	for i := 1; i < len(rows); i++ {
		twice = twice || same(i, i-1)
	}
	if !twice {
		return rows
	}
	var once []row
	for i := range rows {
		switch {
		case i > 0 && same(i, i-1):
		case i+1 < len(rows) && same(i, i+1):
			b.problem(Problem{Kind: Duplicate, Subject: SubjectAssignment, ID: rows[i].id})
		default:
			once = append(once, rows[i])
		}
	}
	return once
}

// A pairing sorts (owner, member) pairs by owner that are noted by member.
type pairing struct {
	begin []uint32
	noted []pair
}

func newPairing(owners uint32, n int) *pairing {
	return &pairing{begin: make([]uint32, owners+1), noted: make([]pair, 0, n)}
}

func (p *pairing) note(owner, member uint32) {
	p.noted = append(p.noted, pairOf(owner, member))
	p.begin[owner]++
}

// pairs is what was noted, each pair once.
func (p *pairing) pairs() []pair {
	sorted := make([]pair, accumulate(p.begin))
	for _, pr := range p.noted {
		sorted[p.begin[pr.owner()]] = pr
		p.begin[pr.owner()]++
	}
	return slices.Compact(sorted)
}
