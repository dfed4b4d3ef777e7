package decide

import (
	"bytes"
	"hash/maphash"

	"canopy.dev/canopy/internal/foundation/id"
)

// Snapshot is one environment at one revision. It never changes: all of its
// methods may be called by any number of goroutines at once, without locks, and
// give the same answers for ever. Builder makes the first, Apply the next.
type Snapshot struct {
	revision uint64
	seed     maphash.Seed // of the permission keys' hashes

	nodes    table[id.ID, [512]id.ID]
	up       table[uint32, [2048]uint32] // by node: its parent, and whether it is switched off
	children tree[pair]                  // (node, child)
	nodeFree *vacancy
	plates   plates
	root     uint32

	members    crowd
	memberFree *vacancy
	heavy      tree[heavyRow] // the assignments of members that have many

	roles    table[role, [32]role]
	roleFree *vacancy
	byRole   index

	keys    table[string, [128]string]
	keyFree *vacancy
	byKey   index

	holders tree[pair] // (node, member): who has an assignment at the node
	bearers tree[pair] // (role, member): who has an assignment of the role

	assignments int
}

const (
	nowhere = 1<<31 - 1 // the parent of the root; also the root of an empty tree
	off     = 1 << 31   // the bit of up that says a node is switched off
)

// A member is an identity that has, or had, a membership.
// Of a few rows the record says itself what most decisions need to know.
type member struct {
	id    id.ID
	rows  []row           // by node, then id; nil when heavy
	nodes [fewRows]uint32 // of the rows when they are few; when heavy, how many they are
	roles [fewRows]uint8  // of the rows when they are few, or inRow
	few   uint8           // how many they are, or one of the two below
	state memberState
}

// fewRows is how many rows a record tells of.
const fewRows = 6

const (
	many  = fewRows + 1 // more than fewRows
	heavy = fewRows + 2 // in Snapshot.heavy

	// inRow is for a row that has a window, or a role of too high a number: it
	// must be looked at.
	inRow = 255
)

type memberState uint8

const (
	identityActive memberState = 1 << iota
	membershipActive
	left // nobody: a member was dropped here, and the number is not free again by itself
)

// empty reports whether nobody ever sat here.
func (m *member) empty() bool { return m.id == zeroID && m.state == 0 }

func (m *member) setRows(rows []row) {
	m.rows, m.nodes, m.roles, m.few = rows, [fewRows]uint32{}, [fewRows]uint8{}, many
	if len(rows) > fewRows {
		return
	}
	m.few = uint8(len(rows))
	for i := range rows {
		m.nodes[i] = rows[i].node
		m.roles[i] = inRow
		if r := &rows[i]; r.from == Beginning && r.to == Forever && r.role < inRow {
			m.roles[i] = uint8(r.role)
		}
	}
}

// heavy is how many rows the member has in Snapshot.heavy; 0 when it keeps them
// itself.
func (m *member) heavy() uint32 {
	if m.few == heavy {
		return m.nodes[0]
	}
	return 0
}

func (m *member) setHeavy(n uint32) {
	m.rows, m.nodes, m.roles, m.few = nil, [fewRows]uint32{n}, [fewRows]uint8{}, heavy
}

// A row is an assignment as its member keeps it: 40 bytes without a pointer.
type row struct {
	from, to   Instant
	node, role uint32
	id         id.ID
}

// A heavyRow is a row of a member that has more than lightRows of them.
type heavyRow struct {
	member uint32
	row
}

// lightRows is how many assignments a member keeps in one piece, which is
// copied whole when one of them changes.
const lightRows = 64

type role struct {
	id     id.ID
	name   string
	grants bitset // of permission numbers
	active bool
}

// Revision is the revision of the environment that the snapshot shows.
func (s *Snapshot) Revision() uint64 { return s.revision }

// Counts says how much a snapshot holds.
type Counts struct {
	Permissions, Roles, Nodes, Members, Assignments int
}

// Counts says how many rows the snapshot holds.
func (s *Snapshot) Counts() Counts {
	return Counts{
		Permissions: s.byKey.size,
		Roles:       s.byRole.size,
		Nodes:       s.plates.size,
		Members:     s.members.size,
		Assignments: s.assignments,
	}
}

func (s *Snapshot) nodeOf(u id.ID) (uint32, bool) {
	h := hashID(u)
	home := s.plates.home(h)
	if seat := home.seat(&u); seat < homeLen {
		return home[seat].number, true
	}
	return s.strayNode(u, h)
}

// strayNode finds a node without a plate.
func (s *Snapshot) strayNode(u id.ID, h uint64) (uint32, bool) {
	return s.plates.strays.find(h, func(n uint32) bool { return *s.nodes.at(n) == u })
}

func (s *Snapshot) memberOf(u id.ID) (uint32, bool) { return s.members.find(u) }

func (s *Snapshot) roleOf(u id.ID) (uint32, bool) {
	return s.byRole.find(hashID(u), func(n uint32) bool { return s.roles.at(n).id == u })
}

