package decidebench

import (
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// naive is what the engine is compared with: the decision as one would write it
// first, a loop over maps of rows that are already in memory. It implements
// decide.Rows.
type naive struct {
	permissions map[string]bool
	roles       map[id.ID]naiveRole
	nodes       map[id.ID]decide.Node
	members     map[id.ID]decide.Member
	assignments map[id.ID][]decide.Assignment // by identity
}

type naiveRole struct {
	decide.Role
	grants map[string]bool
}

func newNaive() *naive {
	return &naive{
		permissions: map[string]bool{},
		roles:       map[id.ID]naiveRole{},
		nodes:       map[id.ID]decide.Node{},
		members:     map[id.ID]decide.Member{},
		assignments: map[id.ID][]decide.Assignment{},
	}
}

func (n *naive) Permission(key string)    { n.permissions[key] = true }
func (n *naive) Node(row decide.Node)     { n.nodes[row.ID] = row }
func (n *naive) Member(row decide.Member) { n.members[row.Identity] = row }
func (n *naive) Assignment(a decide.Assignment) {
	n.assignments[a.Identity] = append(n.assignments[a.Identity], a)
}

func (n *naive) Role(row decide.Role) {
	grants := map[string]bool{}
	for _, key := range row.Permissions {
		grants[key] = true
	}
	n.roles[row.ID] = naiveRole{row, grants}
}

func (n *naive) evaluate(q decide.Question, now decide.Instant) decide.Decision {
	m, ok := n.members[q.Identity]
	switch {
	case !ok:
		return decide.Decision{Reason: decide.IdentityNotFound}
	case !m.IdentityActive:
		return decide.Decision{Reason: decide.IdentityInactive}
	case !m.MembershipActive:
		return decide.Decision{Reason: decide.MembershipInactive}
	}
	lineage := map[id.ID]bool{}
	for at := q.Node; !at.IsZero(); {
		node, ok := n.nodes[at]
		switch {
		case !ok:
			return decide.Decision{Reason: decide.NodeNotFound}
		case !node.Active:
			return decide.Decision{Reason: decide.NodeInactive}
		}
		lineage[at] = true
		at = node.Parent
	}
	if !n.permissions[q.Permission] {
		return decide.Decision{Reason: decide.PermissionUnknown}
	}
	reason := decide.NoAssignment
	var names []string
	for _, a := range n.assignments[q.Identity] {
		if !lineage[a.Node] {
			continue
		}
		role := n.roles[a.Role]
		switch {
		case a.From > now || now >= a.To:
			reason = max(reason, decide.AssignmentNotActive)
		case !role.Active:
			reason = max(reason, decide.RoleInactive)
		case !role.grants[q.Permission]:
			reason = max(reason, decide.PermissionNotGranted)
		default:
			names = append(names, role.Name)
		}
	}
	if len(names) == 0 {
		return decide.Decision{Reason: reason}
	}
	slices.Sort(names)
	return decide.Decision{Allowed: true, GrantingRoles: slices.Compact(names)}
}
