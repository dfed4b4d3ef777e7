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

	order []int32 // of src, parents first
	match []int32 // of each of src: the one of tgt that it is, or none
	taken []bool  // of each of tgt: whether it is one of src
	fates []fate  // of each of src

	children                        []int32 // of each of src: how many it is going to have
	made, changed, same, gone, kept int
}

// pair finds which nodes are the same: the roots, then those whose refs say so, then those
// with one slug below the same parent. Both trees are linked, and have one root.
func (p *treePlan) pair() {
	p.match = make([]int32, len(p.src.all))
	for i := range p.match {
		p.match[i] = none
	}
	p.taken = make([]bool, len(p.tgt.all))
	p.be(p.src.roots[0], p.tgt.roots[0])
	p.pairRefs()
	p.pairSlugs()
}

func (p *treePlan) be(from, to int32) {
	p.match[from], p.taken[to] = to, true
}

// pairRefs pairs what has one ref: none that several have.
func (p *treePlan) pairRefs() {
	byRef := func(a, b *brief) int { return compareIDs(a.ref, b.ref) }
	from, to := p.src.sorted(byRef), p.tgt.sorted(byRef)
	for len(from) > 0 && len(to) > 0 {
		a, b := &p.src.all[from[0]], &p.tgt.all[to[0]]
		switch order := byRef(a, b); {
		case order < 0:
			from = from[1:]
		case order > 0:
			to = to[1:]
		default:
			froms, tos := p.src.withRef(from), p.tgt.withRef(to)
			one := froms == 1 && tos == 1 && !a.ref.IsZero()
			if one && !b.apart && !p.taken[to[0]] && p.match[from[0]] == none {
				p.be(from[0], to[0])
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

func (p *treePlan) pairSlugs() {
	sorted := p.tgt.bySlug()
	for _, i := range p.order {
		n := &p.src.all[i]
		if p.match[i] != none || n.parent < 0 || p.match[n.parent] == none {
			continue
		}
		below := p.match[n.parent]
		at := sort.Search(len(sorted), func(k int) bool {
			o := &p.tgt.all[sorted[k]]
			return cmp.Or(cmp.Compare(o.parent, below), cmp.Compare(o.slug, n.slug)) >= 0
		})
		for ; at < len(sorted); at++ {
			o := &p.tgt.all[sorted[at]]
			if o.parent != below || o.slug != n.slug {
				break
			}
			if !o.apart && !p.taken[sorted[at]] {
				p.be(i, sorted[at])
				break
			}
		}
	}
}

// judge says what becomes of each node, and counts.
func (p *treePlan) judge() {
	p.fates = make([]fate, len(p.src.all))
	p.children = make([]int32, len(p.src.all))
	for i := range p.src.all {
		n := &p.src.all[i]
		if n.parent >= 0 {
			p.children[n.parent]++
		}
		switch to := p.match[i]; {
		case to == none:
			p.fates[i] = made
			p.made++
		case p.differs(n, &p.tgt.all[to]):
			p.fates[i] = changed
			p.changed++
		default:
			p.same++
		}
	}
	above := p.matchedBy()
	for i := range p.tgt.all {
		switch o := &p.tgt.all[i]; {
		case o.apart:
			p.kept++
			if o.parent >= 0 && !p.tgt.all[o.parent].apart && above[o.parent] != none {
				p.children[above[o.parent]]++
			}
		case !p.taken[i]:
			p.gone++
		}
	}
}

// matchedBy are the nodes of the dump that those of the target are.
func (p *treePlan) matchedBy() []int32 {
	by := make([]int32, len(p.tgt.all))
	for i := range by {
		by[i] = none
	}
	for i, to := range p.match {
		if to != none {
			by[to] = int32(i)
		}
	}
	return by
}

func (p *treePlan) differs(n, o *brief) bool {
	return n.slug != o.slug || n.rest != o.rest || n.kind != o.kind || n.inactive != o.inactive || p.moves(n, o)
}

// moves reports whether a node lies below another one than the one that it is.
func (p *treePlan) moves(n, o *brief) bool {
	return n.parent >= 0 && p.match[n.parent] != o.parent
}

// freed are the nodes whose places among siblings others may want before they have left.
func (p *treePlan) freed() []hierarchy.ID {
	var ids []hierarchy.ID
	for i := range p.src.all {
		n := &p.src.all[i]
		if p.fates[i] != changed {
			continue
		}
		if o := &p.tgt.all[p.match[i]]; n.slug != o.slug || p.moves(n, o) {
			ids = append(ids, o.id)
		}
	}
	return ids
}

// removed are the nodes that go, parents first.
func (p *treePlan) removed() []hierarchy.ID {
	ids := make([]hierarchy.ID, 0, p.gone)
	for _, i := range p.tgt.fromTop() {
		if o := &p.tgt.all[i]; !o.apart && !p.taken[i] {
			ids = append(ids, o.id)
		}
	}
	return ids
}
