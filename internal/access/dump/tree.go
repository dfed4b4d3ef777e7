package dump

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sort"

	"canopy.dev/canopy/internal/access/hierarchy"
)

// brief is a node in as few bytes as matching takes: no text of it is held. Texts are told
// apart by hashes under a seed that nobody else knows.
type brief struct {
	id, ref  hierarchy.ID
	slug     uint64 // hash
	rest     uint64 // hash of name, description and metadata
	parent   int32  // none or lost, or where in the tree it stands
	children int32  // as the store has it
	kind     uint16 // its type, in types
	inactive bool
	apart    bool  // the product's own, or below such a node
	depth    uint8 // 1 is the root; 0: no way leads there from the root
}

const (
	none int32 = -1 // the parent of a root
	lost int32 = -2 // a parent that is not there
)

// tree is a whole tree in brief.
type tree struct {
	all     []brief
	parents []hierarchy.ID // until they are linked
	byID    []int32        // where the nodes stand, by their ids
	hash    *hashes
	roots   []int32
}

// hashes are what the trees of one plan have in common.
type hashes struct {
	seed  maphash.Seed
	types map[string]uint16
	names []string // of types
}

func newHashes() *hashes { return &hashes{seed: maphash.MakeSeed(), types: map[string]uint16{}} }

// mostTypes is more types of nodes than any schema has.
const mostTypes = 1000

// kind is the number of a type. All types beyond what can be right share the last one,
// whose name is no type's.
func (h *hashes) kind(name string) uint16 {
	if k, known := h.types[name]; known {
		return k
	}
	if len(h.names) < mostTypes-1 {
		h.types[name] = uint16(len(h.names)) //nolint:gosec // below mostTypes
		h.names = append(h.names, name)
		return h.types[name]
	}
	if len(h.names) < mostTypes {
		h.names = append(h.names, "")
	}
	return mostTypes - 1
}

func (h *hashes) of(texts ...string) uint64 {
	var m maphash.Hash
	m.SetSeed(h.seed)
	for _, s := range texts {
		maphash.WriteComparable(&m, len(s))
		_, _ = m.WriteString(s)
	}
	return m.Sum64()
}

// rest is a hash of what a node says beside what brief holds.
func (h *hashes) rest(n hierarchy.Node) uint64 {
	description := "-"
	if n.Description != nil {
		description = "+" + *n.Description
	}
	return h.of(n.Name, description, string(n.Metadata))
}

// add adds a node.
func (t *tree) add(n hierarchy.Node) {
	t.all = append(t.all, brief{
		id: n.ID, ref: n.Ref, slug: t.hash.of(n.Slug), rest: t.hash.rest(n),
		children: int32(n.Children), //nolint:gosec // at most 1,000,000
		kind:     t.hash.kind(n.Type), inactive: n.Status != hierarchy.Active, parent: lost,
	})
	t.parents = append(t.parents, n.Parent)
}

// link finds the parents, and the depth of all that a way leads to from the one root.
func (t *tree) link() {
	t.byID = t.sorted(func(a, b *brief) int { return compareIDs(a.id, b.id) })
	for i := range t.all {
		switch of := t.parents[i]; {
		case of.IsZero():
			t.all[i].parent = none
			t.roots = append(t.roots, int32(i))
		default:
			t.all[i].parent = t.find(of)
		}
	}
	if len(t.roots) == 1 {
		t.measure()
	}
}

// measure gives each node its depth. Nodes in a cycle, and what lies below them or below a
// parent that is not there, have none.
func (t *tree) measure() {
	var way []int32
	const onWay = 255
	for i := range t.all {
		way = way[:0]
		at := int32(i)
		for at >= 0 && t.all[at].depth == 0 {
			t.all[at].depth = onWay
			way = append(way, at)
			at = t.all[at].parent
		}
		depth := 0 // nowhere
		switch {
		case at == none:
			depth = 1
		case at >= 0 && t.all[at].depth != onWay && t.all[at].depth != unreached:
			depth = int(t.all[at].depth) + 1
		}
		for _, of := range slices.Backward(way) {
			if depth == 0 {
				t.all[of].depth = unreached
				continue
			}
			t.all[of].depth = uint8(min(depth, tooDeep)) //nolint:gosec // 1 to 100
			depth++
		}
	}
	for i := range t.all {
		if t.all[i].depth == unreached {
			t.all[i].depth = 0
		}
	}
}

const (
	unreached = 254 // while depths are measured
	tooDeep   = 100 // deeper than any schema allows
)

// find is where the node of an id stands, or lost.
func (t *tree) find(of hierarchy.ID) int32 {
	at := sort.Search(len(t.byID), func(i int) bool { return compareIDs(t.all[t.byID[i]].id, of) >= 0 })
	if at == len(t.byID) || t.all[t.byID[at]].id != of {
		return lost
	}
	return t.byID[at]
}

// sorted are the nodes in an order; equal ones as they came.
func (t *tree) sorted(order func(a, b *brief) int) []int32 {
	list := make([]int32, len(t.all))
	for i := range list {
		list[i] = int32(i)
	}
	slices.SortFunc(list, func(a, b int32) int { return cmp.Or(order(&t.all[a], &t.all[b]), cmp.Compare(a, b)) })
	return list
}

// fromTop are the nodes that a way leads to, parents first, in the order of their ids.
func (t *tree) fromTop() []int32 {
	var starts [tooDeep + 2]int
	for i := range t.all {
		if d := t.all[i].depth; d > 0 {
			starts[d+1]++
		}
	}
	for d := 1; d < len(starts); d++ {
		starts[d] += starts[d-1]
	}
	list := make([]int32, starts[tooDeep+1])
	for _, i := range t.byID {
		if d := t.all[i].depth; d > 0 {
			list[starts[d]] = i
			starts[d]++
		}
	}
	return list
}

// bySlug are the nodes by parent and slug.
func (t *tree) bySlug() []int32 {
	return t.sorted(func(a, b *brief) int { return cmp.Or(cmp.Compare(a.parent, b.parent), cmp.Compare(a.slug, b.slug)) })
}

// separate marks the product's own nodes, and what lies below them.
func (t *tree) separate(order []int32) {
	for _, i := range order {
		n := &t.all[i]
		n.apart = hierarchy.IsReserved(t.hash.names[n.kind]) || n.parent >= 0 && t.all[n.parent].apart
	}
}

func compareIDs(a, b hierarchy.ID) int { return slices.Compare(a[:], b[:]) }
