package decide

import (
	"cmp"
	"math"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// A pair is two numbers in one word: a group and an item in it. A tree of pairs is
// ordered by the number of the group, then by the id that the number of the item
// stands for. So the items of a group come out in the order of ids, in every
// process.
type pair uint64

func pairOf(group, item uint32) pair { return pair(group)<<32 | pair(item) }

func (p pair) group() uint32 { return uint32(p >> 32) }
func (p pair) item() uint32  { return uint32(p & math.MaxUint32) }

// childPosition is the position of (group, u) in the tree children.
func (s *Snapshot) childPosition(group uint32, u id.ID) persist.Position[pair] {
	return func(p pair) int {
		if c := cmp.Compare(p.group(), group); c != 0 {
			return c
		}
		return compareIDs(s.nodeIDs.At(p.item()), &u)
	}
}

// memberPosition is the position of (group, u) in the trees membersByNode and
// membersByRole.
func (s *Snapshot) memberPosition(group uint32, u id.ID) persist.Position[pair] {
	return func(p pair) int {
		if c := cmp.Compare(p.group(), group); c != 0 {
			return c
		}
		return compareIDs(&s.members.at(p.item()).id, &u)
	}
}

// membersFrom returns a cursor at the first member in a group whose id is not below
// u.
func (s *Snapshot) membersFrom(t *persist.BTree[pair], group uint32, u id.ID) persist.Cursor[pair] {
	return t.Seek(s.memberPosition(group, u))
}

// membersOf returns the members in a group, by id.
func (s *Snapshot) membersOf(t *persist.BTree[pair], group uint32) []uint32 {
	var list []uint32
	c := s.membersFrom(t, group, zeroID)
	for ; ; c.Next() {
		p, ok := c.Item()
		if !ok || p.group() != group {
			return list
		}
		list = append(list, p.item())
	}
}
