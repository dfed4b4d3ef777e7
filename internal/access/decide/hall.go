package decide

// A hall is a table whose items were laid out in one piece when the snapshot was
// built, so that an item is found without asking a spine where its leaf is. A
// leaf that an edit changes moves out, to a spine, and a bit says so: the bits
// stay in the nearest cache where the pointers of a large spine do not. What has
// moved out is found as in a table, and its old place is lost until the
// environment is built afresh.
type hall[T any, L leaf[T]] struct {
	base  []L
	moved bitset // leaves of the base that are in late, and those behind the base
	late  spine[L]
	n     uint32   // items
	by    *session // who made moved
}

// layOut makes n empty items. The hall must be empty and the session a build.
func (h *hall[T, L]) layOut(n uint32) {
	leaves := (n + h.leafLen() - 1) / h.leafLen()
	h.base, h.n = make([]L, leaves), n
	h.moved = make(bitset, (leaves+63)/64)
	h.late.n = int(leaves)
	h.late.ribs = make([]*rib[L], (leaves+ribLen-1)/ribLen)
	for i := range h.late.ribs {
		h.late.ribs[i] = new(rib[L])
	}
}

// at is the item at i, to be read only. i must be below n.
func (h *hall[T, L]) at(i uint32) *T {
	l := i / h.leafLen()
	if l < uint32(len(h.base)) && !h.moved.has(l) {
		return &h.base[l][i%h.leafLen()]
	}
	return &(*h.late.at(l))[i%h.leafLen()]
}

// edit is the item at i, safe to change. Pointers got from at before this call
// may show the old item.
func (h *hall[T, L]) edit(s *session, i uint32) *T {
	l := i / h.leafLen()
	if l >= uint32(len(h.base)) || h.moved.has(l) {
		return &(*h.late.edit(s, l))[i%h.leafLen()]
	}
	if s.all {
		return &h.base[l][i%h.leafLen()]
	}
	if h.by != s {
		h.moved, h.by = append(bitset(nil), h.moved...), s
	}
	h.moved = h.moved.with(l)
	out := h.late.put(s, l, h.base[l])
	return &(*out)[i%h.leafLen()]
}

// add appends v and returns its number.
func (h *hall[T, L]) add(s *session, v T) uint32 {
	i := h.n
	if i/h.leafLen() == uint32(h.late.n) {
		h.late.grow(s)
	}
	h.n++
	*h.edit(s, i) = v
	return i
}

func (*hall[T, L]) leafLen() uint32 {
	var l L
	return uint32(len(l))
}
