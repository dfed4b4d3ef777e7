package names

import (
	"bytes"
	"cmp"
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Node is what is known of a node.
type Node struct {
	ID, Parent id.ID  // Parent is zero for the root
	Fold       string // the name, folded: without NUL
	Slug       string
	Type       string
	Active     bool
	Created    int64 // whole microseconds since 1970
}

// none stands for no slot.
const none = ^uint32(0)

// entry is a node as it is kept. Its texts lie in Index.text: the name, NUL, the slug.
type entry struct {
	id       id.ID
	created  int64
	start    uint32 // in text
	parent   uint32 // its slot, none for the root
	children uint32
	name     uint16 // length
	slug     uint16 // length
	kind     uint32 // of Index.kinds
	active   bool
	gone     bool
}

// Index is a tree by its names. Slots are numbers of nodes that stay, while places in the
// two orders move.
type Index struct {
	text    []byte
	waste   int // bytes of text that belong to nobody any more
	entries []entry
	free    []uint32
	byID    []uint32 // slots by id
	byName  []uint32 // slots by name and id: the order of siblings, and of a list by name
	kinds   map[string]uint32
}

// New makes the index of all nodes of a tree, in any order. Those whose parent is not among
// them are left out.
func New(nodes []Node) *Index {
	x := &Index{kinds: map[string]uint32{}}
	size := 0
	for _, n := range nodes {
		size += len(n.Fold) + len(n.Slug) + 1
	}
	x.text = make([]byte, 0, size+size/16)
	x.entries = make([]entry, 0, len(nodes)+len(nodes)/16)
	slices.SortFunc(nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(a.Fold, b.Fold), bytes.Compare(a.ID[:], b.ID[:]))
	})
	x.byName = make([]uint32, 0, cap(x.entries))
	for i := range nodes {
		x.byName = append(x.byName, x.add(&nodes[i]))
	}
	x.byID = slices.Clone(x.byName)
	slices.SortFunc(x.byID, func(a, b uint32) int { return bytes.Compare(x.entries[a].id[:], x.entries[b].id[:]) })
	for i, n := range nodes {
		x.hang(uint32(i), n.Parent)
	}
	return x
}

// Len is how many nodes there are.
func (x *Index) Len() int { return len(x.byName) }

// Bytes is about how much memory the index takes.
func (x *Index) Bytes() int { return cap(x.text) + cap(x.entries)*48 + (cap(x.byID)+cap(x.byName))*4 }

// add keeps a node in a slot of its own, below nobody.
func (x *Index) add(n *Node) uint32 {
	kind, known := x.kinds[n.Type]
	if !known {
		kind = uint32(len(x.kinds)) //nolint:gosec // a tree has fewer types
		x.kinds[n.Type] = kind
	}
	//nolint:gosec // names and slugs are short
	e := entry{
		id: n.ID, created: n.Created, start: uint32(len(x.text)), parent: none, name: uint16(len(n.Fold)),
		slug: uint16(len(n.Slug)), kind: kind, active: n.Active,
	}
	x.text = append(append(append(x.text, n.Fold...), 0), n.Slug...)
	if last := len(x.free) - 1; last >= 0 {
		slot := x.free[last]
		x.free, x.entries[slot] = x.free[:last], e
		return slot
	}
	x.entries = append(x.entries, e)
	return uint32(len(x.entries) - 1) //nolint:gosec // as above
}

// hang puts a node below its parent.
func (x *Index) hang(slot uint32, parent id.ID) {
	if at, is := x.find(parent); is {
		x.entries[slot].parent = x.byID[at]
		x.entries[x.byID[at]].children++
	}
}

// find is the place of an id in byID, or where it belongs.
func (x *Index) find(of id.ID) (at int, is bool) {
	return slices.BinarySearchFunc(x.byID, of, func(slot uint32, of id.ID) int {
		return bytes.Compare(x.entries[slot].id[:], of[:])
	})
}

// place is where a node is in byName, or belongs.
func (x *Index) place(slot uint32) (at int, is bool) {
	return slices.BinarySearchFunc(x.byName, slot, x.compare)
}

