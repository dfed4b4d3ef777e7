package decide

const (
	ribBits = 7
	ribLen  = 1 << ribBits // leaves under a rib
)

// A spine is a persistent vector of pointers to P, three loads deep:
// ribs → rib → P. Changing one entry copies the list of ribs, one rib and the
// P, whatever the length.
type spine[P any] struct {
	ribs []*rib[P]
	n    int
	by   *session // who made ribs
}

type rib[P any] [ribLen]*P

func (v *spine[P]) at(i uint32) *P {
	return v.ribs[i>>ribBits][i&(ribLen-1)]
}

// edit is the entry at i, safe to change.
func (v *spine[P]) edit(s *session, i uint32) *P {
	r := v.rib(s, i>>ribBits)
	p := fresh(s, r[i&(ribLen-1)])
	r[i&(ribLen-1)] = p
	return p
}

// put sets the entry at i.
func (v *spine[P]) put(s *session, i uint32, p P) *P {
	q := new(P)
	*q = p
	s.own(q)
	v.rib(s, i>>ribBits)[i&(ribLen-1)] = q
	return q
}

// grow adds an empty entry.
func (v *spine[P]) grow(s *session) *P {
	v.detach(s)
	if v.n>>ribBits == len(v.ribs) {
		r := new(rib[P])
		s.own(r)
		v.ribs = append(v.ribs, r)
	}
	p := new(P)
	s.own(p)
	v.rib(s, uint32(v.n>>ribBits))[v.n&(ribLen-1)] = p
	v.n++
	return p
}

func (v *spine[P]) rib(s *session, i uint32) *rib[P] {
	v.detach(s)
	v.ribs[i] = fresh(s, v.ribs[i])
	return v.ribs[i]
}

func (v *spine[P]) detach(s *session) {
	if v.by != s {
		v.ribs = append(make([]*rib[P], 0, len(v.ribs)+1), v.ribs...)
		v.by = s
	}
}

// A table is a persistent vector of T: a spine whose entries are leaves L, items
// that lie side by side. A change copies a leaf, and a look-up waits for the
// spine when it doesn't fit into the caches; so leaves are about 2 KB long.
type table[T any, L leaf[T]] struct {
	leaves spine[L]
	n      uint32
}

type leaf[T any] interface {
	[16]T | [32]T | [64]T | [128]T | [512]T | [2048]T
}

// at is the item at i, to be read only. i must be below n.
func (t *table[T, L]) at(i uint32) *T {
	l := t.leaves.at(i / t.leafLen())
	return &(*l)[i%t.leafLen()]
}

// edit is the item at i, safe to change. Pointers got from at before this call
// may show the old item.
func (t *table[T, L]) edit(s *session, i uint32) *T {
	l := t.leaves.edit(s, i/t.leafLen())
	return &(*l)[i%t.leafLen()]
}

// add appends v and returns its number.
func (t *table[T, L]) add(s *session, v T) uint32 {
	i := t.n
	if i/t.leafLen() == uint32(t.leaves.n) {
		t.leaves.grow(s)
	}
	t.n++
	*t.edit(s, i) = v
	return i
}

func (*table[T, L]) leafLen() uint32 {
	var l L
	return uint32(len(l))
}

// A vacancy is a number of a table that is free again. Vacancies form a chain
// that snapshots share.
type vacancy struct {
	number uint32
	next   *vacancy
}
