package names

import (
	"bytes"
	"cmp"
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Query says which nodes are looked for; what is zero filters nothing.
type Query struct {
	Part   string // of the folded name, or the slug
	Type   string
	Status *bool // active, or not
	Under  id.ID // that node and everything below it

	ByAge bool // in the order of creation instead of names
	Desc  bool
	// The piece of the result that is wanted.
	Offset, Limit int
}

// Find gives the ids of one piece of what is looked for, and how many there are in all.
func (x *Index) Find(q Query) (ids []id.ID, total int) {
	fits, possible := x.filter(q)
	if !possible {
		return nil, 0
	}
	var found []uint32
	if q.ByAge {
		found, total = x.byAge(q, fits)
	} else {
		found, total = x.inOrder(q, fits)
	}
	for _, slot := range found {
		ids = append(ids, x.entries[slot].id)
	}
	return ids, total
}

// inOrder is the piece in the order of names.
func (x *Index) inOrder(q Query, fits func(uint32) bool) (found []uint32, total int) {
	for i := range x.byName {
		slot := x.byName[i]
		if q.Desc {
			slot = x.byName[len(x.byName)-1-i]
		}
		if !fits(slot) {
			continue
		}
		if total >= q.Offset && total < q.Offset+q.Limit {
			found = append(found, slot)
		}
		total++
	}
	return found, total
}

// byAge is the piece in the order of creation.
func (x *Index) byAge(q Query, fits func(uint32) bool) (found []uint32, total int) {
	for _, slot := range x.byName {
		if fits(slot) {
			found = append(found, slot)
		}
	}
	slices.SortFunc(found, func(a, b uint32) int {
		l, r := &x.entries[a], &x.entries[b]
		return cmp.Or(cmp.Compare(l.created, r.created), bytes.Compare(l.id[:], r.id[:]))
	})
	if q.Desc {
		slices.Reverse(found)
	}
	total = len(found)
	return found[min(q.Offset, total):min(q.Offset+q.Limit, total)], total
}

// filter is the condition of a query; possible is false where nothing can fit.
func (x *Index) filter(q Query) (fits func(uint32) bool, possible bool) {
	part := []byte(q.Part)
	kind, known := x.kinds[q.Type]
	if q.Type != "" && !known {
		return nil, false
	}
	inside := func(uint32) bool { return true }
	if !q.Under.IsZero() {
		at, is := x.find(q.Under)
		if !is {
			return nil, false
		}
		inside = x.below(x.byID[at])
	}
	return func(slot uint32) bool {
		e := &x.entries[slot]
		return (q.Type == "" || e.kind == kind) && (q.Status == nil || e.active == *q.Status) &&
			(len(part) == 0 || bytes.Contains(x.both(e), part)) && inside(slot)
	}, true
}

// Before is how many siblings of a node come before it, in tree order; false for a node
// that is not there.
func (x *Index) Before(of id.ID) (n int, is bool) {
	at, is := x.find(of)
	if !is {
		return 0, false
	}
	self := x.byID[at]
	parent := x.entries[self].parent
	for _, slot := range x.byName {
		if slot == self {
			break
		}
		if x.entries[slot].parent == parent {
			n++
		}
	}
	return n, true
}
