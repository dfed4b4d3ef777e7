package oracle

import (
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// RawRows are rows that may contradict each other. It implements decide.Rows.
type RawRows struct {
	keys        []string
	roles       []decide.Role
	nodes       []decide.Node
	members     []decide.Member
	assignments []decide.Assignment
}

// Permission adds a permission.
func (raw *RawRows) Permission(key string) { raw.keys = append(raw.keys, key) }

// Role adds a role.
func (raw *RawRows) Role(r decide.Role) { raw.roles = append(raw.roles, r) }

// Node adds a node.
func (raw *RawRows) Node(n decide.Node) { raw.nodes = append(raw.nodes, n) }

// Member adds a member.
func (raw *RawRows) Member(m decide.Member) { raw.members = append(raw.members, m) }

// Assignment adds an assignment.
func (raw *RawRows) Assignment(a decide.Assignment) { raw.assignments = append(raw.assignments, a) }

// World returns the rows that do not contradict each other.
func (raw *RawRows) World() *World {
	w := New()
	for _, key := range raw.keys {
		if key != "" {
			w.Permissions[key] = true
		}
	}
	for _, r := range unique(raw.roles, func(r decide.Role) id.ID { return r.ID }) {
		w.putRole(r)
	}
	for _, m := range unique(raw.members, func(m decide.Member) id.ID { return m.Identity }) {
		w.Members[m.Identity] = m
	}
	nodes := unique(raw.nodes, func(n decide.Node) id.ID { return n.ID })
	// The root with the lowest id comes first, then repeatedly whatever fits below
	// the nodes that are in the world.
	slices.SortFunc(nodes, func(a, b decide.Node) int { return compare(a.ID, b.ID) })
	for changed := true; changed; {
		changed = false
		for _, n := range nodes {
			if _, known := w.Nodes[n.ID]; !known && w.nodeFits(n) {
				w.Nodes[n.ID], changed = n, true
			}
		}
	}
	keyOf := func(a decide.Assignment) Key { return Key{a.ID, a.Identity, a.Node} }
	for _, a := range raw.assignments {
		count := 0
		for _, b := range raw.assignments {
			if keyOf(a) == keyOf(b) && w.assignmentFits(b) {
				count++
			}
		}
		if count == 1 && w.assignmentFits(a) {
			w.Assignments[keyOf(a)] = a
		}
	}
	return w
}

// unique returns the rows whose id is not zero and occurs once.
func unique[R any](rows []R, key func(R) id.ID) []R {
	count := map[id.ID]int{}
	for _, r := range rows {
		count[key(r)]++
	}
	var list []R
	for _, r := range rows {
		if u := key(r); count[u] == 1 && !u.IsZero() {
			list = append(list, r)
		}
	}
	return list
}

// TellAll passes all rows to r.
func (raw *RawRows) TellAll(r decide.Rows) {
	for _, a := range raw.assignments {
		r.Assignment(a)
	}
	for _, m := range raw.members {
		r.Member(m)
	}
	for _, n := range raw.nodes {
		r.Node(n)
	}
	for _, role := range raw.roles {
		r.Role(role)
	}
	for _, key := range raw.keys {
		r.Permission(key)
	}
}

// Len returns the number of rows, without permissions and roles.
func (raw *RawRows) Len() int { return len(raw.nodes) + len(raw.members) + len(raw.assignments) }

// Len returns the number of rows, without permissions and roles.
func (w *World) Len() int { return len(w.Nodes) + len(w.Members) + len(w.Assignments) }
