package decide

import (
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Permissions returns the sorted keys that the identity holds anywhere now:
// those for which Evaluate allows AppWide. There are none when the identity is
// switched off. ok is false if it has no active membership here.
func (s *Snapshot) Permissions(identity id.ID, now Instant) (keys []string, ok bool) {
	m, ok := s.memberOf(identity)
	if !ok || s.members.at(m).state&membershipActive == 0 {
		return nil, false
	}
	keys = []string{}
	if s.members.at(m).state&identityActive == 0 {
		return keys, true
	}
	var held, roles persist.Bitset
	s.eachAssignment(m, func(a *assignment) bool {
		ro := s.roles.At(a.role)
		if !roles.Has(a.role) && ro.active && inWindow(a.from, a.to, now) && s.live(a.node) {
			roles = roles.With(a.role)
			held = held.Union(ro.grants)
		}
		return true
	})
	for key := range held.All() {
		keys = append(keys, *s.keys.At(key))
	}
	slices.Sort(keys)
	return keys, true
}

// PermissionsAt returns the sorted keys that the identity holds at a node now: those for
// which Evaluate allows there. There are none when the identity is switched off or the node
// is not live. member is false if it has no active membership here, and known if there is no
// such node.
func (s *Snapshot) PermissionsAt(identity, node id.ID, now Instant) (keys []string, member, known bool) {
	m, ok := s.memberOf(identity)
	if !ok || s.members.at(m).state&membershipActive == 0 {
		return nil, false, false
	}
	n, ok := s.nodeOf(node)
	if !ok {
		return nil, true, false
	}
	keys = []string{}
	if s.members.at(m).state&identityActive == 0 || !s.live(n) {
		return keys, true, true
	}
	var held persist.Bitset
	for at := n; at != noNode; at = s.parent(at) {
		s.eachAssignmentAt(m, at, func(a *assignment) bool {
			if ro := s.roles.At(a.role); ro.active && inWindow(a.from, a.to, now) {
				held = held.Union(ro.grants)
			}
			return true
		})
	}
	for key := range held.All() {
		keys = append(keys, *s.keys.At(key))
	}
	slices.Sort(keys)
	return keys, true, true
}

// GrantList is what an identity holds, for applications that decide by
// themselves.
type GrantList struct {
	// Grants by permission.
	Grants []Grant
	// Until is the next instant at which Grants changes by time alone, or
	// Forever.
	Until Instant
}

// Grant is a permission and the nodes where an assignment grants it now, by id.
// The identity holds it at these nodes, and at every node below them that is
// live.
type Grant struct {
	Permission string
	Nodes      []id.ID
}

// Grants returns what the identity holds now, and at which nodes it was given.
// The list is empty when the identity is switched off. ok is false if it has no
// active membership here.
func (s *Snapshot) Grants(identity id.ID, now Instant) (list GrantList, ok bool) {
	m, ok := s.memberOf(identity)
	if !ok || s.members.at(m).state&membershipActive == 0 {
		return GrantList{}, false
	}
	list = GrantList{Grants: []Grant{}, Until: Forever}
	if s.members.at(m).state&identityActive == 0 {
		return list, true
	}
	nodes := map[uint32][]id.ID{} // by permission
	addNode := func(here []*assignment) {
		if len(here) == 0 || !s.live(here[0].node) {
			return
		}
		u := *s.nodeIDs.At(here[0].node)
		held := s.union(here, now)
		for key := range held.All() {
			nodes[key] = append(nodes[key], u)
		}
		list.Until = min(list.Until, firstEdge(here, now, func(t Instant) bool { return !s.union(here, t).Equal(held) }))
	}
	// Assignments come by node. What is given at one node changes independently
	// of the others.
	var here []*assignment
	s.eachAssignment(m, func(a *assignment) bool {
		if len(here) > 0 && here[0].node != a.node {
			addNode(here)
			here = here[:0]
		}
		here = append(here, a)
		return true
	})
	addNode(here)
	for key, at := range nodes {
		list.Grants = append(list.Grants, Grant{Permission: *s.keys.At(key), Nodes: sortedIDs(at)})
	}
	slices.SortFunc(list.Grants, func(a, b Grant) int { return strings.Compare(a.Permission, b.Permission) })
	return list, true
}

// union returns the permissions that the assignments grant together at t, at
// whichever nodes they are.
func (s *Snapshot) union(list []*assignment, t Instant) persist.Bitset {
	var all persist.Bitset
	for _, a := range list {
		if ro := s.roles.At(a.role); ro.active && inWindow(a.from, a.to, t) {
			all = all.Union(ro.grants)
		}
	}
	return all
}

// firstEdge returns the first instant after now at which a window begins or ends
// and changes something, or Forever.
func firstEdge(list []*assignment, now Instant, changes func(Instant) bool) Instant {
	var edges []Instant
	for _, a := range list {
		if a.from > now {
			edges = append(edges, a.from)
		}
		if a.to > now && a.to != Forever {
			edges = append(edges, a.to)
		}
	}
	slices.Sort(edges)
	for _, t := range slices.Compact(edges) {
		if changes(t) {
			return t
		}
	}
	return Forever
}

func sortedIDs(ids []id.ID) []id.ID {
	slices.SortFunc(ids, func(a, b id.ID) int { return compareIDs(&a, &b) })
	return slices.Compact(ids)
}
