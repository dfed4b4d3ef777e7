package decide

import (
	"hash/maphash"
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Edit is what happened to an environment between two revisions, in order. It
// speaks in whole rows, so a reader of a change log that sees an entry twice, or
// an old entry and the row as it is by now, does no harm.
type Edit struct {
	Revision uint64 // of the environment afterwards
	Changes  []Change
}

// Change is one of the Put and Drop types of this package. A Put adds a row, or
// replaces the one with its id. To drop a row that is not there is no error.
type Change interface {
	apply(*editor)
}

// The changes.
type (
	// PutPermission adds a key to the catalog.
	PutPermission struct{ Key string }
	// DropPermission takes a key out of the catalog and out of every role.
	DropPermission struct{ Key string }

	// PutRole adds a role, or sets its name, its state and its whole set of
	// permissions.
	PutRole struct{ Role }
	// DropRole takes a role away, and all of its assignments.
	DropRole struct{ ID id.ID }

	// PutNode adds a node, moves it with all below it, or sets its state.
	PutNode struct{ Node }
	// DropNode takes a node away, all below it, and the assignments there.
	DropNode struct{ ID id.ID }

	// PutMember adds a member or sets its states. Its assignments stay: a
	// member that is removed keeps its row and is also told DropAssignments.
	PutMember struct{ Member }
	// DropMember takes an identity away as if it had never been here, and all
	// of its assignments.
	DropMember struct{ Identity id.ID }

	// PutAssignment adds an assignment, or sets its role and window.
	PutAssignment struct{ Assignment }
	// DropAssignment takes an assignment away. It is known by all three ids.
	DropAssignment struct{ ID, Identity, Node id.ID }
	// DropAssignments takes all assignments of an identity away.
	DropAssignments struct{ Identity id.ID }
)

// Apply is the snapshot after e. It costs what e costs, whatever the size of
// the environment, and shares all that e leaves alone with s, which stays as it
// is. Several edits may be applied to one snapshot, also at the same time.
//
// A Put that contradicts the rows that are there is reported, and what it was to
// replace is dropped: the row in force is then unknown, and what is unknown does
// not grant.
func (s *Snapshot) Apply(e Edit) (*Snapshot, []Problem) {
	next := *s
	next.revision = e.Revision
	ed := &editor{Snapshot: &next, session: &session{}}
	for _, c := range e.Changes {
		c.apply(ed)
	}
	ed.free(ed.freeNodes, &next.nodeFree)
	ed.free(ed.freeMembers, &next.memberFree)
	ed.free(ed.freeRoles, &next.roleFree)
	for _, n := range ed.freeKeys {
		ed.free([]uint32{n}, &next.keyFree)
	}
	ed.session.end()
	return &next, ed.problems
}

// An editor makes the next snapshot. Numbers that become free are given out
// again by later edits only: within one edit a number means the same thing
// before and after, or nothing.
type editor struct {
	*Snapshot
	session  *session
	problems []Problem

	freeNodes, freeMembers, freeRoles []uint32
	freeKeys                          map[string]uint32
}

func (*editor) free(numbers []uint32, chain **vacancy) {
	for _, n := range numbers {
		*chain = &vacancy{number: n, next: *chain}
	}
}

// place gives v a number: a free one if there is any.
func place[T any, L leaf[T]](s *session, t *table[T, L], chain **vacancy, v T) uint32 {
	if *chain == nil {
		return t.add(s, v)
	}
	n := (*chain).number
	*chain = (*chain).next
	*t.edit(s, n) = v
	return n
}

func (ed *editor) problem(p Problem) { ed.problems = append(ed.problems, p) }

func (c PutPermission) apply(ed *editor) {
	if c.Key == "" {
		ed.problem(Problem{Kind: NoID, Subject: SubjectPermission})
		return
	}
	if _, ok := ed.keyOf(c.Key); ok {
		return
	}
	n, ok := ed.freeKeys[c.Key]
	if ok {
		delete(ed.freeKeys, c.Key)
		*ed.keys.edit(ed.session, n) = c.Key
	} else {
		n = place(ed.session, &ed.keys, &ed.keyFree, c.Key)
	}
	ed.byKey.put(ed.session, maphash.String(ed.seed, c.Key), n, ed.hashKey)
}

func (c DropPermission) apply(ed *editor) {
	n, ok := ed.keyOf(c.Key)
	if !ok {
		return
	}
	for r := range ed.roles.n {
		if ed.roles.at(r).grants.has(n) {
			ro := ed.roles.edit(ed.session, r)
			ro.grants = slices.Clone(ro.grants)
			ro.grants[n/64] &^= 1 << (n % 64)
		}
	}
	ed.byKey.drop(ed.session, ed.hashKey(n), n)
	*ed.keys.edit(ed.session, n) = ""
	if ed.freeKeys == nil {
		ed.freeKeys = map[string]uint32{}
	}
	ed.freeKeys[c.Key] = n
}

func (c PutRole) apply(ed *editor) {
	if c.ID.IsZero() {
		ed.problem(Problem{Kind: NoID, Subject: SubjectRole})
		return
	}
	ro := role{id: c.ID, name: c.Name, active: c.Active}
	for _, key := range c.Permissions {
		n, ok := ed.keyOf(key)
		if !ok {
			ed.problem(Problem{Kind: MissingPermission, Subject: SubjectRole, ID: c.ID, Key: key})
			continue
		}
		ro.grants = ro.grants.with(n)
	}
	if r, ok := ed.roleOf(c.ID); ok {
		*ed.roles.edit(ed.session, r) = ro
		return
	}
	r := place(ed.session, &ed.roles, &ed.roleFree, ro)
	ed.byRole.put(ed.session, hashID(c.ID), r, ed.hashRole)
}

func (c DropRole) apply(ed *editor) {
	r, ok := ed.roleOf(c.ID)
	if !ok {
		return
	}
	for _, m := range ed.membersIn(&ed.bearers, r) {
		ed.dropRows(m, func(x *row) bool { return x.role == r })
	}
	ed.byRole.drop(ed.session, hashID(c.ID), r)
	*ed.roles.edit(ed.session, r) = role{}
	ed.freeRoles = append(ed.freeRoles, r)
}

func (c PutNode) apply(ed *editor) {
	n, known := ed.nodeOf(c.ID)
	up := uint32(nowhere)
	p := Problem{Subject: SubjectNode, ID: c.ID, Ref: c.Parent}
	switch {
	case c.ID.IsZero():
		ed.problem(Problem{Kind: NoID, Subject: SubjectNode})
		return
	case c.Parent.IsZero():
		if ed.root != nowhere && !(known && n == ed.root) {
			p.Kind = SecondRoot
			ed.problem(p)
			DropNode{c.ID}.apply(ed)
			return
		}
	default:
		parent, ok := ed.nodeOf(c.Parent)
		if !ok || known && ed.below(parent, n) {
			p.Kind = MissingParent
			if ok {
				p.Kind = ParentCycle
			}
			ed.problem(p)
			DropNode{c.ID}.apply(ed)
			return
		}
		up = parent
	}
	was := uint32(nowhere)
	if known {
		was = ed.parent(n)
	} else {
		n = place(ed.session, &ed.nodes, &ed.nodeFree, c.ID)
		if n == ed.up.n {
			ed.up.add(ed.session, nowhere)
		}
	}
	if was != up && was != nowhere {
		ed.children.drop(ed.session, ed.atNode(was, c.ID))
	}
	if was != up {
		ed.children.put(ed.session, pairOf(up, n), ed.atNode(up, c.ID))
	}
	if up == nowhere {
		ed.root = n
	}
	if !c.Active {
		up |= off
	}
	switch {
	case !known:
		*ed.up.edit(ed.session, n) = up
		ed.plates.put(ed.session, c.ID, n, up, ed.hashNode)
	case *ed.up.at(n) != up:
		*ed.up.edit(ed.session, n) = up
		ed.plates.set(ed.session, c.ID, up)
	}
}

func (c DropNode) apply(ed *editor) {
	top, ok := ed.nodeOf(c.ID)
	if !ok {
		return
	}
	gone := []uint32{top}
	for i := 0; i < len(gone); i++ {
		gone = append(gone, ed.childrenOf(gone[i])...)
	}
	for _, n := range gone {
		for _, m := range ed.membersIn(&ed.holders, n) {
			ed.dropRowsAt(m, n)
		}
	}
	// From the leaves up, so that every pair goes while both of its nodes are
	// still there to be compared.
	for _, n := range slices.Backward(gone) {
		u := *ed.nodes.at(n)
		if up := ed.parent(n); up != nowhere {
			ed.children.drop(ed.session, ed.atNode(up, u))
		}
		ed.plates.drop(ed.session, u, n)
		*ed.nodes.edit(ed.session, n) = id.ID{}
		*ed.up.edit(ed.session, n) = nowhere | off
	}
	ed.freeNodes = append(ed.freeNodes, gone...)
	if top == ed.root {
		ed.root = nowhere
	}
}

func (c PutMember) apply(ed *editor) {
	if c.Identity.IsZero() {
		ed.problem(Problem{Kind: NoID, Subject: SubjectMember})
		return
	}
	if m, ok := ed.memberOf(c.Identity); ok {
		ed.members.edit(ed.session, m).state = c.state()
		return
	}
	ed.members.put(ed.session, &ed.memberFree, member{id: c.Identity, state: c.state()})
}

func (c DropMember) apply(ed *editor) {
	m, ok := ed.memberOf(c.Identity)
	if !ok {
		return
	}
	ed.dropRows(m, func(*row) bool { return true })
	ed.members.drop(ed.session, m)
	ed.freeMembers = append(ed.freeMembers, m)
}

func (c PutAssignment) apply(ed *editor) {
	p := Problem{Subject: SubjectAssignment, ID: c.ID}
	m, isMember := ed.memberOf(c.Identity)
	n, isNode := ed.nodeOf(c.Node)
	r, isRole := ed.roleOf(c.Role)
	switch {
	case c.ID.IsZero():
		p.Kind = NoID
	case c.From >= c.To:
		p.Kind = EmptyWindow
	case !isMember:
		p.Kind, p.Ref = MissingMember, c.Identity
	case !isNode:
		p.Kind, p.Ref = MissingNode, c.Node
	case !isRole:
		p.Kind, p.Ref = MissingRole, c.Role
	default:
		ed.putRow(m, row{from: c.From, to: c.To, node: n, role: r, id: c.ID})
		return
	}
	ed.problem(p)
	DropAssignment{c.ID, c.Identity, c.Node}.apply(ed)
}

func (c DropAssignment) apply(ed *editor) {
	m, isMember := ed.memberOf(c.Identity)
	n, isNode := ed.nodeOf(c.Node)
	if !isMember || !isNode {
		return
	}
	ed.eachRowAt(m, n, func(r *row) bool {
		if r.id != c.ID {
			return true
		}
		ed.dropRow(m, *r)
		return false
	})
}

func (c DropAssignments) apply(ed *editor) {
	if m, ok := ed.memberOf(c.Identity); ok {
		ed.dropRows(m, func(*row) bool { return true })
	}
}
