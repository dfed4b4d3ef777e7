package decide

import (
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
)

// Permissions is the sorted keys that the identity holds anywhere now: those
// for which Evaluate allows AppWide. It is empty when the identity is switched
// off. false means that it has no active membership here.
func (s *Snapshot) Permissions(identity id.ID, now Instant) ([]string, bool) {
	m, ok := s.memberOf(identity)
	if !ok || s.members.at(m).state&membershipActive == 0 {
		return nil, false
	}
	keys := []string{}
	if s.members.at(m).state&identityActive == 0 {
		return keys, true
	}
	var held, roles bitset
	s.eachRow(m, func(r *row) bool {
		ro := s.roles.at(r.role)
		if !roles.has(r.role) && ro.active && within(r.from, r.to, now) && s.live(r.node) {
			roles = roles.with(r.role)
			held = held.union(ro.grants)
		}
		return true
	})
	for key := range held.all() {
		keys = append(keys, *s.keys.at(key))
	}
	slices.Sort(keys)
	return keys, true
}

// GrantList is what an identity holds, for those who decide by themselves.
type GrantList struct {
	// Grants by permission.
	Grants []Grant
	// Until is the next instant at which Grants changes by time alone, or
	// Forever.
	Until Instant
}

// Grant is a permission and the nodes where an assignment grants it now, by id.
// It is held at these nodes and everywhere below, as far as that is live.
type Grant struct {
	Permission string
	Nodes      []id.ID
}

// Grants is what the identity holds now and at which nodes that was given. It is
// empty when the identity is switched off. false means that it has no active
// membership here.
func (s *Snapshot) Grants(identity id.ID, now Instant) (GrantList, bool) {
	m, ok := s.memberOf(identity)
	if !ok || s.members.at(m).state&membershipActive == 0 {
		return GrantList{}, false
	}
	list := GrantList{Grants: []Grant{}, Until: Forever}
	if s.members.at(m).state&identityActive == 0 {
		return list, true
	}
	nodes := map[uint32][]id.ID{} // by permission
	note := func(rows []*row) {
		if len(rows) == 0 || !s.live(rows[0].node) {
			return
		}
		u := *s.nodes.at(rows[0].node)
		held := s.union(rows, now)
		for key := range held.all() {
			nodes[key] = append(nodes[key], u)
		}
		list.Until = min(list.Until, firstEdge(rows, now, func(t Instant) bool { return !s.union(rows, t).equal(held) }))
	}
	// Rows come by node. What is given at one node changes by itself.
	var here []*row
	s.eachRow(m, func(r *row) bool {
		if len(here) > 0 && here[0].node != r.node {
			note(here)
			here = here[:0]
		}
		here = append(here, r)
		return true
	})
	note(here)
	for key, at := range nodes {
		slices.SortFunc(at, func(a, b id.ID) int { return compareIDs(&a, &b) })
		list.Grants = append(list.Grants, Grant{Permission: *s.keys.at(key), Nodes: at})
	}
	slices.SortFunc(list.Grants, func(a, b Grant) int { return strings.Compare(a.Permission, b.Permission) })
	return list, true
}

// union is the permissions that the rows grant together at t, wherever they
// are.
func (s *Snapshot) union(rows []*row, t Instant) bitset {
	var all bitset
	for _, r := range rows {
		if ro := s.roles.at(r.role); ro.active && within(r.from, r.to, t) {
			all = all.union(ro.grants)
		}
	}
	return all
}

// firstEdge is the first instant after now where a window of rows begins or
// ends and that matters; Forever when there is none.
func firstEdge(rows []*row, now Instant, matters func(Instant) bool) Instant {
	var edges []Instant
	for _, r := range rows {
		if r.from > now {
			edges = append(edges, r.from)
		}
		if r.to > now && r.to != Forever {
			edges = append(edges, r.to)
		}
	}
	slices.Sort(edges)
	for _, t := range slices.Compact(edges) {
		if matters(t) {
			return t
		}
	}
	return Forever
}
