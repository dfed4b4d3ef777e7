package persist

import "reflect"

// A Chunk is an array type that a vector of T can be cut into. A change copies a
// whole chunk, so short chunks make edits cheap. Reading an item first reads the
// pointer to its chunk, so long chunks keep more of these pointers in the
// processor's caches. Chunks of about 2 KB are a good compromise.
type Chunk[T any] interface {
	[16]T | [32]T | [64]T | [128]T | [512]T | [2048]T
}

// A Vector is a persistent list, cut into chunks of type C. Reading an item
// takes constant time. A change copies one chunk and the path to it.
type Vector[T any, C Chunk[T]] struct {
	chunks radix[C]
	size   uint32
}

// Len returns the number of items.
func (v *Vector[T, C]) Len() uint32 { return v.size }

// At returns the item at i, which must be below Len. Do not write to it.
func (v *Vector[T, C]) At(i uint32) *T {
	c := v.chunks.at(i / chunkLen[T, C]())
	return &(*c)[i%chunkLen[T, C]()]
}

// Edit returns the item at i, safe to change until o is released. Pointers that
// At returned earlier may keep showing the old item.
func (v *Vector[T, C]) Edit(o *Owner, i uint32) *T {
	c := v.chunks.edit(o, i/chunkLen[T, C]())
	return &(*c)[i%chunkLen[T, C]()]
}

// Append adds item at the end and returns its index.
func (v *Vector[T, C]) Append(o *Owner, item T) uint32 {
	i := v.size
	if i/chunkLen[T, C]() == v.chunks.size {
		v.chunks.grow(o)
	}
	v.size++
	*v.Edit(o, i) = item
	return i
}

// Allocate stores item at an index taken from free, or at the end if free is
// empty. It returns the index.
func (v *Vector[T, C]) Allocate(o *Owner, free *FreeList, item T) uint32 {
	i, ok := free.Pop()
	if !ok {
		return v.Append(o, item)
	}
	*v.Edit(o, i) = item
	return i
}

// Bytes returns how much memory the vector takes, without what its items point
// to.
func (v *Vector[T, C]) Bytes() int { return v.chunks.nodeBytes() + int(v.chunks.size)*sizeOf[C]() }

// chunkLen is a constant that generic code has no other way to write.
func chunkLen[T any, C Chunk[T]]() uint32 {
	var c C
	return uint32(len(c)) //nolint:gosec // at most 2048
}

func sizeOf[T any]() int { return int(reflect.TypeFor[T]().Size()) }
