package oracle

import (
	"fmt"
	"maps"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// Apply applies the edit and returns how many of its rows contradict the others.
// Such a row is left out, and the row it was to replace is dropped.
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
