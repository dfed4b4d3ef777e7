package decide

import (
	"math/bits"

	"canopy.dev/canopy/internal/id"
)

const (
	bucketLen  = 32 // entries in a bucket
	bucketLoad = 22 // entries a bucket holds on average before one is split
)

// An index is a persistent hash table from keys to numbers of a table. It keeps
// no keys: the caller says how a number's key compares and hashes.
//
// It grows by linear hashing: when the buckets are full on average, one bucket
// is split in two, so that no single insert ever pays for the whole table. The
// bucket of a hash is its low bits; the bits that name a bucket not yet split
// off are dropped.
type index struct {
	buckets spine[bucket]
	size    int
}

// A bucket holds the numbers of keys of like hash, packed to the front, with a
// byte of each hash beside them. Eight of those are compared at once, and the
// key itself is looked at only where its byte agrees.
type bucket struct {
	tags  [bucketLen / 8]uint64
	slots [bucketLen]uint32
	n     uint32
	more  *bucket // entries beyond the 32nd
}

func (x *index) bucketOf(h uint64) uint32 {
	n := uint64(x.buckets.n)
	mask := uint64(1)<<bits.Len64(n-1) - 1
	b := h & mask
	if b >= n {
		b = h & (mask >> 1)
	}
	return uint32(b)
}

// tagOf takes the bits that bucketOf does not.
func tagOf(h uint64) uint64 { return h >> 56 }

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
)

// find is the number whose key has the hash h and of which is says yes.
func (x *index) find(h uint64, is func(number uint32) bool) (uint32, bool) {
	if x.size == 0 {
		return 0, false
	}
	want := tagOf(h) * lowBits
	for b := x.buckets.at(x.bucketOf(h)); b != nil; b = b.more {
		for w := uint32(0); w*8 < b.n; w++ {
			diff := b.tags[w&(bucketLen/8-1)] ^ want
			// A byte of diff that is zero leaves its high bit here. A false one
			// may come with it; is tells.
			for hits := (diff - lowBits) &^ diff & highBits; hits != 0; hits &= hits - 1 {
				i := w*8 + uint32(bits.TrailingZeros64(hits)>>3)
				if i < b.n && is(b.slots[i&(bucketLen-1)]) {
					return b.slots[i&(bucketLen-1)], true
				}
			}
		}
	}
	return 0, false
}

// put adds a number whose key is not there yet. hash is the hash of the key of
// any number of the index.
func (x *index) put(s *session, h uint64, number uint32, hash func(number uint32) uint64) {
	if x.size >= x.buckets.n*bucketLoad {
		x.split(s, hash)
	}
	x.buckets.edit(s, x.bucketOf(h)).push(s, h, number)
	x.size++
}

// reserve makes the buckets of an empty index for n keys, so that they needn't
// be split on the way.
func (x *index) reserve(s *session, n int) {
	for x.buckets.n*bucketLoad <= n {
		x.buckets.grow(s)
	}
}

// drop takes the number away.
func (x *index) drop(s *session, h uint64, number uint32) {
	b := x.buckets.edit(s, x.bucketOf(h))
	last := b
	for last.more != nil && last.more.n > 0 {
		last.more = fresh(s, last.more)
		last = last.more
	}
	for ; b != nil; b = b.more {
		for i := range b.n {
			if b.slots[i] == number {
				last.n--
				b.set(i, last.tag(last.n), last.slots[last.n])
				x.size--
				return
			}
		}
	}
}

func (x *index) split(s *session, hash func(number uint32) uint64) {
	x.buckets.grow(s)
	added := uint32(x.buckets.n - 1)
	if added == 0 {
		return
	}
	old := added &^ (1 << (bits.Len32(added) - 1))
	from := x.buckets.edit(s, old)
	entries := *from
	*from = bucket{}
	to := x.buckets.edit(s, added)
	for b := &entries; b != nil; b = b.more {
		for _, number := range b.slots[:b.n] {
			h := hash(number)
			if x.bucketOf(h) == added {
				to.push(s, h, number)
			} else {
				from.push(s, h, number)
			}
		}
	}
}

// push adds an entry to a bucket that s may change.
func (b *bucket) push(s *session, h uint64, number uint32) {
	for b.n == bucketLen {
		if b.more == nil {
			b.more = new(bucket)
			s.own(b.more)
		} else {
			b.more = fresh(s, b.more)
		}
		b = b.more
	}
	b.n++
	b.set(b.n-1, tagOf(h), number)
}

func (b *bucket) tag(i uint32) uint64 {
	return b.tags[i/8] >> (i % 8 * 8) & 0xff
}

func (b *bucket) set(i uint32, tag uint64, number uint32) {
	shift := i % 8 * 8
	b.tags[i/8] = b.tags[i/8]&^(0xff<<shift) | tag<<shift
	b.slots[i] = number
}

// hashID spreads an id over 64 bits. Ids are made here from random bits, so the
// hash need not withstand an enemy, only ids that share their first half.
func hashID(u id.ID) uint64 {
	lo := uint64(u[8]) | uint64(u[9])<<8 | uint64(u[10])<<16 | uint64(u[11])<<24 |
		uint64(u[12])<<32 | uint64(u[13])<<40 | uint64(u[14])<<48 | uint64(u[15])<<56
	hi := uint64(u[0]) | uint64(u[1])<<8 | uint64(u[2])<<16 | uint64(u[3])<<24 |
		uint64(u[4])<<32 | uint64(u[5])<<40 | uint64(u[6])<<48 | uint64(u[7])<<56
	// The multipliers of splitmix64: odd, with bits all over.
	a, b := bits.Mul64(hi^0x9e3779b97f4a7c15, lo^0xbf58476d1ce4e5b9)
	return (a ^ b) * 0x94d049bb133111eb
}
