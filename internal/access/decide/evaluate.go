package decide

import (
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Scope says about which nodes a question asks.
type Scope uint8

// The scopes of a question.
const (
	AtNode  Scope = iota // may the identity do this at Node
	AppWide              // may the identity do this at any node; Node is ignored
)

// Question asks whether an identity may do something. Where callers can send an
// id that is not a UUID, it becomes the zero id, which no snapshot knows.
type Question struct {
	Identity   id.ID
	Permission string
	Scope      Scope
	Node       id.ID
}

// Reason says why something was denied. The constants are in the order of
// precedence: of several reasons that apply, the first is given. Of the reasons
// that come from assignments, NoAssignment and later, the last is given.
type Reason uint8

// The reasons of a denial, and None where nothing was denied.
const (
	None Reason = iota
	IdentityNotFound
	IdentityInactive
	MembershipInactive
	NodeNotFound
	NodeInactive
	PermissionUnknown
	NoAssignment
	AssignmentNotActive
	RoleInactive
	PermissionNotGranted
)

// String is the reason's code in answers, such as "node_inactive"; "" for None.
func (r Reason) String() string { return nameOf(reasons[:], int(r)) }

var reasons = [...]string{
	"", "identity_not_found", "identity_inactive", "membership_inactive", "node_not_found", "node_inactive",
	"permission_unknown", "no_assignment", "assignment_not_active", "role_inactive", "permission_not_granted",
}

// Decision answers a Question. The zero Decision denies.
type Decision struct {
	Allowed bool
	Reason  Reason // None when allowed
	// GrantingRoles are the names of all roles that grant, unique and sorted by
	// bytes; empty on a denial.
	GrantingRoles []string
}

// Evaluate answers q as of now. It appends the names of the granting roles to
// names[:0], which may be nil. If names has room for them, nothing is allocated.
func (s *Snapshot) Evaluate(q Question, now Instant, names []string) Decision {
	t := tally{furthest: NoAssignment, now: now}
	if reason := s.evaluate(&q, &t); reason != None {
		return Decision{Reason: reason, GrantingRoles: names[:0]}
	}
	return Decision{Allowed: true, GrantingRoles: t.roleNames(s, names[:0])}
}

// Bulk answers all questions as of the same now, in order, and appends the
// answers to dst. The role names of all answers share one array.
func (s *Snapshot) Bulk(questions []Question, now Instant, dst []Decision) []Decision {
	dst = slices.Grow(dst, len(questions))
	names := make([]string, 0, len(questions))
	for i := range questions {
		d := s.Evaluate(questions[i], now, names[len(names):])
		if n := len(names) + len(d.GrantingRoles); n <= cap(names) {
			names = names[:n]
		} else {
			// The names did not fit, so append has moved them to a new array.
			names = make([]string, 0, len(questions))
		}
		d.GrantingRoles = slices.Clip(d.GrantingRoles)
		dst = append(dst, d)
	}
	return dst
}

// evaluate follows the specification: it returns the first reason that applies.
// When that is None, t has the granting roles.
func (s *Snapshot) evaluate(q *Question, t *tally) Reason {
	if q.Scope != AtNode {
		return s.evaluateAppWide(q, t)
	}
	// In a large environment nearly all of the time goes into waiting for memory.
	// So the buckets of the identity and of the node are read together, and the
	// two waits overlap.
	memberHash, nodeHash := hashID(q.Identity), hashID(q.Node)
	members, first := s.members.bucket(memberHash)
	nodes := s.nodeTable.bucket(nodeHash)
	memberSlot, nodeSlot := members.slot(&q.Identity), nodes.slot(&q.Node)

	m, who := first+memberSlot, &members[memberSlot%bucketSlots]
	if memberSlot == bucketSlots {
		var ok bool
		if m, ok = s.members.findOverflow(q.Identity, memberHash); !ok {
			return IdentityNotFound
		}
		who = s.members.at(m)
	}
	if reason := who.inactiveReason(); reason != None {
		return reason
	}
	at, packed := nodes[nodeSlot%bucketSlots].number, nodes[nodeSlot%bucketSlots].parent
	if nodeSlot == bucketSlots {
		var ok bool
		if at, ok = s.overflowNode(q.Node, nodeHash); !ok {
			return NodeNotFound
		}
		packed = *s.parents.At(at)
	}
	var known bool
	t.key, known = s.keyOf(q.Permission)
	var line [16]uint32 // a part of the lineage
	for at != noNode {
		depth := 0
		for ; depth < len(line) && at != noNode; depth++ {
			if packed&inactiveBit != 0 {
				return NodeInactive
			}
			line[depth], at = at, packed
			if at != noNode {
				packed = *s.parents.At(at)
			}
		}
		if known {
			s.addAssignmentsAt(m, who, line[:depth], t)
		}
	}
	if !known {
		return PermissionUnknown
	}
	return t.furthest
}

// addAssignmentsAt adds the assignments of a member at some nodes to t.
func (s *Snapshot) addAssignmentsAt(m uint32, who *member, nodes []uint32, t *tally) {
	list := who.list
	switch {
	case who.layout <= summaryLen:
		// Hardly any assignment matches, so the processor predicts these branches.
		for i := range who.layout {
			at := who.nodes[i]
			for _, n := range nodes {
				if at != n {
					continue
				}
				if role := who.roles[i]; role != roleNotSummarized {
					t.addRole(s, uint32(role))
				} else {
					t.add(s, &list[i])
				}
			}
		}
	case who.layout == layoutSpilled:
		for _, n := range nodes {
			s.eachSpilled(m, n, n, func(a *assignment) bool { t.add(s, a); return true })
		}
	case len(list) <= 8:
		for i := range list {
			for _, n := range nodes {
				if list[i].node == n {
					t.add(s, &list[i])
				}
			}
		}
	default:
		for _, n := range nodes {
			for i := firstAt(list, n); i < len(list) && list[i].node == n; i++ {
				t.add(s, &list[i])
			}
		}
	}
}

func (s *Snapshot) evaluateAppWide(q *Question, t *tally) Reason {
	m, ok := s.memberOf(q.Identity)
	if !ok {
		return IdentityNotFound
	}
	if reason := s.members.at(m).inactiveReason(); reason != None {
		return reason
	}
	if t.key, ok = s.keyOf(q.Permission); !ok {
		return PermissionUnknown
	}
	s.eachAssignment(m, func(a *assignment) bool {
		// Finding out whether a node is live costs more than all the rest, so it
		// is done only for an assignment that would change the tally.
		if reason := t.reasonOf(s, a); t.changedBy(reason, a.role) && s.live(a.node) {
			t.record(reason, a.role)
		}
		return true
	})
	return t.furthest
}
