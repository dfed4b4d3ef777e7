package decide

import (
	"hash/maphash"
	"slices"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Build makes the snapshot of the rows received so far. It also returns, in no
// particular order, the rows that were left out because they contradict each
// other. The builder is empty afterwards.
//
// It numbers nodes and roles in the order of their ids, so that lists of pairs
// can be sorted by number.
func (b *Builder) Build(revision uint64) (*Snapshot, []Problem) {
	b.numberBatch()
	owner := persist.NewExclusive()
	s := &Snapshot{revision: revision, seed: maphash.MakeSeed(), root: noNode}
	b.buildKeys(s, owner)
	roles := b.buildRoles(s, owner)
	nodes := b.buildNodes(s, owner)
	members, numbers := b.buildMembers(s, owner)
	b.buildAssignments(s, owner, nodes, members, roles, numbers)
	owner.Release()
	problems := b.problems
	*b = Builder{}
	return s, problems
}

func (b *Builder) buildKeys(s *Snapshot, owner *persist.Owner) {
	keys := make([]string, 0, len(b.keys))
	for key := range b.keys {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		s.keyIndex.Insert(owner, maphash.String(s.seed, key), s.keys.Append(owner, key), s.hashKey)
	}
}

func (b *Builder) buildRoles(s *Snapshot, owner *persist.Owner) renumbering {
	re := b.renumber(RoleRow, b.roles.ids, b.roles.rowStates, rowState.unique)
	s.roleIndex.Reserve(owner, len(re.order))
	for _, old := range re.order {
		r := b.roles.rows[old]
		ro := role{id: r.ID, name: r.Name, active: r.Active}
		for _, key := range r.Permissions {
			n, ok := s.keyOf(key)
			if !ok {
				b.problem(Problem{Kind: MissingPermission, Row: RoleRow, ID: r.ID, Key: key})
				continue
			}
			ro.grants = ro.grants.With(n)
		}
		s.roleIndex.Insert(owner, hashID(r.ID), s.roles.Append(owner, ro), s.hashRole)
	}
	return re
}

func (b *Builder) buildNodes(s *Snapshot, owner *persist.Owner) renumbering {
	b.findRoot()
	for n := range b.nodes.ids {
		b.attach(uint32(n))
	}
	attached := func(state rowState) bool { return state&nodeAttached != 0 }
	re := b.renumber(NodeRow, b.nodes.ids, b.nodes.rowStates, attached)
	s.nodeTable = newNodeTable(len(re.order))
	begin := make([]uint32, len(re.order)+1) // the number of children of each node, later where they begin
	for i, old := range re.order {
		parent := uint32(noNode)
		if p := b.nodes.parent[old]; p == noNode {
			s.root = uint32(i)
		} else {
			parent = re.number[p]
			begin[parent]++
		}
		u, packed := b.nodes.ids[old], packParent(parent, b.nodes.rowStates[old]&nodeActive != 0)
		s.parents.Append(owner, packed)
		s.nodeIDs.Append(owner, u)
		s.nodeTable.insert(owner, nodeEntry{id: u, number: uint32(i), parent: packed}, s.hashNode)
	}
	pairs := make([]pair, prefixSums(begin))
	for i := range re.order {
		if parent := s.parent(uint32(i)); parent != noNode {
			pairs[begin[parent]] = pairOf(parent, uint32(i))
			begin[parent]++
		}
	}
	s.children = persist.NewBTree(pairs)
	return re
}

// findRoot chooses the root: of several nodes without a parent, the one with the
// lowest id.
func (b *Builder) findRoot() {
	root := -1
	for n, state := range b.nodes.rowStates {
		if !state.unique() || b.nodes.parent[n] != noNode {
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
		b.nodes.rowStates[root] |= nodeAttached
	}
}

func (b *Builder) secondRoot(n int) {
	b.nodes.rowStates[n] |= nodeDetached
	b.problem(Problem{Kind: SecondRoot, Row: NodeRow, ID: b.nodes.ids[n]})
}

// attach finds out whether node n, and every node above it, is connected to the
// root.
func (b *Builder) attach(n uint32) {
	known := func(n uint32) bool { return b.nodes.rowStates[n]&(nodeAttached|nodeDetached) != 0 }
	var path []uint32
	for !known(n) && b.nodes.rowStates[n].unique() {
		// Assume the worst until the walk ends. So a walk that comes back to where
		// it was, because of a cycle, ends at once.
		b.nodes.rowStates[n] |= nodeDetached
		path = append(path, n)
		n = b.nodes.parent[n]
	}
	if b.nodes.rowStates[n]&nodeAttached != 0 {
		for _, p := range path {
			b.nodes.rowStates[p] ^= nodeDetached | nodeAttached
		}
		return
	}
	kind := MissingParent
	if slices.Contains(path, n) {
		kind = ParentCycle
	}
	for _, p := range path {
		b.problem(Problem{Kind: kind, Row: NodeRow, ID: b.nodes.ids[p], Ref: b.nodes.ids[b.nodes.parent[p]]})
	}
}

// buildMembers also returns the snapshot's numbers of the members, in the order
// of their ids. A member's number depends on the hash of its id, so the
// renumbering gives the place in that list instead.
func (b *Builder) buildMembers(s *Snapshot, owner *persist.Owner) (renumbering, []uint32) {
	re := b.renumber(MemberRow, b.members.ids, b.members.rowStates, rowState.unique)
	list := make([]member, len(re.order))
	for i, old := range re.order {
		list[i] = member{id: b.members.ids[old], state: b.members.states[old]}
	}
	return re, s.members.fill(owner, list)
}

// A renumbering leads from the builder's numbers to the snapshot's, which are in
// the order of ids and leave out the bad rows.
type renumbering struct {
	order  []uint32 // the builder's numbers, in the order of the snapshot's
	number []uint32 // by the builder's number: the snapshot's, or noNumber
}

const noNumber = 1<<32 - 1

func (b *Builder) renumber(kind RowKind, ids []id.ID, states []rowState, good func(rowState) bool) renumbering {
	re := renumbering{order: make([]uint32, 0, len(ids)), number: make([]uint32, len(ids))}
	for n, state := range states {
		re.number[n] = noNumber
		if state&rowDuplicate != 0 {
			b.problem(Problem{Kind: Duplicate, Row: kind, ID: ids[n]})
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

// prefixSums replaces each count by the sum of the counts before it, and returns
// the sum of all. These are the places where each value begins in a counting sort.
func prefixSums(counts []uint32) uint32 {
	var sum uint32
	for i, n := range counts {
		counts[i] = sum
		sum += n
	}
	return sum
}
