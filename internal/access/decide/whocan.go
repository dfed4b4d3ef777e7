package decide

import "canopy.dev/canopy/internal/foundation/id"

// A WhoQuery asks which identities may do something at a node.
type WhoQuery struct {
	Node       id.ID
	Permission string
	// After is the Next of the page before; zero for the first page.
	After id.ID
	// Limit is the number of identities in a page; below 1 means 1.
	Limit int
}

// WhoPage is one page of the identities that may.
type WhoPage struct {
	// Reason is NodeNotFound, NodeInactive or PermissionUnknown if nobody may
	// because of that, else None.
	Reason Reason
	// Holders by id.
	Holders []Holder
	// Next is to be sent as After for the next page; zero on the last page.
	Next id.ID
}

// Holder is an identity that may, with the assignments that grant it the
// permission.
type Holder struct {
	Identity    id.ID
	Assignments []GrantingAssignment // root first, then by id
}

// GrantingAssignment is an assignment that grants.
type GrantingAssignment struct {
	ID       id.ID
	Node     id.ID
	Role     id.ID
	RoleName string
	From, To Instant
}

// WhoCan returns a page of the identities for which Evaluate allows the
// permission at the node now. It looks at the members that have an assignment on
// the node's lineage, from q.After on, until the page is full.
func (s *Snapshot) WhoCan(q WhoQuery, now Instant) WhoPage {
	n, ok := s.nodeOf(q.Node)
	if !ok {
		return WhoPage{Reason: NodeNotFound}
	}
	if !s.live(n) {
		return WhoPage{Reason: NodeInactive}
	}
	key, ok := s.keyOf(q.Permission)
	if !ok {
		return WhoPage{Reason: PermissionUnknown}
	}
	lineage := s.lineage(n)
	all := merger{after: q.After}
	for _, at := range lineage {
		all.add(s, &s.membersByNode, at)
	}
	var page WhoPage
	limit := max(q.Limit, 1)
	t := tally{key: key, now: now}
	for {
		u, ok := all.next()
		if !ok {
			return page
		}
		m, _ := s.memberOf(u)
		if s.members.at(m).inactiveReason() != None {
			continue
		}
		var grants []GrantingAssignment
		for _, at := range lineage {
			s.eachAssignmentAt(m, at, func(a *assignment) bool {
				if t.reasonOf(s, a) == None {
					ro := s.roles.At(a.role)
					grants = append(grants, GrantingAssignment{
						ID: a.id, Node: *s.nodeIDs.At(at), Role: ro.id, RoleName: ro.name, From: a.from, To: a.to,
					})
				}
				return true
			})
		}
		if len(grants) == 0 {
			continue
		}
		if len(page.Holders) == limit {
			page.Next = page.Holders[limit-1].Identity
			return page
		}
		page.Holders = append(page.Holders, Holder{Identity: u, Assignments: grants})
	}
}

// WhoCanAnywhere returns a page of the identities for which Evaluate allows the permission
// AppWide now, by id, and the last of them to be sent as after for the next page; zero on
// the last page. It looks at the members that have a role with the permission, from after
// on, until the page is full. A limit below 1 means 1.
func (s *Snapshot) WhoCanAnywhere(permission string, after id.ID, limit int, now Instant) (list []id.ID, next id.ID) {
	key, ok := s.keyOf(permission)
	if !ok {
		return nil, zeroID
	}
	all := merger{after: after}
	for n := range s.roles.Len() {
		// A slot that is free holds no role, and nobody has it.
		if ro := s.roles.At(n); ro.active && ro.grants.Has(key) {
			all.add(s, &s.membersByRole, n)
		}
	}
	limit = max(limit, 1)
	for {
		u, ok := all.next()
		if !ok {
			return list, zeroID
		}
		q := Question{Identity: u, Permission: permission, Scope: AppWide}
		if t := (tally{furthest: NoAssignment, now: now}); s.evaluate(&q, &t) != None {
			continue
		}
		if len(list) == limit {
			return list, list[limit-1]
		}
		list = append(list, u)
	}
}
