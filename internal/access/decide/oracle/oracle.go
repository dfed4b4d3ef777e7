// Package oracle answers the questions of package decide slowly and plainly,
// straight from the rows and the pseudocode of the specification. It is for tests:
// where it and the engine disagree, one of them is wrong.
//
// It shares nothing with the engine but the types of questions and answers.
package oracle

import (
	"maps"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// World is the rows of one environment, without contradictions.
type World struct {
	Permissions map[string]bool
	Roles       map[id.ID]decide.Role
	Nodes       map[id.ID]decide.Node
	Members     map[id.ID]decide.Member
	Assignments map[Key]decide.Assignment
}

// Key identifies an assignment.
type Key struct{ ID, Identity, Node id.ID }

// New returns an empty world.
func New() *World {
	return &World{
		Permissions: map[string]bool{},
		Roles:       map[id.ID]decide.Role{},
		Nodes:       map[id.ID]decide.Node{},
		Members:     map[id.ID]decide.Member{},
		Assignments: map[Key]decide.Assignment{},
	}
}

// Clone returns an independent world with the same rows.
func (w *World) Clone() *World {
	return &World{
		Permissions: maps.Clone(w.Permissions),
		Roles:       maps.Clone(w.Roles),
		Nodes:       maps.Clone(w.Nodes),
		Members:     maps.Clone(w.Members),
		Assignments: maps.Clone(w.Assignments),
	}
}

// Tell passes all rows to r.
func (w *World) Tell(r decide.Rows) {
	for key := range w.Permissions {
		r.Permission(key)
	}
	for _, row := range w.Roles {
		r.Role(row)
	}
	for _, row := range w.Assignments {
		r.Assignment(row)
	}
	for _, row := range w.Nodes {
		r.Node(row)
	}
	for _, row := range w.Members {
		r.Member(row)
	}
}

// Lineage returns the node and all above it, the node first. It is nil when the
// node does not exist.
func (w *World) Lineage(node id.ID) []id.ID {
	var line []id.ID
	for !node.IsZero() {
		n, ok := w.Nodes[node]
		if !ok {
			return nil
		}
		line = append(line, node)
		node = n.Parent
	}
	return line
}

// Live reports whether the node and all above it are active.
func (w *World) Live(node id.ID) bool {
	line := w.Lineage(node)
	for _, n := range line {
		if !w.Nodes[n].Active {
			return false
		}
	}
	return line != nil
}

func inWindow(a decide.Assignment, now decide.Instant) bool {
	return (a.From == decide.Beginning || a.From <= now) && (a.To == decide.Forever || now < a.To)
}

// Evaluate is section 4 of the specification.
func (w *World) Evaluate(q decide.Question, now decide.Instant) decide.Decision {
	deny := func(r decide.Reason) decide.Decision { return decide.Decision{Reason: r} }
	m, ok := w.Members[q.Identity]
	switch {
	case !ok:
		return deny(decide.IdentityNotFound)
	case !m.IdentityActive:
		return deny(decide.IdentityInactive)
	case !m.MembershipActive:
		return deny(decide.MembershipInactive)
	}
	if q.Scope == decide.AtNode {
		if _, ok := w.Nodes[q.Node]; !ok {
			return deny(decide.NodeNotFound)
		}
		if !w.Live(q.Node) {
			return deny(decide.NodeInactive)
		}
	}
	if !w.Permissions[q.Permission] {
		return deny(decide.PermissionUnknown)
	}
	var all []decide.Assignment
	for _, a := range w.Assignments {
		if a.Identity != q.Identity {
			continue
		}
		counts := w.Live(a.Node)
		if q.Scope == decide.AtNode {
			counts = slices.Contains(w.Lineage(q.Node), a.Node)
		}
		if counts {
			all = append(all, a)
		}
	}
	filter := func(which func(decide.Assignment) bool) bool {
		all = slices.DeleteFunc(all, func(a decide.Assignment) bool { return !which(a) })
		return len(all) > 0
	}
	if len(all) == 0 {
		return deny(decide.NoAssignment)
	}
	if !filter(func(a decide.Assignment) bool { return inWindow(a, now) }) {
		return deny(decide.AssignmentNotActive)
	}
	if !filter(func(a decide.Assignment) bool { return w.Roles[a.Role].Active }) {
		return deny(decide.RoleInactive)
	}
	if !filter(func(a decide.Assignment) bool { return slices.Contains(w.Roles[a.Role].Permissions, q.Permission) }) {
		return deny(decide.PermissionNotGranted)
	}
	names := map[string]bool{}
	for _, a := range all {
		names[w.Roles[a.Role].Name] = true
	}
	return decide.Decision{Allowed: true, GrantingRoles: slices.Sorted(maps.Keys(names))}
}

// Explain is section 7 of the specification.
func (w *World) Explain(identity id.ID, permission string, node id.ID, now decide.Instant) decide.Trace {
	q := decide.Question{Identity: identity, Permission: permission, Node: node}
	if _, ok := w.Members[identity]; !ok {
		return decide.Trace{Decision: decide.Decision{Reason: decide.IdentityNotFound}}
	}
	if _, ok := w.Nodes[node]; !ok {
		return decide.Trace{Decision: decide.Decision{Reason: decide.NodeNotFound}}
	}
	trace := decide.Trace{Decision: w.Evaluate(q, now)}
	line := w.Lineage(node)
	slices.Reverse(line)
	granting := map[id.ID]bool{}
	for depth, n := range line {
		at := decide.TraceNode{ID: n, Depth: depth, Active: w.Nodes[n].Active, Target: n == node}
		grants := false
		for _, a := range w.Assignments {
			if a.Identity != identity || a.Node != n {
				continue
			}
			role := w.Roles[a.Role]
			ta := decide.TraceAssignment{
				ID: a.ID, Role: a.Role, RoleName: role.Name, From: a.From, To: a.To,
				Active: inWindow(a, now), RoleActive: role.Active,
				GrantsPermission: role.Active && w.Permissions[permission] && slices.Contains(role.Permissions, permission),
			}
			at.Assignments = append(at.Assignments, ta)
			if trace.Allowed && ta.Active && ta.GrantsPermission {
				granting[a.Role], grants = true, true
			}
		}
		slices.SortFunc(at.Assignments, func(a, b decide.TraceAssignment) int {
			return strings.Compare(a.RoleName+"\x00"+a.ID.String(), b.RoleName+"\x00"+b.ID.String())
		})
		if grants {
			trace.GrantingNodeIDs = append(trace.GrantingNodeIDs, n)
		}
		trace.Lineage = append(trace.Lineage, at)
	}
	trace.GrantingRoleIDs = slices.SortedFunc(maps.Keys(granting), func(a, b id.ID) int {
		return strings.Compare(w.Roles[a].Name+"\x00"+a.String(), w.Roles[b].Name+"\x00"+b.String())
	})
	return trace
}

// Held returns each key for which AppWide is allowed.
func (w *World) Held(identity id.ID, now decide.Instant) ([]string, bool) {
	m, ok := w.Members[identity]
	if !ok || !m.MembershipActive {
		return nil, false
	}
	keys := []string{}
	for key := range w.Permissions {
		if w.Evaluate(decide.Question{Identity: identity, Permission: key, Scope: decide.AppWide}, now).Allowed {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys, true
}
