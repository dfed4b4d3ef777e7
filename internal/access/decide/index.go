package decide

import (
	"math/bits"

	"canopy.dev/canopy/internal/foundation/id"
)

const (
	bucketLen  = 23 // entries in a bucket
	bucketLoad = 16 // entries a bucket holds on average before one is split
)

// An index is a persistent hash table from keys to numbers of a table. It keeps
// no keys: the caller says how a number's key compares and hashes.
//
// It grows by linear hashing: when the buckets are full on average, one bucket
// is split in two, so that no single insert ever pays for the whole table. The
// bucket of a hash is its low bits; the bits that name a bucket not yet split
// off are dropped.
type index struct {
	buckets table[bucket, [64]bucket]
	size    int
}

// A bucket holds the numbers of keys of like hash, packed to the front, with a
// byte of each hash beside them, its tag. The key itself is looked at only where
// its tag agrees. A bucket is two cache lines, and to look into it takes no
// branch that depends on them: in a large index both are far away, and whoever
// asks for two buckets at once shall wait for both at once.
type bucket struct {
	tags  [3]uint64
	slots [bucketLen]uint32
	n     uint32
	more  *bucket // entries beyond the last
}

var noBucket bucket

// first is the bucket where the number of a key of hash h is, if it is anywhere
// but in those behind.
func (x *index) first(h uint64) *bucket {
	if x.size == 0 {
		return &noBucket
	}
	return x.buckets.at(x.bucketOf(h))
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

// hits is a bit for every entry whose tag is that of h, and now and then one for
// an entry whose tag is another.
func (b *bucket) hits(h uint64) hits {
	want := tagOf(h) * lowBits
	return hits(zeroBytes(b.tags[0]^want)|zeroBytes(b.tags[1]^want)<<8|zeroBytes(b.tags[2]^want)<<16) & (1<<b.n - 1)
}

// zeroBytes is a bit for every byte of w that is zero; behind such a byte, maybe
// also for one that isn't.
func zeroBytes(w uint64) uint64 {
	high := (w - lowBits) &^ w & highBits
	return high >> 7 * 0x0102040810204080 >> 56
}

// hits is a set of entries of a bucket.
type hits uint32

// slot is the number in the first entry of the set; when it is empty, some number
// that is or was in the index, or 0.
func (b *bucket) slot(in hits) uint32 {
	return b.slots[min(bits.TrailingZeros32(uint32(in)), bucketLen-1)]
}

func (in hits) rest() hits { return in & (in - 1) }

// find is the number whose key has the hash h and of which is says yes.
func (x *index) find(h uint64, is func(number uint32) bool) (uint32, bool) {
	b := x.first(h)
	return b.find(h, b.hits(h), is)
}

// find goes on from the entries of b that are in the set.
func (b *bucket) find(h uint64, in hits, is func(number uint32) bool) (uint32, bool) {
	for {
		for ; in != 0; in = in.rest() {
			if number := b.slot(in); is(number) {
				return number, true
			}
		}
		if b = b.more; b == nil {
			return 0, false
		}
		in = b.hits(h)
	}
}

// put adds a number whose key is not there yet. hash is the hash of the key of
// any number of the index.
func (x *index) put(s *session, h uint64, number uint32, hash func(number uint32) uint64) {
	if x.size >= int(x.buckets.n)*bucketLoad {
		x.split(s, hash)
	}
	x.buckets.edit(s, x.bucketOf(h)).push(s, h, number)
	x.size++
}

// reserve makes the buckets of an empty index for n keys, so that they needn't
// be split on the way.
func (x *index) reserve(s *session, n int) {
	for int(x.buckets.n)*bucketLoad <= n {
		x.buckets.add(s, bucket{})
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
	added := x.buckets.add(s, bucket{})
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