func (s *Snapshot) keyOf(key string) (uint32, bool) {
	return s.byKey.find(maphash.String(s.seed, key), func(n uint32) bool { return *s.keys.at(n) == key })
}

func (s *Snapshot) hashNode(n uint32) uint64 { return hashID(*s.nodes.at(n)) }
func (s *Snapshot) hashRole(n uint32) uint64 { return hashID(s.roles.at(n).id) }
func (s *Snapshot) hashKey(n uint32) uint64  { return maphash.String(s.seed, *s.keys.at(n)) }

// parent is the node above n, or nowhere.
func (s *Snapshot) parent(n uint32) uint32 { return *s.up.at(n) &^ off }

// live reports whether n and all its ancestors are active.
func (s *Snapshot) live(n uint32) bool {
	for n != nowhere {
		up := *s.up.at(n)
		if up&off != 0 {
			return false
		}
		n = up
	}
	return true
}

// below reports whether n is top or lies below it.
func (s *Snapshot) below(n, top uint32) bool {
	for n != top && n != nowhere {
		n = s.parent(n)
	}
	return n == top
}

// A pair is two numbers in one word, owner and item. In a tree of pairs the
// owners stand by number and the items of one owner by the id that their number
// stands for, so that lists come out in the order of ids in every process.
type pair uint64

func pairOf(owner, item uint32) pair { return pair(owner)<<32 | pair(item) }

func (p pair) owner() uint32 { return uint32(p >> 32) }
func (p pair) item() uint32  { return uint32(p) }

// atNode is the place of (owner, u) among pairs whose items are nodes.
func (s *Snapshot) atNode(owner uint32, u id.ID) probe[pair] {
	return func(p pair) int {
		if c := compare(p.owner(), owner); c != 0 {
			return c
		}
		return compareIDs(s.nodes.at(p.item()), &u)
	}
}

// atMember is the place of (owner, u) among pairs whose items are members.
func (s *Snapshot) atMember(owner uint32, u id.ID) probe[pair] {
	return func(p pair) int {
		if c := compare(p.owner(), owner); c != 0 {
			return c
		}
		return compareIDs(&s.members.at(p.item()).id, &u)
	}
}

// atRow is the place of a row of one member.
func atRow(node uint32, u id.ID) probe[row] {
	return func(r row) int {
		if c := compare(r.node, node); c != 0 {
			return c
		}
		return compareIDs(&r.id, &u)
	}
}

// atHeavy is the place of a row among all heavy rows.
func atHeavy(m, node uint32, u id.ID) probe[heavyRow] {
	at := atRow(node, u)
	return func(r heavyRow) int {
		if c := compare(r.member, m); c != 0 {
			return c
		}
		return at(r.row)
	}
}

// eachRow calls yield with every assignment of member m, by node, until it
// says false.
func (s *Snapshot) eachRow(m uint32, yield func(*row) bool) {
	who := s.members.at(m)
	for i := range who.rows {
		if !yield(&who.rows[i]) {
			return
		}
	}
	if who.few == heavy {
		s.eachHeavy(m, 0, nowhere, yield)
	}
}

// eachRowAt calls yield with every assignment of member m at node n, by id.
func (s *Snapshot) eachRowAt(m, n uint32, yield func(*row) bool) {
	who := s.members.at(m)
	if who.few == heavy {
		s.eachHeavy(m, n, n, yield)
		return
	}
	for i := rowsFrom(who.rows, n); i < len(who.rows) && who.rows[i].node == n; i++ {
		if !yield(&who.rows[i]) {
			return
		}
	}
}

// eachHeavy calls yield with the assignments of a heavy member at the nodes
// numbered from first to last.
func (s *Snapshot) eachHeavy(m, first, last uint32, yield func(*row) bool) {
	for c := s.heavy.seek(atHeavy(m, first, id.ID{})); c.depth > 0; c.next() {
		// Not item: it would copy the row to the heap.
		step := &c.path[c.depth-1]
		r := &step.at.items[step.i]
		if r.member != m || r.node > last || !yield(&r.row) {
			return
		}
	}
}

// rowsFrom is the place in rows of the first at node n or behind.
func rowsFrom(rows []row, n uint32) int {
	if len(rows) <= 8 {
		for i := range rows {
			if rows[i].node >= n {
				return i
			}
		}
		return len(rows)
	}
	lo, hi := 0, len(rows)
	for lo < hi {
		mid := (lo + hi) / 2
		if rows[mid].node < n {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// rowCount is how many assignments member m has.
func (s *Snapshot) rowCount(m uint32) int {
	who := s.members.at(m)
	return len(who.rows) + int(who.heavy())
}

func compare(a, b uint32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func compareIDs(a, b *id.ID) int { return bytes.Compare(a[:], b[:]) }

var zeroID id.ID // before every id

// membersFrom stands at the first member paired with owner whose id is u or
// behind.
func (s *Snapshot) membersFrom(t *tree[pair], owner uint32, u id.ID) cursor[pair] {
	return t.seek(s.atMember(owner, u))
}
