package decide

import "reflect"

// Footprint is the memory that a snapshot's structures take, in bytes. What
// several snapshots share is counted for each of them.
type Footprint struct {
	NodeIDs, NodeParents, NodeChildren, NodeIndex int
	Members, MemberIndex                          int
	Assignments, Holders, Bearers                 int
	Catalog                                       int // permissions and roles
}

// Nodes is what the nodes take together.
func (f Footprint) Nodes() int { return f.NodeIDs + f.NodeParents + f.NodeChildren + f.NodeIndex }

// Identities is what the members take, their assignments aside.
func (f Footprint) Identities() int { return f.Members + f.MemberIndex }

// AllAssignments is what the assignments take with the lists that lead to them.
func (f Footprint) AllAssignments() int { return f.Assignments + f.Holders + f.Bearers }

// Total is all of it.
func (f Footprint) Total() int { return f.Nodes() + f.Identities() + f.AllAssignments() + f.Catalog }

// Footprint adds up what the snapshot takes. It looks at every member, and is
// for measurements.
func (s *Snapshot) Footprint() Footprint {
	f := Footprint{
		NodeIDs:      tableSize(&s.nodes),
		NodeParents:  tableSize(&s.up),
		NodeChildren: treeSize(&s.children),
		NodeIndex:    hallSize(&s.plates.homes) + indexSize(&s.plates.strays),
		Members:      hallSize(&s.members.seats),
		MemberIndex:  indexSize(&s.members.strays),
		Assignments:  treeSize(&s.heavy),
		Holders:      treeSize(&s.holders),
		Bearers:      treeSize(&s.bearers),
		Catalog:      tableSize(&s.roles) + indexSize(&s.byRole) + tableSize(&s.keys) + indexSize(&s.byKey),
	}
	for m := range s.members.end {
		f.Assignments += cap(s.members.at(m).rows) * sizeOf[row]()
	}
	for r := range s.roles.n {
		f.Catalog += cap(s.roles.at(r).grants)*8 + len(s.roles.at(r).name)
	}
	for k := range s.keys.n {
		f.Catalog += len(*s.keys.at(k))
	}
	return f
}

func sizeOf[T any]() int { return int(reflect.TypeFor[T]().Size()) }

func spineSize[P any](v *spine[P]) int {
	return cap(v.ribs)*sizeOf[*rib[P]]() + len(v.ribs)*sizeOf[rib[P]]() + v.n*sizeOf[P]()
}

func tableSize[T any, L leaf[T]](t *table[T, L]) int { return spineSize(&t.leaves) }

func hallSize[T any, L leaf[T]](h *hall[T, L]) int {
	size := len(h.base)*sizeOf[L]() + cap(h.moved)*8 + cap(h.late.ribs)*sizeOf[*rib[L]]() + len(h.late.ribs)*sizeOf[rib[L]]()
	for i := range uint32(h.late.n) {
		if h.late.at(i) != nil {
			size += sizeOf[L]()
		}
	}
	return size
}

func indexSize(x *index) int {
	size := tableSize(&x.buckets)
	for i := range x.buckets.n {
		for b := x.buckets.at(i).more; b != nil; b = b.more {
			size += sizeOf[bucket]()
		}
	}
	return size
}

func treeSize[E any](t *tree[E]) int {
	var size func(b *branch[E]) int
	size = func(b *branch[E]) int {
		sum := sizeOf[branch[E]]() + cap(b.items)*sizeOf[E]() + cap(b.kids)*sizeOf[*branch[E]]()
		for _, kid := range b.kids {
			sum += size(kid)
		}
		return sum
	}
	if t.root == nil {
		return 0
	}
	return size(t.root)
}
