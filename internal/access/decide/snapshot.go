package decide

import (
	"hash/maphash"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Snapshot is one environment at one revision. It never changes: all of its
// methods may be called by any number of goroutines at once, without locks, and
// always give the same answers. Builder makes the first snapshot of an
// environment, Apply the following ones.
type Snapshot struct {
	revision uint64
	seed     maphash.Seed // of the hashes of permission keys

	nodeIDs   persist.Vector[id.ID, [512]id.ID]
	parents   persist.Vector[uint32, [2048]uint32] // by node, packed: its parent and inactiveBit
	children  persist.BTree[pair]                  // (node, child)
	nodeFree  persist.FreeList
	nodeTable nodeTable
	root      uint32 // noNode in an environment without nodes

	members memberTable
	spilled persist.BTree[memberAssignment] // of members that have more than a list holds

	roles     persist.Vector[role, [32]role]
	roleFree  persist.FreeList
	roleIndex persist.HashIndex

	keys     persist.Vector[string, [128]string]
	keyFree  persist.FreeList
	keyIndex persist.HashIndex

	membersByNode persist.BTree[pair] // (node, member): has an assignment at the node
	membersByRole persist.BTree[pair] // (role, member): has an assignment of the role

	assignments int // how many there are
}

const (
	noNode      = 1<<31 - 1 // the parent of the root
	inactiveBit = 1 << 31   // set in the packed parent of a node that is switched off
)

func packParent(parent uint32, active bool) uint32 {
	if !active {
		parent |= inactiveBit
	}
	return parent
}

type role struct {
	id     id.ID
	name   string
	grants persist.Bitset // numbers of permission keys
	active bool
}

// Revision is the revision of the environment that the snapshot shows.
func (s *Snapshot) Revision() uint64 { return s.revision }

// Counts is the number of rows of each kind.
type Counts struct {
	Permissions, Roles, Nodes, Members, Assignments int
}

// Counts returns how many rows the snapshot holds.
func (s *Snapshot) Counts() Counts {
	return Counts{
		Permissions: s.keyIndex.Len(),
		Roles:       s.roleIndex.Len(),
		Nodes:       s.nodeTable.size,
		Members:     s.members.size,
		Assignments: s.assignments,
	}
}

func (s *Snapshot) nodeOf(u id.ID) (uint32, bool) {
	h := hashID(u)
	bucket := s.nodeTable.bucket(h)
	if slot := bucket.slot(&u); slot < bucketSlots {
		return bucket[slot].number, true
	}
	return s.overflowNode(u, h)
}

// overflowNode finds a node that has no entry in its bucket.
func (s *Snapshot) overflowNode(u id.ID, h uint64) (uint32, bool) {
	return s.nodeTable.overflow.Find(h, func(n uint32) bool { return *s.nodeIDs.At(n) == u })
}

func (s *Snapshot) memberOf(u id.ID) (uint32, bool) { return s.members.find(u) }

func (s *Snapshot) roleOf(u id.ID) (uint32, bool) {
	return s.roleIndex.Find(hashID(u), func(n uint32) bool { return s.roles.At(n).id == u })
}

func (s *Snapshot) keyOf(key string) (uint32, bool) {
	return s.keyIndex.Find(maphash.String(s.seed, key), func(n uint32) bool { return *s.keys.At(n) == key })
}

func (s *Snapshot) hashNode(n uint32) uint64 { return hashID(*s.nodeIDs.At(n)) }
func (s *Snapshot) hashRole(n uint32) uint64 { return hashID(s.roles.At(n).id) }
func (s *Snapshot) hashKey(n uint32) uint64  { return maphash.String(s.seed, *s.keys.At(n)) }

// parent returns the node above n, or noNode.
func (s *Snapshot) parent(n uint32) uint32 { return *s.parents.At(n) &^ inactiveBit }

// active reports whether n itself is switched on.
func (s *Snapshot) active(n uint32) bool { return *s.parents.At(n)&inactiveBit == 0 }

// live reports whether n and all its ancestors are active.
func (s *Snapshot) live(n uint32) bool {
	for n != noNode {
		packed := *s.parents.At(n)
		if packed&inactiveBit != 0 {
			return false
		}
		n = packed
	}
	return true
}

// inSubtree reports whether n is top or lies below it.
func (s *Snapshot) inSubtree(n, top uint32) bool {
	for n != top && n != noNode {
		n = s.parent(n)
	}
	return n == top
}

// lineage returns the nodes from the root to n.
func (s *Snapshot) lineage(n uint32) []uint32 {
	depth := 0
	for at := n; at != noNode; at = s.parent(at) {
		depth++
	}
	line := make([]uint32, depth)
	for at := n; at != noNode; at = s.parent(at) {
		depth--
		line[depth] = at
	}
	return line
}

// childrenOf returns the children of node n, by id.
func (s *Snapshot) childrenOf(n uint32) []uint32 {
	var list []uint32
	c := s.children.Seek(s.childPosition(n, zeroID))
	for ; ; c.Next() {
		p, ok := c.Item()
		if !ok || p.group() != n {
			return list
		}
		list = append(list, p.item())
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
