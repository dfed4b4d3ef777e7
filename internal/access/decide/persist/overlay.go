package persist

// An OverlayVector is a persistent list like a Vector, over a base array that
// never moves. Items of the base array are found without following pointers.
// A change copies a chunk of the base array into the overlay, a radix tree, and
// sets the chunk's bit in overlaid.
//
//	base      │ 0 │ 1 │ 2 │ 3 │
//	overlaid    0   0   1   0       these bits fit into the nearest cache
//	overlay             2'    4     4 was appended behind the base array
//
// Reading an item takes constant time. A change copies one chunk, the path to
// it, and the bits if the chunk was not in the overlay yet. The memory of a
// chunk in the base array is not given back while any version of the list lives.
type OverlayVector[T any, C Chunk[T]] struct {
	base     []C
	overlaid Bitset // chunks of the base array that the overlay replaces
	overlay  radix[C]
	size     uint32 // items
	owner    *Owner // made the bits
}

// NewOverlayVector returns a vector whose base array has n zero items.
func NewOverlayVector[T any, C Chunk[T]](n uint32) OverlayVector[T, C] {
	chunks := (n + chunkLen[T, C]() - 1) / chunkLen[T, C]()
	v := OverlayVector[T, C]{base: make([]C, chunks), size: n, overlaid: make(Bitset, (chunks+63)/64)}
	v.overlay.size = chunks
	v.overlay.root = make([]*radixNode[C], (chunks+fanout-1)/fanout)
	for i := range v.overlay.root {
		v.overlay.root[i] = new(radixNode[C])
	}
	return v
}

// Len returns the number of items.
func (v *OverlayVector[T, C]) Len() uint32 { return v.size }

// At returns the item at i, which must be below Len. Do not write to it.
func (v *OverlayVector[T, C]) At(i uint32) *T {
	c := i / chunkLen[T, C]()
	if int(c) < len(v.base) && !v.overlaid.Has(c) {
		return &v.base[c][i%chunkLen[T, C]()]
	}
	return &(*v.overlay.at(c))[i%chunkLen[T, C]()]
}

// Edit returns the item at i, safe to change until o is released. Pointers that
// At returned earlier may keep showing the old item. An exclusive Owner changes
// the base array in place.
func (v *OverlayVector[T, C]) Edit(o *Owner, i uint32) *T {
	c := i / chunkLen[T, C]()
	if int(c) >= len(v.base) || v.overlaid.Has(c) {
		return &(*v.overlay.edit(o, c))[i%chunkLen[T, C]()]
	}
	if o.exclusive {
		return &v.base[c][i%chunkLen[T, C]()]
	}
	if v.owner != o {
		v.overlaid, v.owner = append(Bitset(nil), v.overlaid...), o
	}
	v.overlaid = v.overlaid.With(c)
	return &(*v.overlay.set(o, c, v.base[c]))[i%chunkLen[T, C]()]
}

// Append adds item at the end and returns its index.
func (v *OverlayVector[T, C]) Append(o *Owner, item T) uint32 {
	i := v.size
	if i/chunkLen[T, C]() == v.overlay.size {
		v.overlay.grow(o)
	}
	v.size++
	*v.Edit(o, i) = item
	return i
}

// Bytes returns how much memory the vector takes, without what its items point
// to.
func (v *OverlayVector[T, C]) Bytes() int {
	size := len(v.base)*sizeOf[C]() + v.overlaid.Bytes() + v.overlay.nodeBytes()
	for i := range v.overlay.size {
		if v.overlay.at(i) != nil {
			size += sizeOf[C]()
		}
	}
	return size
}
