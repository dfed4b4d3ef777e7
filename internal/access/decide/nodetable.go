package decide

import (
	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// A nodeTable finds nodes by id. Unlike a member's number, a node's number does
// not depend on where its entry is. So nodes that were made together have numbers
// together, and the nodes near the root, which every lineage passes, share cache
// lines in Snapshot.parents.
type nodeTable struct {
	buckets  persist.OverlayVector[nodeBucket, [32]nodeBucket]
	overflow persist.HashIndex // numbers of the nodes that have no entry in a bucket
	size     int               // nodes, with or without an entry
}

type nodeBucket [bucketSlots]nodeEntry

// A nodeEntry is what Evaluate needs of a node.
type nodeEntry struct {
	id     id.ID
	number uint32
	parent uint32 // packed, as in Snapshot.parents
}

// newNodeTable returns an empty table for about n nodes.
func newNodeTable(n int) nodeTable {
	return nodeTable{buckets: persist.NewOverlayVector[nodeBucket, [32]nodeBucket](bucketsFor(n * 9 / 8))}
}

// bucket returns the bucket that hash h selects. It must not be written to.
func (t *nodeTable) bucket(h uint64) *nodeBucket {
	if t.buckets.Len() == 0 {
		return new(nodeBucket)
	}
	return t.buckets.At(bucketOf(h, t.buckets.Len()))
}

// edit returns the bucket that hash h selects, safe to change.
func (t *nodeTable) edit(o *persist.Owner, h uint64) *nodeBucket {
	return t.buckets.Edit(o, bucketOf(h, t.buckets.Len()))
}

// slot returns which slot of the bucket holds the entry of u, or bucketSlots if
// none does.
func (b *nodeBucket) slot(u *id.ID) uint32 {
	return slotOf(u, &[bucketSlots]*id.ID{&b[0].id, &b[1].id, &b[2].id, &b[3].id})
}

// insert adds a node that is not in the table. hash must return the hash of the
// id of any node.
func (t *nodeTable) insert(o *persist.Owner, entry nodeEntry, hash func(number uint32) uint64) {
	h := hashID(entry.id)
	t.size++
	bucket := t.bucket(h)
	for i := range bucket {
		if t.buckets.Len() > 0 && bucket[i].id == (id.ID{}) {
			t.edit(o, h)[i] = entry
			return
		}
	}
	t.overflow.Insert(o, h, entry.number, hash)
}

// setParent changes the packed parent in a node's entry, if it has one.
func (t *nodeTable) setParent(o *persist.Owner, u id.ID, parent uint32) {
	h := hashID(u)
	if slot := t.bucket(h).slot(&u); slot < bucketSlots {
		t.edit(o, h)[slot].parent = parent
	}
}

func (t *nodeTable) drop(o *persist.Owner, u id.ID, number uint32) {
	h := hashID(u)
	t.size--
	if slot := t.bucket(h).slot(&u); slot < bucketSlots {
		t.edit(o, h)[slot] = nodeEntry{}
		return
	}
	t.overflow.Delete(o, h, number)
}
