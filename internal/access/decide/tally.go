package decide

import "slices"

// A tally adds up what assignments say about one permission at one instant.
//
// Each assignment gets as far as a reason. One that is out of its window gets
// only to AssignmentNotActive, one of a role that does not bundle the permission
// to PermissionNotGranted, and one that grants it to None. The answer is the
// furthest that any of them got.
type tally struct {
	key      uint32 // number of the permission
	furthest Reason // NoAssignment before the first assignment
	now      Instant

	n     int // granting roles in roles
	roles [8]uint32
	more  []uint32 // granting roles that did not fit into roles
}

// reasonOf returns how far the assignment gets.
func (t *tally) reasonOf(s *Snapshot, a *assignment) Reason {
	if !inWindow(a.from, a.to, t.now) {
		return AssignmentNotActive
	}
	return t.reasonOfRole(s, a.role)
}

// reasonOfRole returns how far an assignment of the role gets within its window.
func (t *tally) reasonOfRole(s *Snapshot, r uint32) Reason {
	ro := s.roles.At(r)
	switch {
	case !ro.active:
		return RoleInactive
	case !ro.grants.Has(t.key):
		return PermissionNotGranted
	}
	return None
}

func (t *tally) add(s *Snapshot, a *assignment) {
	if reason := t.reasonOf(s, a); t.changedBy(reason, a.role) {
		t.record(reason, a.role)
	}
}

// addRole adds an assignment of a role that has no window.
func (t *tally) addRole(s *Snapshot, r uint32) {
	if reason := t.reasonOfRole(s, r); t.changedBy(reason, r) {
		t.record(reason, r)
	}
}

// changedBy reports whether an assignment of the role that gets as far as reason
// would change the tally.
func (t *tally) changedBy(reason Reason, role uint32) bool {
	if reason != None {
		return t.furthest != None && reason > t.furthest
	}
	return !slices.Contains(t.roles[:t.n], role) && !slices.Contains(t.more, role)
}

// record makes a change that changedBy has found.
func (t *tally) record(reason Reason, role uint32) {
	t.furthest = reason
	switch {
	case reason != None:
	case t.n < len(t.roles):
		t.roles[t.n] = role
		t.n++
	default:
		t.more = append(t.more, role)
	}
}

// roleNames appends the names of the granting roles to dst, sorted and without
// repetition.
func (t *tally) roleNames(s *Snapshot, dst []string) []string {
	for _, r := range t.roles[:t.n] {
		dst = append(dst, s.roles.At(r).name)
	}
	for _, r := range t.more {
		dst = append(dst, s.roles.At(r).name)
	}
	if len(dst) > 1 {
		slices.Sort(dst)
		dst = slices.Compact(dst)
	}
	return dst
}
