package decide

import (
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Scope says where a question is asked.
type Scope uint8

// The scopes of a question.
const (
	AtNode  Scope = iota // may it do this here
	AppWide              // may it do this anywhere; Node is ignored
)

// Question asks whether an identity may do something. An id that is no UUID, as
// far as a caller may send one, is the zero id here: it is known to no snapshot.
type Question struct {
	Identity   id.ID
	Permission string
	Scope      Scope
	Node       id.ID
}

// Reason says why something was denied. They stand in the order in which they
// take precedence.
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
func (r Reason) String() string { return word(reasons[:], int(r)) }

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

// Evaluate answers q as of now. The names of the granting roles are appended to
// names[:0], which may be nil; with room for them nothing is allocated.
func (s *Snapshot) Evaluate(q Question, now Instant, names []string) Decision {
	t := tally{best: NoAssignment, now: now}
	if reason := s.judge(&q, &t); reason != None {
		return Decision{Reason: reason, GrantingRoles: names[:0]}
	}
	return Decision{Allowed: true, GrantingRoles: t.names(s, names[:0])}
}

// Bulk answers all questions as of the same now, in order, appending to dst.
// The role names of all answers share one piece of memory.
func (s *Snapshot) Bulk(questions []Question, now Instant, dst []Decision) []Decision {
	dst = slices.Grow(dst, len(questions))
	names := make([]string, 0, len(questions))
	for i := range questions {
		d := s.Evaluate(questions[i], now, names[len(names):])
		if n := len(names) + len(d.GrantingRoles); n <= cap(names) {
			names = names[:n]
		} else {
			names = make([]string, 0, len(questions)) // d has moved to memory of its own
		}
		d.GrantingRoles = slices.Clip(d.GrantingRoles)
		dst = append(dst, d)
	}
	return dst
}

// judge is the decision of the specification: the first reason that applies.
// When it is None, t has the granting roles.
func (s *Snapshot) judge(q *Question, t *tally) Reason {
	if q.Scope != AtNode {
		return s.judgeAnywhere(q, t)
	}
	// In a large environment nearly all of the time goes into waiting for memory.
	// The homes of the identity and of the node are looked at side by side, so
	// that the waits overlap.
	hm, hn := hashID(q.Identity), hashID(q.Node)
	members, first := s.members.home(hm)
	nodes := s.plates.home(hn)
	mSeat, nSeat := members.seat(&q.Identity), nodes.seat(&q.Node)

	m, who := first+mSeat, &members[mSeat%homeLen]
	if mSeat == homeLen {
		var ok bool
		if m, ok = s.members.stray(q.Identity, hm); !ok {
			return IdentityNotFound
		}
		who = s.members.at(m)
	}
	if reason := who.reason(); reason != None {
		return reason
	}
	at, up := nodes[nSeat%homeLen].number, nodes[nSeat%homeLen].up
	if nSeat == homeLen {
		var ok bool
		if at, ok = s.strayNode(q.Node, hn); !ok {
			return NodeNotFound
		}
		up = *s.up.at(at)
	}
	var known bool
	t.key, known = s.keyOf(q.Permission)
	var line [16]uint32 // a piece of the lineage
	for at != nowhere {
		depth := 0
		for ; depth < len(line) && at != nowhere; depth++ {
			if up&off != 0 {
				return NodeInactive
			}
			line[depth], at = at, up
			if at != nowhere {
				up = *s.up.at(at)
			}
		}
		if known {
			s.gather(m, who, line[:depth], t)
		}
	}
	if !known {
		return PermissionUnknown
	}
	return t.best
}

// gather counts the assignments of a member at some nodes.
func (s *Snapshot) gather(m uint32, who *member, nodes []uint32, t *tally) {
	rows := who.rows
	switch {
	case who.few <= fewRows:
		// Hardly any row matches, so these branches are foreseen.
		for i := range who.few {
			at := who.nodes[i]
			for _, n := range nodes {
				if at != n {
					continue
				}
				if role := who.roles[i]; role != inRow {
					t.countRole(s, uint32(role))
				} else {
					t.count(s, &rows[i])
				}
			}
		}
	case who.few == heavy:
		for _, n := range nodes {
			s.eachHeavy(m, n, n, func(r *row) bool { t.count(s, r); return true })
		}
	case len(rows) <= 8:
		for i := range rows {
			for _, n := range nodes {
				if rows[i].node == n {
					t.count(s, &rows[i])
				}
			}
		}
	default:
		for _, n := range nodes {
			for i := rowsFrom(rows, n); i < len(rows) && rows[i].node == n; i++ {
				t.count(s, &rows[i])
			}
		}
	}
}

func (s *Snapshot) judgeAnywhere(q *Question, t *tally) Reason {
	m, ok := s.memberOf(q.Identity)
	if !ok {
		return IdentityNotFound
	}
	if reason := s.members.at(m).reason(); reason != None {
		return reason
	}
	if t.key, ok = s.keyOf(q.Permission); !ok {
		return PermissionUnknown
	}
	s.eachRow(m, func(r *row) bool {
		// To ask whether a node is live is dearer than all else, so it is asked
		// only about a row that would make a difference.
		if reason := t.weigh(s, r); t.matters(reason, r.role) && s.live(r.node) {
			t.add(reason, r.role)
		}
		return true
	})
	return t.best
}

func (m *member) reason() Reason {
	switch {
	case m.state&identityActive == 0:
		return IdentityInactive
	case m.state&membershipActive == 0:
		return MembershipInactive
	}
	return None
}

// A tally adds up what assignments say about one permission at one instant.
// Each of them gets as far as a reason: an assignment that is out of its window
// only to AssignmentNotActive, one of a role that does not bundle the
// permission to PermissionNotGranted, and one that grants to None. The answer
// is the farthest that any of them got.
type tally struct {
	key  uint32
	best Reason // NoAssignment at first
	n    int    // granting roles in few
	few  [8]uint32
	rest []uint32 // granting roles beyond the eighth
	now  Instant
}

// weigh says how far the row gets.
func (t *tally) weigh(s *Snapshot, r *row) Reason {
	if !within(r.from, r.to, t.now) {
		return AssignmentNotActive
	}
	return t.weighRole(s, r.role)
}

func (t *tally) weighRole(s *Snapshot, r uint32) Reason {
	ro := s.roles.at(r)
	switch {
	case !ro.active:
		return RoleInactive
	case !ro.grants.has(t.key):
		return PermissionNotGranted
	}
	return None
}

func (t *tally) count(s *Snapshot, r *row) {
	if reason := t.weigh(s, r); t.matters(reason, r.role) {
		t.add(reason, r.role)
	}
}

// countRole counts a row that has no window.
func (t *tally) countRole(s *Snapshot, r uint32) {
	if reason := t.weighRole(s, r); t.matters(reason, r) {
		t.add(reason, r)
	}
}

// matters reports whether a row that gets as far as reason would change t.
func (t *tally) matters(reason Reason, role uint32) bool {
	if reason != None {
		return t.best != None && reason > t.best
	}
	return !slices.Contains(t.few[:t.n], role) && !slices.Contains(t.rest, role)
}

func (t *tally) add(reason Reason, role uint32) {
	t.best = reason
	switch {
	case reason != None:
	case t.n < len(t.few):
		t.few[t.n] = role
		t.n++
	default:
		t.rest = append(t.rest, role)
	}
}

// names appends the names of the granting roles to dst.
func (t *tally) names(s *Snapshot, dst []string) []string {
	for _, r := range t.few[:t.n] {
		dst = append(dst, s.roles.at(r).name)
	}
	for _, r := range t.rest {
		dst = append(dst, s.roles.at(r).name)
	}
	if len(dst) > 1 {
		slices.Sort(dst)
		dst = slices.Compact(dst)
	}
	return dst
}
