package persist

import (
	"iter"
	"math/bits"
	"slices"
)

// A Bitset is a set of small numbers, one bit for each up to the largest. The
// nil Bitset is empty.
//
// With and Union may write to the memory of their receiver, as append does. Use
// them on a set that nobody else has yet. All other methods only read.
type Bitset []uint64

// Has reports whether i is in the set. It takes constant time.
func (b Bitset) Has(i uint32) bool {
	w := int(i / 64)
	return w < len(b) && b[w]>>(i%64)&1 != 0
}

// With returns b with i added. It may change b.
func (b Bitset) With(i uint32) Bitset {
	for int(i/64) >= len(b) {
		b = append(b, 0)
	}
	b[i/64] |= 1 << (i % 64)
	return b
}

// Without returns a new set of what is in b, except i.
func (b Bitset) Without(i uint32) Bitset {
	b = slices.Clone(b)
	if w := int(i / 64); w < len(b) {
		b[w] &^= 1 << (i % 64)
	}
	return b
}

// Union returns b with everything in c added. It may change b, but not c.
func (b Bitset) Union(c Bitset) Bitset {
	for len(b) < len(c) {
		b = append(b, 0)
	}
	for i, w := range c {
		b[i] |= w
	}
	return b
}

// Difference returns a new set of what is in b and not in c.
func (b Bitset) Difference(c Bitset) Bitset {
	var out Bitset
	for i, w := range b {
		if i < len(c) {
			w &^= c[i]
		}
		if w != 0 {
			for len(out) < i {
				out = append(out, 0)
			}
			out = append(out, w)
		}
	}
	return out
}

// Equal reports whether b and c hold the same numbers.
func (b Bitset) Equal(c Bitset) bool {
	if len(b) < len(c) {
		b, c = c, b
	}
	for i, w := range b {
		if i < len(c) && w != c[i] || i >= len(c) && w != 0 {
			return false
		}
	}
	return true
}

// All yields the numbers in the set in ascending order.
func (b Bitset) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i, w := range b {
			for ; w != 0; w &= w - 1 {
				number := uint32(i*64 + bits.TrailingZeros64(w)) //nolint:gosec // it came as one
				if !yield(number) {
					return
				}
			}
		}
	}
}

// Bytes returns how much memory the set takes.
func (b Bitset) Bytes() int { return cap(b) * sizeOf[uint64]() }
