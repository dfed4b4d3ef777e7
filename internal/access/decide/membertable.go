package decide

import (
	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// A memberTable has the records of all members. A member's number says where its
// record is: bucket number/4, slot number%4.
//
// The primary buckets come first and are selected by the hash of the id. Records
// that do not fit into their bucket use a slot of another primary bucket, or one
// of the buckets behind, and are listed in overflow.
type memberTable struct {
	buckets  persist.OverlayVector[memberBucket, [16]memberBucket]
	primary  uint32 // number of primary buckets
	end      uint32 // the first number that was never given out
	size     int    // members
	overflow persist.HashIndex
	free     persist.FreeList
}

type memberBucket [bucketSlots]member

// at returns the record of a member. It must not be written to.
func (t *memberTable) at(m uint32) *member { return &t.buckets.At(m / bucketSlots)[m%bucketSlots] }

// edit returns the record of a member, safe to change.
func (t *memberTable) edit(o *persist.Owner, m uint32) *member {
	return &t.buckets.Edit(o, m/bucketSlots)[m%bucketSlots]
}

// bucket returns the primary bucket that hash h selects, and the number of its
// first slot.
func (t *memberTable) bucket(h uint64) (*memberBucket, uint32) {
	if t.primary == 0 {
		return new(memberBucket), 0
	}
	b := bucketOf(h, t.primary)
	return t.buckets.At(b), b * bucketSlots
}

// slot returns which slot of the bucket holds the member u, or bucketSlots if
// none does.
func (b *memberBucket) slot(u *id.ID) uint32 {
	return slotOf(u, &[bucketSlots]*id.ID{&b[0].id, &b[1].id, &b[2].id, &b[3].id})
}

func (t *memberTable) find(u id.ID) (uint32, bool) {
	h := hashID(u)
	bucket, first := t.bucket(h)
	if slot := bucket.slot(&u); slot < bucketSlots {
		return first + slot, true
	}
	return t.findOverflow(u, h)
}

// findOverflow finds a member that is not in its primary bucket.
func (t *memberTable) findOverflow(u id.ID, h uint64) (uint32, bool) {
	return t.overflow.Find(h, func(m uint32) bool { return t.at(m).id == u })
}

func (t *memberTable) hash(m uint32) uint64 { return hashID(t.at(m).id) }

// inPrimary reports whether number m, of a member whose id has the hash h, is in
// the bucket that h selects.
func (t *memberTable) inPrimary(m uint32, h uint64) bool {
	return t.primary > 0 && m/bucketSlots == bucketOf(h, t.primary)
}

// insert adds a member that is not in the table: in its primary bucket if that
// has an unused slot, else at a free number, else at a new one.
func (t *memberTable) insert(o *persist.Owner, who member) {
	h := hashID(who.id)
	t.size++
	bucket, first := t.bucket(h)
	for i := range bucket {
		if t.primary > 0 && bucket[i].unused() {
			*t.edit(o, first+uint32(i)) = who
			return
		}
	}
	m, ok := t.free.Pop()
	if !ok {
		m = t.end
		if m == t.buckets.Len()*bucketSlots {
			t.buckets.Append(o, memberBucket{})
		}
		t.end++
	}
	*t.edit(o, m) = who
	if !t.inPrimary(m, h) {
		t.overflow.Insert(o, h, m, t.hash)
	}
}

// fill puts the members of a new snapshot into an empty table, and returns their
// numbers in the order of the list. o must be exclusive. Members that do not fit
// into their primary bucket get slots that other buckets have left.
func (t *memberTable) fill(o *persist.Owner, list []member) []uint32 {
	t.primary = bucketsFor(len(list))
	t.buckets = persist.NewOverlayVector[memberBucket, [16]memberBucket](t.primary)
	t.end, t.size = t.primary*bucketSlots, len(list)
	numbers := make([]uint32, len(list))
	var rest []int // places in list
next:
	for i := range list {
		bucket, first := t.bucket(hashID(list[i].id))
		for j := range bucket {
			if bucket[j].unused() {
				numbers[i] = first + uint32(j)
				*t.edit(o, numbers[i]) = list[i]
				continue next
			}
		}
		rest = append(rest, i)
	}
	t.overflow.Reserve(o, len(rest))
	m := uint32(0)
	for _, i := range rest {
		for !t.at(m).unused() {
			m++
		}
		*t.edit(o, m) = list[i]
		numbers[i] = m
		t.overflow.Insert(o, hashID(list[i].id), m, t.hash)
	}
	return numbers
}

// drop removes a member. Its number is not free before the caller says so.
func (t *memberTable) drop(o *persist.Owner, m uint32) {
	h := t.hash(m)
	if !t.inPrimary(m, h) {
		t.overflow.Delete(o, h, m)
	}
	*t.edit(o, m) = member{state: dropped}
	t.size--
}
