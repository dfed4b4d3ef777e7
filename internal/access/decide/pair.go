package decide

import (
	"cmp"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// A pair is two numbers in one word: an owner and an item that belongs to it. A
// tree of pairs is ordered by the number of the owner, then by the id that the
// number of the item stands for. So what belongs to one owner comes out in the
// order of ids, in every process.
type pair uint64

func pairOf(owner, item uint32) pair { return pair(owner)<<32 | pair(item) }

func (p pair) owner() uint32 { return uint32(p >> 32) }
func (p pair) item() uint32  { return uint32(p) }

// childPosition is the position of (owner, u) in the tree children.
func (s *Snapshot) childPosition(owner uint32, u id.ID) persist.Position[pair] {
	return func(p pair) int {
		if c := cmp.Compare(p.owner(), owner); c != 0 {
			return c
		}
		return compareIDs(s.nodeIDs.At(p.item()), &u)
	}
}

// memberPosition is the position of (owner, u) in the trees membersByNode and
// membersByRole.
func (s *Snapshot) memberPosition(owner uint32, u id.ID) persist.Position[pair] {
	return func(p pair) int {
		if c := cmp.Compare(p.owner(), owner); c != 0 {
			return c
		}
		return compareIDs(&s.members.at(p.item()).id, &u)
	}
}

// membersFrom returns a cursor at the first member of owner whose id is not below
// u.
func (s *Snapshot) membersFrom(t *persist.BTree[pair], owner uint32, u id.ID) persist.Cursor[pair] {
	return t.Seek(s.memberPosition(owner, u))
}

// membersOf returns the members of owner, by id.
func (s *Snapshot) membersOf(t *persist.BTree[pair], owner uint32) []uint32 {
	var list []uint32
	for c := s.membersFrom(t, owner, zeroID); ; c.Next() {
		p, ok := c.Item()
		if !ok || p.owner() != owner {
			return list
		}
		list = append(list, p.item())
	}
}
