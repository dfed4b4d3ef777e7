package persist

import (
	"iter"
	"math/bits"
)

const (
	bucketSlots = 23 // slots in a bucket
	bucketLoad  = 16 // average number of used slots at which a bucket is split
)

// A HashIndex is a persistent hash table from keys to numbers, usually indexes
// of a Vector. It does not store the keys. The caller says how the key of a
// number compares and hashes.
//
// It grows by linear hashing: when the average load of the buckets is reached,
// one bucket is split in two. So no single insert has to rehash the whole table.
// The low bits of a hash select the bucket. Where they select a bucket that has
// not been split off yet, the highest of these bits is ignored.
//
// Finding, inserting and deleting take constant time on average. A change copies
// a chunk of buckets and the path to it.
type HashIndex struct {
	buckets Vector[Bucket, [64]Bucket]
	size    int // numbers
}

// A Bucket holds the numbers of keys whose hashes select it, packed to the
// front. Beside each number it has a byte of the hash, the tag. A key is compared
// only if its tag matches.
//
// A bucket fills two cache lines. Reading one takes no branch that depends on its
// content, so a caller who needs two distant buckets waits for both at once.
type Bucket struct {
	tags     [3]uint64
	slots    [bucketSlots]uint32
	used     uint32
	overflow *Bucket // more numbers, once all slots are used
}

var emptyBucket Bucket

// Len returns how many numbers are in the index.
func (x *HashIndex) Len() int { return x.size }

// Bucket returns the bucket that hash h selects. Do not write to it.
func (x *HashIndex) Bucket(h uint64) *Bucket {
	if x.size == 0 {
		return &emptyBucket
	}
	return x.buckets.At(x.bucketOf(h))
}

func (x *HashIndex) bucketOf(h uint64) uint32 {
	n := x.buckets.size
	mask := uint32(1)<<bits.Len32(n-1) - 1
	low := uint32(h & lowHalf)
	b := low & mask
	if b >= n {
		b = low & (mask >> 1)
	}
	return b
}

// tagOf takes bits that bucketOf does not use.
func tagOf(h uint64) uint64 { return h >> 56 }

// Prefetch reads a word of each cache line of the bucket. The result has no
// meaning. Add it to something, so that the compiler does not drop the reads.
func (b *Bucket) Prefetch() uint32 { return b.used + uint32(b.tags[0]&lowHalf) }

// Candidate returns the first number in the bucket itself whose tag matches h.
// It is probably, but not certainly, the number of a key with that hash.
func (b *Bucket) Candidate(h uint64) (number uint32, ok bool) {
	in := b.match(h)
	return b.slot(in), in != 0
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x8080808080808080
	lowHalf  = 1<<32 - 1
)

// matches is a set of slots of a bucket.
type matches uint32

// match returns the slots whose tag is that of h, and now and then a slot with
// another tag.
func (b *Bucket) match(h uint64) matches {
	want := tagOf(h) * lowBits
	slots := zeroBytes(b.tags[0]^want) | zeroBytes(b.tags[1]^want)<<8 | zeroBytes(b.tags[2]^want)<<16
	return matches(slots&lowHalf) & (1<<b.used - 1)
}

// zeroBytes returns a bit for every byte of w that is zero. A byte above a zero
// byte may get a bit by mistake.
func zeroBytes(w uint64) uint64 {
	high := (w - lowBits) &^ w & highBits
	return high >> 7 * 0x0102040810204080 >> 56
}

// slot returns the number in the first slot of the set. If the set is empty, it
// returns a number that is or was in the index, or 0.
func (b *Bucket) slot(in matches) uint32 {
	return b.slots[min(bits.TrailingZeros32(uint32(in)), bucketSlots-1)]
}

// Find returns the number for which is returns true, among those whose key has
// the hash h.
func (x *HashIndex) Find(h uint64, is func(number uint32) bool) (uint32, bool) {
	return x.Bucket(h).find(h, is)
}

func (b *Bucket) find(h uint64, is func(number uint32) bool) (uint32, bool) {
	for {
		for in := b.match(h); in != 0; in &= in - 1 {
			if number := b.slot(in); is(number) {
				return number, true
			}
		}
		if b = b.overflow; b == nil {
			return 0, false
		}
	}
}

// Insert adds a number whose key has the hash h and is not in the index yet.
// hash must return the hash of the key of any number in the index: splitting a
// bucket asks for it.
func (x *HashIndex) Insert(o *Owner, h uint64, number uint32, hash func(number uint32) uint64) {
	if x.size >= int(x.buckets.size)*bucketLoad {
		x.split(o, hash)
	}
	x.buckets.Edit(o, x.bucketOf(h)).push(o, h, number)
	x.size++
}

// Reserve prepares an empty index for n numbers, so that inserting them splits
// no bucket.
func (x *HashIndex) Reserve(o *Owner, n int) {
	for int(x.buckets.size)*bucketLoad <= n {
		x.buckets.Append(o, Bucket{})
	}
}

// Delete removes a number that is in the index and whose key has the hash h.
func (x *HashIndex) Delete(o *Owner, h uint64, number uint32) {
	b := x.buckets.Edit(o, x.bucketOf(h))
	last := b
	for last.overflow != nil && last.overflow.used > 0 {
		last.overflow = writable(o, last.overflow)
		last = last.overflow
	}
	for ; b != nil; b = b.overflow {
		for i := range b.used {
			if b.slots[i] == number {
				last.used--
				b.set(i, last.tag(last.used), last.slots[last.used])
				x.size--
				return
			}
		}
	}
}

// All yields the numbers in the index, in no particular order.
func (x *HashIndex) All() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range x.buckets.size {
			for b := x.buckets.At(i); b != nil; b = b.overflow {
				for _, number := range b.slots[:b.used] {
					if !yield(number) {
						return
					}
				}
			}
		}
	}
}

// Bytes returns how much memory the index takes.
func (x *HashIndex) Bytes() int {
	size := x.buckets.Bytes()
	for i := range x.buckets.size {
		for b := x.buckets.At(i).overflow; b != nil; b = b.overflow {
			size += sizeOf[Bucket]()
		}
	}
	return size
}

// split adds a bucket and moves there what the new bucket's hashes select.
func (x *HashIndex) split(o *Owner, hash func(number uint32) uint64) {
	added := x.buckets.Append(o, Bucket{})
	if added == 0 {
		return
	}
	old := added &^ (1 << (bits.Len32(added) - 1))
	from := x.buckets.Edit(o, old)
	all := *from
	*from = Bucket{}
	to := x.buckets.Edit(o, added)
	for b := &all; b != nil; b = b.overflow {
		for _, number := range b.slots[:b.used] {
			h := hash(number)
			if x.bucketOf(h) == added {
				to.push(o, h, number)
			} else {
				from.push(o, h, number)
			}
		}
	}
}

// push adds a number to a bucket that o may change.
func (b *Bucket) push(o *Owner, h uint64, number uint32) {
	for b.used == bucketSlots {
		if b.overflow == nil {
			b.overflow = new(Bucket)
			o.own(b.overflow)
		} else {
			b.overflow = writable(o, b.overflow)
		}
		b = b.overflow
	}
	b.used++
	b.set(b.used-1, tagOf(h), number)
}

func (b *Bucket) tag(i uint32) uint64 {
	return b.tags[i/8] >> (i % 8 * 8) & 0xff
}

func (b *Bucket) set(i uint32, tag uint64, number uint32) {
	shift := i % 8 * 8
	b.tags[i/8] = b.tags[i/8]&^(0xff<<shift) | tag<<shift
	b.slots[i] = number
}
