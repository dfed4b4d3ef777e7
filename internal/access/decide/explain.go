package decide

import (
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
)

// Trace is a decision about a node with everything that led to it.
type Trace struct {
	Decision
	// Lineage goes from the root to the node asked for.
	Lineage []TraceNode
	// GrantingRoleIDs are the roles that grant, by role name, then id; empty on a
	// denial.
	GrantingRoleIDs []id.ID
	// GrantingNodeIDs are the nodes of the lineage with an assignment that
	// grants, root first; empty on a denial.
	GrantingNodeIDs []id.ID
}

// TraceNode is a node of a lineage.
type TraceNode struct {
	ID     id.ID
	Depth  int // 0 for the root
	Active bool
	Target bool // the node asked for
	// Assignments of the identity at this node, whatever their state, by role
	// name, then id.
	Assignments []TraceAssignment
}

// TraceAssignment is an assignment as it counts for one permission now. It
// grants when it is Active and GrantsPermission.
type TraceAssignment struct {
	ID       id.ID
	Role     id.ID
	RoleName string
	From, To Instant

	Active           bool // its window contains now
	RoleActive       bool
	GrantsPermission bool // its role is active and bundles the permission
}

// Explain says how Evaluate decides about the permission at the node, and gives
// the same Decision. When the identity or the node does not exist, the trace is
// only a Decision with IdentityNotFound or NodeNotFound.
func (s *Snapshot) Explain(identity id.ID, permission string, node id.ID, now Instant) Trace {
	m, ok := s.memberOf(identity)
	if !ok {
		return Trace{Decision: Decision{Reason: IdentityNotFound}}
	}
	n, ok := s.nodeOf(node)
	if !ok {
		return Trace{Decision: Decision{Reason: NodeNotFound}}
	}
	q := Question{Identity: identity, Permission: permission, Node: node}
	trace := Trace{Decision: s.Evaluate(q, now, nil)}
	key, known := s.keyOf(permission)

	depth, count := 0, 0
	for at := n; at != noNode; at = s.parent(at) {
		depth++
		s.eachAssignmentAt(m, at, func(*assignment) bool { count++; return true })
	}
	trace.Lineage = make([]TraceNode, depth)
	assignments := make([]TraceAssignment, 0, count)
	var granting []TraceAssignment
	for at := n; at != noNode; at = s.parent(at) {
		depth--
		begin := len(assignments)
		s.eachAssignmentAt(m, at, func(a *assignment) bool {
			ro := s.roles.At(a.role)
			assignments = append(assignments, TraceAssignment{
				ID: a.id, Role: ro.id, RoleName: ro.name, From: a.from, To: a.to,
				Active:           inWindow(a.from, a.to, now),
				RoleActive:       ro.active,
				GrantsPermission: known && ro.active && ro.grants.Has(key),
			})
			return true
		})
		here := slices.Clip(assignments[begin:])
		slices.SortFunc(here, func(a, b TraceAssignment) int { return compareTraced(&a, &b, &a.ID, &b.ID) })
		trace.Lineage[depth] = TraceNode{
			ID: *s.nodeIDs.At(at), Depth: depth, Active: s.active(at), Target: at == n, Assignments: here,
		}
		if !trace.Allowed {
			continue
		}
		before := len(granting)
		for i := range here {
			if here[i].Active && here[i].GrantsPermission {
				granting = append(granting, here[i])
			}
		}
		if len(granting) > before {
			trace.GrantingNodeIDs = append(trace.GrantingNodeIDs, *s.nodeIDs.At(at))
		}
	}
	slices.Reverse(trace.GrantingNodeIDs)
	slices.SortFunc(granting, func(a, b TraceAssignment) int { return compareTraced(&a, &b, &a.Role, &b.Role) })
	for i := range granting {
		if i == 0 || granting[i].Role != granting[i-1].Role {
			trace.GrantingRoleIDs = append(trace.GrantingRoleIDs, granting[i].Role)
		}
	}
	return trace
}

// compareTraced orders two assignments by role name, then by the ids given.
func compareTraced(a, b *TraceAssignment, x, y *id.ID) int {
	if c := strings.Compare(a.RoleName, b.RoleName); c != 0 {
		return c
	}
	return compareIDs(x, y)
}
