package decide

import (
	"iter"
	"math/bits"
)

// A bitset is a set of small numbers. Numbers beyond its end are not in it.
type bitset []uint64

func (b bitset) has(i uint32) bool {
	w := int(i / 64)
	return w < len(b) && b[w]>>(i%64)&1 != 0
}

// with is b and i; it may be b itself, changed.
func (b bitset) with(i uint32) bitset {
	for int(i/64) >= len(b) {
		b = append(b, 0)
	}
	b[i/64] |= 1 << (i % 64)
	return b
}

// union is b and all of c; it may be b itself, changed.
func (b bitset) union(c bitset) bitset {
	for len(b) < len(c) {
		b = append(b, 0)
	}
	for i, w := range c {
		b[i] |= w
	}
	return b
}

// minus is a new set of what is in b and not in c.
func (b bitset) minus(c bitset) bitset {
	var out bitset
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

func (b bitset) equal(c bitset) bool {
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

// all is the numbers of the set, ascending.
func (b bitset) all() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i, w := range b {
			for ; w != 0; w &= w - 1 {
				if !yield(uint32(i*64 + bits.TrailingZeros64(w))) {
					return
				}
			}
		}
	}
}
