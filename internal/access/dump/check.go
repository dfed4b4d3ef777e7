package dump

import (
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/tenant/environment"
)

// shape looks whether the nodes of a dump are one tree: each id once, one root, a way from
// there to every node. A tree that is none can't be matched.
func (p *treePlan) shape(f *findings) {
	t := p.src
	for k := 1; k < len(t.byID) && !f.full(); k++ {
		if of := t.all[t.byID[k]].id; of == t.all[t.byID[k-1]].id {
			f.add("nodes: the id %s comes twice", of)
		}
	}
	if len(t.roots) == 0 {
		f.add("nodes: there is no root")
	}
	if len(t.roots) > 1 {
		f.add("nodes: there are %d roots", len(t.roots))
	}
	for i := range t.all {
		if f.full() {
			return
		}
		switch n := &t.all[i]; {
		case n.parent == lost && t.parents[i] == nowhere:
			f.add("nodes: %s names a parent that is not there", n.id)
		case n.parent == lost:
			f.add("nodes: %s names the parent %s, which is not there", n.id, t.parents[i])
		case n.depth == 0 && len(t.roots) == 1:
			f.add("nodes: no way leads from the root to %s", n.id)
		}
	}
}

// fit looks whether the tree fits its schema and what stays of the target. It is one tree,
// and matched.
func (p *treePlan) fit(f *findings, most int) {
	p.siblings(f)
	root := &p.src.all[p.src.roots[0]]
	if root.inactive {
		f.add("nodes: the root must be active")
	}
	if n := len(p.src.all); p.model == environment.Flat && n > 1 {
		f.add("nodes: a flat Environment has the root alone, and there are %d nodes", n)
	}
	if n := len(p.src.all) + p.kept; n > most {
		f.add("nodes: there would be %d, and an Environment has at most %d", n, most)
	}
	for i := range p.src.all {
		if f.full() {
			return
		}
		p.place(f, &p.src.all[i])
	}
	p.stays(f)
}

// siblings looks for children of one parent with one slug, among what stays too.
func (p *treePlan) siblings(f *findings) {
	sorted := p.src.bySlug()
	for k := 1; k < len(sorted) && !f.full(); k++ {
		a, b := &p.src.all[sorted[k-1]], &p.src.all[sorted[k]]
		if a.parent == b.parent && a.slug == b.slug && a.parent >= 0 {
			f.add("nodes: %s and %s have one slug and one parent", a.id, b.id)
		}
	}
	staying := map[slot]hierarchy.ID{}
	for i := range p.tgt.all {
		if o := &p.tgt.all[i]; o.apart && o.parent >= 0 && !p.tgt.all[o.parent].apart {
			staying[slot{o.parent, o.slug}] = o.id
		}
	}
	if len(staying) == 0 {
		return
	}
	for i := range p.src.all {
		n := &p.src.all[i]
		if n.parent < 0 || p.match[n.parent] == none {
			continue
		}
		if of, is := staying[slot{p.match[n.parent], n.slug}]; is {
			f.add("nodes: %s has the slug of %s, which stays in the Environment", n.id, of)
		}
	}
}

// slot is a place among the children of a node.
type slot struct {
	parent int32
	slug   uint64
}

// place looks whether a node may lie where it does.
func (p *treePlan) place(f *findings, n *brief) {
	name := p.src.hash.names[n.kind]
	switch {
	case hierarchy.IsReserved(name):
		f.add("nodes: %s has the type %s, which is reserved", n.id, name)
	case n.parent == none:
		want := hierarchy.RootType
		if p.schema != nil {
			want = p.schema.RootNodeType
		}
		if name != want {
			f.add("nodes: the root must have the type %s", want)
		}
	case p.model == environment.Flat: // told already
	default:
		p.hold(f, n.id, name, p.src.hash.names[p.src.all[n.parent].kind], int(n.depth))
	}
}

// hold holds a node against the schema.
func (p *treePlan) hold(f *findings, of hierarchy.ID, name, above string, depth int) {
	switch {
	case p.schema == nil:
		f.add("nodes: there is no schema, so %s can't be there", of)
	case !slices.Contains(p.schema.NodeTypes, name):
		f.add("nodes: %s has a type that the schema lacks", of)
	case !slices.Contains(p.schema.AllowedChildren[above], name):
		f.add("nodes: %s of type %s may not lie below the type %s", of, name, above)
	case depth > p.schema.MaxDepth:
		f.add("nodes: %s lies too deep", of)
	}
}

// stays looks whether the product's own nodes of the target, and what lies below them, fit
// the new tree.
func (p *treePlan) stays(f *findings) {
	if p.kept == 0 {
		return
	}
	above := p.matchedBy()
	depths := make([]int, len(p.tgt.all))
	for _, i := range p.tgt.fromTop() {
		o := &p.tgt.all[i]
		switch {
		case o.parent >= 0 && p.tgt.all[o.parent].apart:
			depths[i] = depths[o.parent] + 1
		case o.apart && o.parent >= 0 && above[o.parent] != none:
			depths[i] = int(p.src.all[above[o.parent]].depth) + 1
		case o.apart:
			f.add("nodes: %s of the Environment stays, and the node above it would go", o.id)
		}
		name := p.tgt.hash.names[o.kind]
		switch {
		case !o.apart || hierarchy.IsReserved(name):
		case p.model == environment.Flat:
			f.add("nodes: %s of the Environment stays, and could not lie there once it is flat", o.id)
		default:
			p.hold(f, o.id, name, p.tgt.hash.names[p.tgt.all[o.parent].kind], depths[i])
		}
		if f.full() {
			return
		}
	}
}
