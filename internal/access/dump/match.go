package dump

import (
	"cmp"
	"sort"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/tenant/environment"
)

// What becomes of a node of a dump.
type fate uint8

const (
	same    fate = iota
	made         // there is none like it
	changed      // it is there and says something else
)

// treePlan says how one tree becomes another.
type treePlan struct {
	src, tgt *tree
	model    environment.Model
	schema   *environment.Schema // nil: none

	modelChanges, schemaChanges bool

	order []int32        // of src, parents first
	match []int32        // of each of src: the one of tgt that it is, or none
	taken []bool         // of each of tgt: whether it is one of src
	fates []fate         // of each of src
	ids   []hierarchy.ID // of each of src: the one that it is going to have

	children                        []int32 // of each of src: how many it is going to have
	made, changed, same, gone, kept int
}

// pair finds which nodes are the same: the roots, then those whose refs say so, then those
// with one slug below the same parent. Both trees are linked, and have one root.
func (t *treePlan) pair() {
	t.match = make([]int32, len(t.src.all))
	for i := range t.match {
		t.match[i] = none
	}
	t.taken = make([]bool, len(t.tgt.all))
	t.be(t.src.roots[0], t.tgt.roots[0])
	t.pairRefs()
	t.pairSlugs()
}

func (t *treePlan) be(from, to int32) {
	t.match[from], t.taken[to] = to, true
}

// pairRefs pairs what has one ref: none that several have.
func (t *treePlan) pairRefs() {
	byRef := func(a, b *brief) int { return compareIDs(a.ref, b.ref) }
	from, to := t.src.sorted(byRef), t.tgt.sorted(byRef)
	for len(from) > 0 && len(to) > 0 {
		a, b := &t.src.all[from[0]], &t.tgt.all[to[0]]
		switch order := byRef(a, b); {
		case order < 0:
			from = from[1:]
		case order > 0:
			to = to[1:]
		default:
			froms, tos := t.src.withRef(from), t.tgt.withRef(to)
			one := froms == 1 && tos == 1 && !a.ref.IsZero()
			if one && !b.apart && !t.taken[to[0]] && t.match[from[0]] == none {
				t.be(from[0], to[0])
			}
			from, to = from[froms:], to[tos:]
		}
	}
}

// withRef is how many at the beginning of a list have the ref of the first.
func (t *tree) withRef(sorted []int32) (n int) {
	for n < len(sorted) && t.all[sorted[n]].ref == t.all[sorted[0]].ref {
		n++
	}
	return n
}

func (t *treePlan) pairSlugs() {
	sorted := t.tgt.bySlug()
	for _, i := range t.order {
		n := &t.src.all[i]
		if t.match[i] != none || n.parent < 0 || t.match[n.parent] == none {
			continue
		}
		below := t.match[n.parent]
		at := sort.Search(len(sorted), func(k int) bool {
			o := &t.tgt.all[sorted[k]]
			return cmp.Or(cmp.Compare(o.parent, below), cmp.Compare(o.slug, n.slug)) >= 0
		})
		for ; at < len(sorted); at++ {
			o := &t.tgt.all[sorted[at]]
			if o.parent != below || o.slug != n.slug {
				break
			}
			if !o.apart && !t.taken[sorted[at]] {
				t.be(i, sorted[at])
				break
			}
		}
	}
}

// judge says what becomes of each node, and counts.
func (t *treePlan) judge() {
	t.fates = make([]fate, len(t.src.all))
	t.children = make([]int32, len(t.src.all))
	for i := range t.src.all {
		n := &t.src.all[i]
		if n.parent >= 0 {
			t.children[n.parent]++
		}
		switch to := t.match[i]; {
		case to == none:
			t.fates[i] = made
			t.made++
		case t.differs(n, &t.tgt.all[to]):
			t.fates[i] = changed
			t.changed++
		default:
			t.same++
		}
	}
	above := t.matchedBy()
	for i := range t.tgt.all {
		switch o := &t.tgt.all[i]; {
		case o.apart:
			t.kept++
			if o.parent >= 0 && !t.tgt.all[o.parent].apart && above[o.parent] != none {
				t.children[above[o.parent]]++
			}
		case !t.taken[i]:
			t.gone++
		}
	}
}

// matchedBy are the nodes of the dump that those of the target are.
func (t *treePlan) matchedBy() []int32 {
	by := make([]int32, len(t.tgt.all))
	for i := range by {
		by[i] = none
	}
	for i, to := range t.match {
		if to != none {
			by[to] = int32(i)
		}
	}
	return by
}

func (t *treePlan) differs(n, o *brief) bool {
	return n.slug != o.slug || n.rest != o.rest || n.kind != o.kind || n.inactive != o.inactive || t.moves(n, o)
}

// moves reports whether a node lies below another one than the one that it is.
func (t *treePlan) moves(n, o *brief) bool {
	return n.parent >= 0 && t.match[n.parent] != o.parent
}

// freed are the nodes whose places among siblings others may want before they have left.
func (t *treePlan) freed() []hierarchy.ID {
	var ids []hierarchy.ID
	for i := range t.src.all {
		n := &t.src.all[i]
		if t.fates[i] != changed {
			continue
		}
		if o := &t.tgt.all[t.match[i]]; n.slug != o.slug || t.moves(n, o) {
			ids = append(ids, o.id)
		}
	}
	return ids
}

// removed are the nodes that go, parents first.
func (t *treePlan) removed() []hierarchy.ID {
	ids := make([]hierarchy.ID, 0, t.gone)
	for _, i := range t.tgt.fromTop() {
		if o := &t.tgt.all[i]; !o.apart && !t.taken[i] {
			ids = append(ids, o.id)
		}
	}
	return ids
}