// compare is the order of byName.
func (x *Index) compare(a, b uint32) int {
	l, r := &x.entries[a], &x.entries[b]
	return cmp.Or(bytes.Compare(x.name(l), x.name(r)), bytes.Compare(l.id[:], r.id[:]))
}

func (x *Index) name(e *entry) []byte { return x.text[e.start : e.start+uint32(e.name)] }

// both is the name, NUL, the slug: what is looked for holds no NUL, so it lies in one of
// the two.
func (x *Index) both(e *entry) []byte {
	return x.text[e.start : e.start+uint32(e.name)+uint32(e.slug)+1]
}

// Put adds a node, or sets what is known of it. Its parent is there already; nodes below it
// stay there.
func (x *Index) Put(n Node) {
	at, is := x.find(n.ID)
	if !is {
		slot := x.add(&n)
		x.byID = slices.Insert(x.byID, at, slot)
		x.enter(slot, n.Parent)
		return
	}
	slot := x.byID[at]
	children := x.entries[slot].children
	x.leave(slot)
	x.free = append(x.free, slot) // add takes the last one
	x.add(&n)
	x.entries[slot].children = children
	x.enter(slot, n.Parent)
}

func (x *Index) enter(slot uint32, parent id.ID) {
	x.hang(slot, parent)
	at, _ := x.place(slot)
	x.byName = slices.Insert(x.byName, at, slot)
}

// leave takes a node out of its order, its text and its family.
func (x *Index) leave(slot uint32) {
	if at, is := x.place(slot); is {
		x.byName = slices.Delete(x.byName, at, at+1)
	}
	e := &x.entries[slot]
	if e.parent != none {
		x.entries[e.parent].children--
	}
	if x.waste += len(x.both(e)); x.waste > len(x.text)/4+4096 {
		e.name, e.slug = 0, 0
		x.compact()
	}
}

// compact lets go of texts that belong to nobody.
func (x *Index) compact() {
	kept := make([]byte, 0, len(x.text)-x.waste+len(x.text)/16)
	for i := range x.entries {
		e := &x.entries[i]
		if e.gone {
			continue
		}
		text := x.both(e)
		e.start = uint32(len(kept)) //nolint:gosec // as above
		kept = append(kept, text...)
	}
	x.text, x.waste = kept, 0
}

// Drop removes a node and everything below it; one that is not there is no fault.
func (x *Index) Drop(of id.ID) {
	at, is := x.find(of)
	if !is {
		return
	}
	top := x.byID[at]
	if x.entries[top].children == 0 {
		x.byID = slices.Delete(x.byID, at, at+1)
		x.leave(top)
		x.release(top)
		return
	}
	below := x.below(top)
	if e := &x.entries[top]; e.parent != none {
		x.entries[e.parent].children--
	}
	going := func(slot uint32) bool { return below(slot) }
	dropped := make([]uint32, 0, 64)
	x.byID = slices.DeleteFunc(x.byID, func(slot uint32) bool {
		if !going(slot) {
			return false
		}
		dropped = append(dropped, slot)
		return true
	})
	x.byName = slices.DeleteFunc(x.byName, going)
	for _, slot := range dropped {
		x.waste += len(x.both(&x.entries[slot]))
		x.release(slot)
	}
	if x.waste > len(x.text)/4+4096 {
		x.compact()
	}
}

// release makes a slot free.
func (x *Index) release(slot uint32) {
	x.entries[slot] = entry{gone: true, parent: none}
	x.free = append(x.free, slot)
}

// below tells which nodes are a node or lie below it: each answer is kept, so that all
// together cost one look at each node.
func (x *Index) below(top uint32) func(uint32) bool {
	const unknown, inside, outside = 0, 1, 2
	known := make([]byte, len(x.entries))
	known[top] = inside
	return func(slot uint32) bool {
		at, answer := slot, byte(outside)
		for ; at != none; at = x.entries[at].parent {
			if known[at] != unknown {
				answer = known[at]
				break
			}
		}
		for on := slot; on != at; on = x.entries[on].parent {
			known[on] = answer
		}
		return answer == inside
	}
}
