package oracle

import (
	"fmt"
	"maps"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// Apply does what the edit says and returns how many of its rows contradict the
// others. Such a row is left out, and so is the one it was to replace.
func (w *World) Apply(e decide.Edit) (problems int) {
	for _, c := range e.Changes {
		problems += w.change(c)
	}
	return problems
}

func (w *World) change(c decide.Change) (problems int) {
	switch c := c.(type) {
	case decide.PutPermission:
		if c.Key == "" {
			return 1
		}
		w.Permissions[c.Key] = true
	case decide.DropPermission:
		delete(w.Permissions, c.Key)
		for u, role := range w.Roles {
			role.Permissions = slices.DeleteFunc(slices.Clone(role.Permissions), func(k string) bool { return k == c.Key })
			w.Roles[u] = role
		}
	case decide.PutRole:
		if c.ID.IsZero() {
			return 1
		}
		return w.putRole(c.Role)
	case decide.DropRole:
		delete(w.Roles, c.ID)
		w.dropAssignments(func(a decide.Assignment) bool { return a.Role == c.ID })
	case decide.PutNode:
		if c.ID.IsZero() {
			return 1
		}
		if w.nodeFits(c.Node) {
			w.Nodes[c.ID] = c.Node
			return 0
		}
		w.dropNode(c.ID)
		return 1
	case decide.DropNode:
		w.dropNode(c.ID)
	case decide.PutMember:
		if c.Identity.IsZero() {
			return 1
		}
		w.Members[c.Identity] = c.Member
	case decide.DropMember:
		delete(w.Members, c.Identity)
		w.dropAssignments(func(a decide.Assignment) bool { return a.Identity == c.Identity })
	case decide.PutAssignment:
		key := Key{c.ID, c.Identity, c.Node}
		if w.assignmentFits(c.Assignment) {
			w.Assignments[key] = c.Assignment
			return 0
		}
		delete(w.Assignments, key)
		return 1
	case decide.DropAssignment:
		delete(w.Assignments, Key(c))
	case decide.DropAssignments:
		w.dropAssignments(func(a decide.Assignment) bool { return a.Identity == c.Identity })
	default:
		panic(fmt.Sprintf("oracle: unknown change %T", c))
	}
	return 0
}

func (w *World) putRole(r decide.Role) (problems int) {
	known := []string{}
	for _, key := range r.Permissions {
		if !w.Permissions[key] {
			problems++
		} else if !slices.Contains(known, key) {
			known = append(known, key)
		}
	}
	r.Permissions = known
	w.Roles[r.ID] = r
	return problems
}

func (w *World) nodeFits(n decide.Node) bool {
	if n.Parent.IsZero() {
		for u, other := range w.Nodes {
			if other.Parent.IsZero() && u != n.ID {
				return false
			}
		}
		return true
	}
	line := w.Lineage(n.Parent)
	return line != nil && !slices.Contains(line, n.ID)
}

func (w *World) assignmentFits(a decide.Assignment) bool {
	_, isMember := w.Members[a.Identity]
	_, isNode := w.Nodes[a.Node]
	_, isRole := w.Roles[a.Role]
	return !a.ID.IsZero() && a.From < a.To && isMember && isNode && isRole
}

func (w *World) dropNode(node id.ID) {
	gone := map[id.ID]bool{}
	for u := range w.Nodes {
		if slices.Contains(w.Lineage(u), node) {
			gone[u] = true
		}
	}
	maps.DeleteFunc(w.Nodes, func(u id.ID, _ decide.Node) bool { return gone[u] })
	w.dropAssignments(func(a decide.Assignment) bool { return gone[a.Node] })
}

func (w *World) dropAssignments(which func(decide.Assignment) bool) {
	maps.DeleteFunc(w.Assignments, func(_ Key, a decide.Assignment) bool { return which(a) })
}

// Heap is rows as they come, contradictions and all. It implements decide.Rows.
type Heap struct {
	keys        []string
	roles       []decide.Role
	nodes       []decide.Node
	members     []decide.Member
	assignments []decide.Assignment
}

// The rows of a heap.
func (h *Heap) Permission(key string)          { h.keys = append(h.keys, key) }
func (h *Heap) Role(r decide.Role)             { h.roles = append(h.roles, r) }
func (h *Heap) Node(n decide.Node)             { h.nodes = append(h.nodes, n) }
func (h *Heap) Member(m decide.Member)         { h.members = append(h.members, m) }
func (h *Heap) Assignment(a decide.Assignment) { h.assignments = append(h.assignments, a) }

// World is the rows of the heap that do not contradict each other.
func (h *Heap) World() *World {
	w := New()
	for _, key := range h.keys {
		if key != "" {
			w.Permissions[key] = true
		}
	}
	for _, r := range once(h.roles, func(r decide.Role) id.ID { return r.ID }) {
		w.putRole(r)
	}
	for _, m := range once(h.members, func(m decide.Member) id.ID { return m.Identity }) {
		w.Members[m.Identity] = m
	}
	nodes := once(h.nodes, func(n decide.Node) id.ID { return n.ID })
	// The root of the lowest id first, then whatever fits below what is there.
	slices.SortFunc(nodes, func(a, b decide.Node) int { return compare(a.ID, b.ID) })
	for again := true; again; {
		again = false
		for _, n := range nodes {
			if _, there := w.Nodes[n.ID]; !there && w.nodeFits(n) {
				w.Nodes[n.ID], again = n, true
			}
		}
	}
	keyOf := func(a decide.Assignment) Key { return Key{a.ID, a.Identity, a.Node} }
	for _, a := range h.assignments {
		twice := 0
		for _, b := range h.assignments {
			if keyOf(a) == keyOf(b) && w.assignmentFits(b) {
				twice++
			}
		}
		if twice == 1 && w.assignmentFits(a) {
			w.Assignments[keyOf(a)] = a
		}
	}
	return w
}

// once is the rows whose id comes once and is one.
func once[R any](rows []R, key func(R) id.ID) []R {
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

// TellAll tells all rows of the heap to r, contradictions and all.
func (h *Heap) TellAll(r decide.Rows) {
	for _, a := range h.assignments {
		r.Assignment(a)
	}
	for _, m := range h.members {
		r.Member(m)
	}
	for _, n := range h.nodes {
		r.Node(n)
	}
	for _, role := range h.roles {
		r.Role(role)
	}
	for _, key := range h.keys {
		r.Permission(key)
	}
}

// Len is how many rows there are, permissions and roles aside.
func (h *Heap) Len() int { return len(h.nodes) + len(h.members) + len(h.assignments) }

// Len is how many rows there are, permissions and roles aside.
func (w *World) Len() int { return len(w.Nodes) + len(w.Members) + len(w.Assignments) }
