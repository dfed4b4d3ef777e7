package ledger

import (
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Edit is what has become different from one index to the next.
type Edit struct {
	// Touched are assignments that were made, changed or removed.
	Touched []Touched
	// Put are those of them that there are, as they are now.
	Put []Row
	// People are those who were changed, and whoever is new, as they are now.
	People []Person
	// Gone are people, roles and nodes that are no more, with their assignments.
	GonePeople, GoneRoles, GoneNodes []id.ID
	// Nodes, where it is not nil, are all nodes at which there may be an assignment: those
	// elsewhere have gone with their nodes.
	Nodes map[id.ID]bool
}

// Touched names an assignment, and whose it is.
type Touched struct{ ID, Identity id.ID }

// Apply makes the next index. Of indexes that come of one another only the last may be
// changed.
func (x *Index) Apply(e Edit) *Index {
	next := &Index{pieces: x.pieces, n: x.n, known: x.known, people: x.people, names: x.names}
	if gone := x.going(&e); gone != nil {
		next.remove(gone)
	}
	next.insert(e.Put)
	next.meet(e.People)
	return next
}

// going tells which entries go; nil where none does.
func (x *Index) going(e *Edit) func(*entry) bool {
	if len(e.Touched)+len(e.GonePeople)+len(e.GoneRoles)+len(e.GoneNodes) == 0 && e.Nodes == nil {
		return nil
	}
	people, _, roles := x.known.sizes()
	touchedOf, goneOf, goneRole, goneNode := newSet(people), newSet(people), newSet(roles), x.known.nodeSet(e.GoneNodes)
	ids := make(map[id.ID]bool, len(e.Touched))
	for _, t := range e.Touched {
		if n, is := x.known.person(t.Identity); is {
			touchedOf.add(n)
			ids[t.ID] = true
		}
	}
	for _, who := range e.GonePeople {
		if n, is := x.known.person(who); is {
			goneOf.add(n)
		}
	}
	for _, of := range e.GoneRoles {
		if n, is := x.known.role(of); is {
			goneRole.add(n)
		}
	}
	if e.Nodes != nil {
		goneNode = x.known.nodesWithout(e.Nodes)
		for _, of := range e.GoneNodes {
			if n, is := x.known.node(of); is {
				goneNode.add(n)
			}
		}
	}
	return func(a *entry) bool {
		return touchedOf.has(a.who) && ids[a.id] || goneOf.has(a.who) || goneRole.has(a.role) || goneNode.has(a.node)
	}
}

// remove takes entries out, and copies no piece that stays as it is.
func (x *Index) remove(gone func(*entry) bool) {
	pieces := make([][]entry, 0, len(x.pieces))
	for _, piece := range x.pieces {
		left := piece
		for i := range piece {
			if gone(&piece[i]) {
				left = slices.DeleteFunc(slices.Clone(piece), func(a entry) bool { return gone(&a) })
				break
			}
		}
		x.n -= len(piece) - len(left)
		if len(left) > 0 {
			pieces = append(pieces, left)
		}
	}
	x.pieces = pieces
}

// insert puts rows in their places.
func (x *Index) insert(rows []Row) {
	if len(rows) == 0 {
		return
	}
	entries := make([]entry, len(rows))
	for i := range rows {
		entries[i] = x.known.entry(&rows[i])
	}
	slices.SortFunc(entries, byAge)
	x.n += len(entries)
	pieces := make([][]entry, 0, len(x.pieces)+1+len(entries)/pieceLen)
	for i, piece := range x.pieces {
		here := len(entries)
		if i+1 < len(x.pieces) {
			here, _ = slices.BinarySearchFunc(entries, x.pieces[i+1][0], byAge)
		}
		pieces = append(pieces, split(merge(piece, entries[:here]))...)
		entries = entries[here:]
	}
	pieces = append(pieces, split(entries)...)
	x.pieces = pieces
}

// merge is a piece with more entries in it; both are sorted.
func merge(piece, more []entry) []entry {
	if len(more) == 0 {
		return piece
	}
	all := make([]entry, 0, len(piece)+len(more))
	for i := range piece {
		for len(more) > 0 && older(&more[0], &piece[i]) < 0 {
			all, more = append(all, more[0]), more[1:]
		}
		all = append(all, piece[i])
	}
	return append(all, more...)
}

// split keeps pieces small.
func split(piece []entry) [][]entry {
	switch {
	case len(piece) == 0:
		return nil
	case len(piece) <= 2*pieceLen:
		return [][]entry{piece}
	}
	var pieces [][]entry
	for one := range slices.Chunk(piece, pieceLen) {
		pieces = append(pieces, slices.Clone(one))
	}
	return pieces
}

// meet sets what is known of people.
func (x *Index) meet(people []Person) {
	changed := make(map[uint32]bool, len(people))
	before := len(x.people)
	for _, p := range people {
		changed[x.known.add(p.ID)] = true
	}
	all, _, _ := x.known.sizes()
	if len(people) == 0 && all == before {
		return
	}
	next := make([]Person, all)
	copy(next, x.people)
	for n := before; n < all; n++ {
		next[n].ID = x.known.people.ids[n]
		changed[uint32(n)] = true //nolint:gosec // as in take
	}
	for _, p := range people {
		n, _ := x.known.person(p.ID)
		next[n] = p
	}
	x.people = next
	x.names = x.renamed(x.names, changed)
}
