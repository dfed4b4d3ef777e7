package decide

import (
	"bytes"
	"math/bits"

	"canopy.dev/canopy/internal/foundation/id"
)

var zeroID id.ID // before every other id

func compareIDs(a, b *id.ID) int { return bytes.Compare(a[:], b[:]) }

// hashID spreads an id over 64 bits. Ids are made here from random bits, so the
// hash does not have to withstand an attacker. It only has to keep ids apart that
// share their first half.
func hashID(u id.ID) uint64 {
	lo := uint64(u[8]) | uint64(u[9])<<8 | uint64(u[10])<<16 | uint64(u[11])<<24 |
		uint64(u[12])<<32 | uint64(u[13])<<40 | uint64(u[14])<<48 | uint64(u[15])<<56
	hi := uint64(u[0]) | uint64(u[1])<<8 | uint64(u[2])<<16 | uint64(u[3])<<24 |
		uint64(u[4])<<32 | uint64(u[5])<<40 | uint64(u[6])<<48 | uint64(u[7])<<56
	// The multipliers of splitmix64: odd, with bits all over.
	a, b := bits.Mul64(hi^0x9e3779b97f4a7c15, lo^0xbf58476d1ce4e5b9)
	return (a ^ b) * 0x94d049bb133111eb
}

// idWords returns an id as two numbers, to be compared without a branch.
func idWords(u *id.ID) (uint64, uint64) {
	return uint64(u[0]) | uint64(u[1])<<8 | uint64(u[2])<<16 | uint64(u[3])<<24 |
			uint64(u[4])<<32 | uint64(u[5])<<40 | uint64(u[6])<<48 | uint64(u[7])<<56,
		uint64(u[8]) | uint64(u[9])<<8 | uint64(u[10])<<16 | uint64(u[11])<<24 |
			uint64(u[12])<<32 | uint64(u[13])<<40 | uint64(u[14])<<48 | uint64(u[15])<<56
}

// In a large environment a look-up mostly waits for memory: about 150 ns each
// time that an address is only known once the previous read has finished. A
// persist.HashIndex costs two such waits, one for the bucket and one for the
// record behind the number.
//
// The member table and the node table save one of them. The hash of an id
// selects a bucket of four slots, which lie side by side, are read together, and
// hold the records themselves. An id whose bucket was full when it was added is
// found through an overflow index instead, with two waits.
//
// The number of buckets is fixed when a snapshot is built. There are as many
// member slots as members, which sends one member in five to the overflow index.
// Node records are small, so there are an eighth more slots than nodes, which
// sends one node in seven there. An environment that outgrows its buckets uses
// the overflow index more and more, until its snapshot is built again.

const bucketSlots = 4

// bucketsFor returns how many buckets have that many slots, rounded up.
func bucketsFor(slots int) uint32 {
	return uint32((slots + bucketSlots - 1) / bucketSlots) //nolint:gosec // memory ends long before
}

// bucketOf returns which of the buckets the hash h selects.
func bucketOf(h uint64, buckets uint32) uint32 {
	hi, _ := bits.Mul64(h, uint64(buckets))
	return uint32(hi) //nolint:gosec // it is below buckets
}

// slotOf returns which of the ids of a bucket is u, or bucketSlots if none is.
func slotOf(u *id.ID, bucket *[bucketSlots]*id.ID) uint32 {
	lo, hi := idWords(u)
	slot := uint32(bucketSlots)
	for i := range bucket {
		x, y := idWords(bucket[i])
		if (x^lo)|(y^hi) == 0 {
			slot = uint32(i)
		}
	}
	if lo|hi == 0 { // the zero id also marks a slot that is not in use
		slot = bucketSlots
	}
	return slot
}
