package dump

import (
	"slices"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/tenant/environment"
)

// shape looks whether the nodes of a dump are one tree: each id once, one root, a way from
// there to every node. A tree that is none can't be matched.
func (t *treePlan) shape(f *findings) {
	src := t.src
	for k := 1; k < len(src.byID) && !f.full(); k++ {
		if of := src.all[src.byID[k]].id; of == src.all[src.byID[k-1]].id {
			f.add("nodes: the id %s comes twice", of)
		}
	}
	if len(src.roots) == 0 {
		f.add("nodes: there is no root")
	}
	if len(src.roots) > 1 {
		f.add("nodes: there are %d roots", len(src.roots))
	}
	for i := range src.all {
		if f.full() {
			return
		}
		switch n := &src.all[i]; {
		case n.parent == lost && src.parents[i] == nowhere:
			f.add("nodes: %s names a parent that is not there", n.id)
		case n.parent == lost:
			f.add("nodes: %s names the parent %s, which is not there", n.id, src.parents[i])
		case n.depth == 0 && len(src.roots) == 1:
			f.add("nodes: no way leads from the root to %s", n.id)
		}
	}
}

// fit looks whether the tree fits its schema and what stays of the target. It is one tree,
// and matched.
func (t *treePlan) fit(f *findings, most int) {
	t.siblings(f)
	root := &t.src.all[t.src.roots[0]]
	if root.inactive {
		f.add("nodes: the root must be active")
	}
	if n := len(t.src.all); t.model == environment.Flat && n > 1 {
		f.add("nodes: a flat Environment has the root alone, and there are %d nodes", n)
	}
	if n := len(t.src.all) + t.kept; n > most {
		f.add("nodes: there would be %d, and an Environment has at most %d", n, most)
	}
	for i := range t.src.all {
		if f.full() {
			return
		}
		t.place(f, &t.src.all[i])
	}
	t.stays(f)
}

// siblings looks for children of one parent with one slug, among what stays too.
func (t *treePlan) siblings(f *findings) {
	sorted := t.src.bySlug()
	for k := 1; k < len(sorted) && !f.full(); k++ {
		a, b := &t.src.all[sorted[k-1]], &t.src.all[sorted[k]]
		if a.parent == b.parent && a.slug == b.slug && a.parent >= 0 {
			f.add("nodes: %s and %s have one slug and one parent", a.id, b.id)
		}
	}
	staying := map[slot]hierarchy.ID{}
	for i := range t.tgt.all {
		if o := &t.tgt.all[i]; o.apart && o.parent >= 0 && !t.tgt.all[o.parent].apart {
			staying[slot{o.parent, o.slug}] = o.id
		}
	}
	if len(staying) == 0 {
		return
	}
	for i := range t.src.all {
		n := &t.src.all[i]
		if n.parent < 0 || t.match[n.parent] == none {
			continue
		}
		if of, is := staying[slot{t.match[n.parent], n.slug}]; is {
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
func (t *treePlan) place(f *findings, n *brief) {
	name := t.src.hash.names[n.kind]
	switch {
	case hierarchy.IsReserved(name):
		f.add("nodes: %s has the type %s, which is reserved", n.id, name)
	case n.parent == none:
		want := hierarchy.RootType
		if t.schema != nil {
			want = t.schema.RootNodeType
		}
		if name != want {
			f.add("nodes: the root must have the type %s", want)
		}
	case t.model == environment.Flat: // told already
	default:
		t.hold(f, n.id, name, t.src.hash.names[t.src.all[n.parent].kind], int(n.depth))
	}
}

// hold holds a node against the schema.
func (t *treePlan) hold(f *findings, of hierarchy.ID, name, above string, depth int) {
	switch {
	case t.schema == nil:
		f.add("nodes: there is no schema, so %s can't be there", of)
	case !slices.Contains(t.schema.NodeTypes, name):
		f.add("nodes: %s has a type that the schema lacks", of)
	case !slices.Contains(t.schema.AllowedChildren[above], name):
		f.add("nodes: %s of type %s may not lie below the type %s", of, name, above)
	case depth > t.schema.MaxDepth:
		f.add("nodes: %s lies too deep", of)
	}
}

// stays looks whether the product's own nodes of the target, and what lies below them, fit
// the new tree.
func (t *treePlan) stays(f *findings) {
	if t.kept == 0 {
		return
	}
	above := t.matchedBy()
	depths := make([]int, len(t.tgt.all))
	for _, i := range t.tgt.fromTop() {
		o := &t.tgt.all[i]
		switch {
		case o.parent >= 0 && t.tgt.all[o.parent].apart:
			depths[i] = depths[o.parent] + 1
		case o.apart && o.parent >= 0 && above[o.parent] != none:
			depths[i] = int(t.src.all[above[o.parent]].depth) + 1
		case o.apart:
			f.add("nodes: %s of the Environment stays, and the node above it would go", o.id)
		}
		name := t.tgt.hash.names[o.kind]
		switch {
		case !o.apart || hierarchy.IsReserved(name):
		case t.model == environment.Flat:
			f.add("nodes: %s of the Environment stays, and could not lie there once it is flat", o.id)
		default:
			t.hold(f, o.id, name, t.tgt.hash.names[t.tgt.all[o.parent].kind], depths[i])
		}
		if f.full() {
			return
		}
	}
}
