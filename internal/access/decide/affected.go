package decide

import (
	"slices"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// A comparison is an edit with the snapshots before and after it. A number means
// the same thing in both, or nothing in one of them. The exception is a row that
// was dropped and put again, which has a different number in each.
type comparison struct {
	before, after side
	kept          bool    // nodes that the edit adds are looked past
	nodesOnly     bool    // the edit changes nothing but nodes
	nodes         []id.ID // that were added, moved, switched or dropped, by id
	affected      merger  // identities that may gain or lose something
}

// A side is a snapshot before or after an edit.
type side struct {
	*Snapshot
	nodes  map[uint32]bool // the numbers of comparison.nodes
	merged map[uint32]bool // nodes whose members are in comparison.affected
}

func newComparison(before, after *Snapshot, e Edit, kept bool, from id.ID) *comparison {
	c := &comparison{
		kept:      kept,
		before:    side{before, map[uint32]bool{}, map[uint32]bool{}},
		after:     side{after, map[uint32]bool{}, map[uint32]bool{}},
		nodesOnly: true,
		affected:  merger{after: from},
	}
	var nodes, roles, identities []id.ID
	for _, change := range e.Changes {
		switch x := change.(type) {
		case PutNode:
			nodes = append(nodes, x.ID)
			continue
		case DropNode:
			nodes = append(nodes, x.ID)
			continue
		case PutRole:
			roles = append(roles, x.ID)
		case DropRole:
			roles = append(roles, x.ID)
		case DropPermission:
			roles = append(roles, before.rolesWith(x.Key)...)
		case PutMember:
			identities = append(identities, x.Identity)
		case DropMember:
			identities = append(identities, x.Identity)
		case PutAssignment:
			identities = append(identities, x.Identity)
		case DropAssignment:
			identities = append(identities, x.Identity)
		case DropAssignments:
			identities = append(identities, x.Identity)
		}
		c.nodesOnly = false
	}
	for _, u := range sortedIDs(nodes) {
		c.addNode(u)
	}
	c.nodes = sortedIDs(c.nodes)
	for _, u := range sortedIDs(roles) {
		c.addRole(u)
	}
	c.affected.ids = sortedIDs(identities)
	return c
}

// rolesWith returns the roles that bundle the permission.
func (s *Snapshot) rolesWith(permission string) []id.ID {
	key, ok := s.keyOf(permission)
	if !ok {
		return nil
	}
	var ids []id.ID
	for r := range s.roles.Len() {
		if ro := s.roles.At(r); ro.grants.Has(key) {
			ids = append(ids, ro.id)
		}
	}
	return ids
}

// addRole adds the members that have a role, if the role grants something else
// than before.
func (c *comparison) addRole(u id.ID) {
	var granted [2]persist.Bitset
	var found [2]bool
	var number [2]uint32
	for i, s := range []*Snapshot{c.before.Snapshot, c.after.Snapshot} {
		if number[i], found[i] = s.roleOf(u); found[i] && s.roles.At(number[i]).active {
			granted[i] = s.roles.At(number[i]).grants
		}
	}
	if number[0] == number[1] && granted[0].Equal(granted[1]) {
		return
	}
	for i, s := range []*Snapshot{c.before.Snapshot, c.after.Snapshot} {
		if found[i] {
			c.affected.add(s, &s.membersByRole, number[i])
		}
	}
}

// addNode adds the members with an assignment that counted at a node before the
// edit and does not after it, or the other way round.
func (c *comparison) addNode(u id.ID) {
	b, wasThere := c.before.nodeOf(u)
	a, isThere := c.after.nodeOf(u)
	replaced := wasThere && isThere && a != b
	switch {
	case !wasThere && (!isThere || c.kept):
		return
	case wasThere && isThere && !replaced && *c.before.parents.At(b) == *c.after.parents.At(a):
		return
	}
	c.nodes = append(c.nodes, u)
	if wasThere {
		c.before.nodes[b] = true
	}
	if isThere {
		c.after.nodes[a] = true
	}
	if replaced {
		// What lay below the node before was dropped with it.
		c.before.eachBelow(b, func(n uint32) {
			c.nodes = append(c.nodes, *c.before.nodeIDs.At(n))
			c.before.nodes[n] = true
		})
	}
	wasLive, isLive := wasThere && c.before.live(b), isThere && c.after.live(a)
	switch {
	case !wasLive && !isLive:
	case wasLive && isLive && !replaced:
		// The node was moved. Only ancestors that it lost or gained make a
		// difference.
		was, is := c.before.lineage(b), c.after.lineage(a)
		for _, n := range was {
			if !slices.Contains(is, n) {
				c.addMembersAt(&c.before, n)
			}
		}
		for _, n := range is {
			if !slices.Contains(was, n) {
				c.addMembersAt(&c.after, n)
			}
		}
	default:
		if wasThere {
			c.addMembersAround(&c.before, b)
		}
		if isThere {
			c.addMembersAround(&c.after, a)
		}
	}
}

// addMembersAround adds the members with an assignment at n, above it or below
// it.
func (c *comparison) addMembersAround(s *side, n uint32) {
	for _, at := range s.lineage(n) {
		c.addMembersAt(s, at)
	}
	s.eachBelow(n, func(n uint32) { c.addMembersAt(s, n) })
}

func (c *comparison) addMembersAt(s *side, n uint32) {
	if !s.merged[n] {
		s.merged[n] = true
		c.affected.add(s.Snapshot, &s.membersByNode, n)
	}
}
