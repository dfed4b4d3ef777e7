package decide

import (
	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Builder makes a snapshot of the rows of one environment, which it receives in
// one pass and in any order. It is used by one goroutine. The zero Builder is
// ready for use.
//
// It gives nodes, members and roles numbers of its own when they are first
// mentioned, by their own row or by another that refers to them. Build gives them
// the numbers of the snapshot.
type Builder struct {
	problems []Problem
	owner    *persist.Owner

	nodes struct {
		ids       []id.ID
		index     persist.HashIndex
		parent    []uint32 // noNode for a root
		rowStates []rowState
	}
	members struct {
		ids       []id.ID
		index     persist.HashIndex
		states    []memberState
		rowStates []rowState
	}
	roles struct {
		ids       []id.ID
		index     persist.HashIndex
		rows      []Role
		rowStates []rowState
	}
	keys map[string]struct{}

	batch []Assignment // not numbered yet
	// The others, in chunks, so that a long list is never copied to grow.
	assignments [][]memberAssignment

	prefetched uint32 // has no meaning; see numberBatch
}

const chunkLen = 1 << 14

type rowState uint8

const (
	rowSeen      rowState = 1 << iota // the row came; until then others only refer to it
	rowDuplicate                      // it came again
	nodeActive                        // the node is switched on
	nodeDetached                      // the node is not connected to the root
	nodeAttached                      // the node is connected to the root
)

// markSeen reports whether the row has come for the first time.
func markSeen(state *rowState) bool {
	if *state&rowSeen != 0 {
		*state |= rowDuplicate
		return false
	}
	*state |= rowSeen
	return true
}

// unique reports whether the row came exactly once.
func (state rowState) unique() bool { return state&(rowSeen|rowDuplicate) == rowSeen }

func (b *Builder) problem(p Problem) { b.problems = append(b.problems, p) }

// Permission adds a key to the catalog. A key may come twice.
func (b *Builder) Permission(key string) {
	if key == "" {
		b.problem(Problem{Kind: NoID, Row: PermissionRow})
		return
	}
	if b.keys == nil {
		b.keys = map[string]struct{}{}
	}
	b.keys[key] = struct{}{}
}

// Role adds a role. The builder takes ownership of r.Permissions.
func (b *Builder) Role(r Role) {
	if r.ID.IsZero() {
		b.problem(Problem{Kind: NoID, Row: RoleRow})
		return
	}
	n := b.role(r.ID)
	if markSeen(&b.roles.rowStates[n]) {
		b.roles.rows[n] = r
	}
}

// Node adds a node.
func (b *Builder) Node(n Node) {
	if n.ID.IsZero() {
		b.problem(Problem{Kind: NoID, Row: NodeRow})
		return
	}
	i, parent := b.node(n.ID), uint32(noNode)
	if !n.Parent.IsZero() {
		parent = b.node(n.Parent)
	}
	if markSeen(&b.nodes.rowStates[i]) {
		b.nodes.parent[i] = parent
		if n.Active {
			b.nodes.rowStates[i] |= nodeActive
		}
	}
}

// Member adds a member.
func (b *Builder) Member(m Member) {
	if m.Identity.IsZero() {
		b.problem(Problem{Kind: NoID, Row: MemberRow})
		return
	}
	n := b.member(m.Identity)
	if markSeen(&b.members.rowStates[n]) {
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
		b.problem(Problem{Kind: NoID, Row: AssignmentRow})
		return
	case a.From >= a.To:
		b.problem(Problem{Kind: EmptyWindow, Row: AssignmentRow, ID: a.ID})
		return
	}
	if b.batch = append(b.batch, a); len(b.batch) == batchLen {
		b.numberBatch()
	}
}

// batchLen is how many assignments are numbered at once.
const batchLen = 64

// numberBatch replaces the ids in a batch of assignments by numbers. In large
// tables, looking up two ids waits for memory four times. So the batch is done in
// steps, and each step but the last only reads what the next one needs: the
// processor then waits for many reads at the same time, and the last step does
// not wait at all.
func (b *Builder) numberBatch() {
	var hashes [batchLen][2]uint64
	var buckets [batchLen][2]*persist.Bucket
	for i := range b.batch {
		a, h := &b.batch[i], &hashes[i]
		h[0], h[1] = hashID(a.Identity), hashID(a.Node)
		buckets[i] = [2]*persist.Bucket{b.members.index.Bucket(h[0]), b.nodes.index.Bucket(h[1])}
		b.prefetched += buckets[i][0].Prefetch() + buckets[i][1].Prefetch()
	}
	for i := range b.batch {
		if m, ok := buckets[i][0].Candidate(hashes[i][0]); ok {
			b.prefetched += uint32(b.members.ids[m][15])
		}
		if n, ok := buckets[i][1].Candidate(hashes[i][1]); ok {
			b.prefetched += uint32(b.nodes.ids[n][15])
		}
	}
	for i := range b.batch {
		a := &b.batch[i]
		last := len(b.assignments) - 1
		if last < 0 || len(b.assignments[last]) == chunkLen {
			b.assignments = append(b.assignments, make([]memberAssignment, 0, chunkLen))
			last++
		}
		b.assignments[last] = append(b.assignments[last], memberAssignment{
			assignment: assignment{from: a.From, to: a.To, node: b.node(a.Node), role: b.role(a.Role), id: a.ID},
			member:     b.member(a.Identity),
		})
	}
	b.batch = b.batch[:0]
}

func (b *Builder) node(u id.ID) uint32 {
	n, added := b.number(&b.nodes.index, &b.nodes.ids, u)
	if added {
		b.nodes.parent = append(b.nodes.parent, noNode)
		b.nodes.rowStates = append(b.nodes.rowStates, 0)
	}
	return n
}

func (b *Builder) member(u id.ID) uint32 {
	n, added := b.number(&b.members.index, &b.members.ids, u)
	if added {
		b.members.states = append(b.members.states, 0)
		b.members.rowStates = append(b.members.rowStates, 0)
	}
	return n
}

func (b *Builder) role(u id.ID) uint32 {
	n, added := b.number(&b.roles.index, &b.roles.ids, u)
	if added {
		b.roles.rows = append(b.roles.rows, Role{})
		b.roles.rowStates = append(b.roles.rowStates, 0)
	}
	return n
}

// number returns the builder's number of an id. If it is new, it gets one now.
func (b *Builder) number(x *persist.HashIndex, ids *[]id.ID, u id.ID) (n uint32, added bool) {
	h, known := hashID(u), *ids
	if n, ok := x.Find(h, func(n uint32) bool { return known[n] == u }); ok {
		return n, false
	}
	if b.owner == nil {
		b.owner = persist.NewExclusive()
	}
	n = uint32(len(known)) //nolint:gosec // memory ends long before
	*ids = append(*ids, u)
	x.Insert(b.owner, h, n, func(n uint32) uint64 { return hashID((*ids)[n]) })
	return n, true
}
