package decide

import (
	"hash/maphash"
	"slices"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Edit is what happened to an environment between two revisions, in order. Its
// changes are whole rows. So it does no harm when a reader of a change log applies
// an entry twice, or applies an old entry with the row as it is by now.
type Edit struct {
	Revision uint64 // of the environment afterwards
	Changes  []Change
}

// Change is one of the Put and Drop types of this package. A Put adds a row, or
// replaces the row with the same id. Dropping a row that does not exist changes
// nothing.
type Change interface {
	apply(*editor)
}

// The changes.
type (
	// PutPermission adds a key to the catalog.
	PutPermission struct{ Key string }
	// DropPermission removes a key from the catalog and from every role.
	DropPermission struct{ Key string }

	// PutRole adds a role, or sets its name, its state and its whole set of
	// permissions.
	PutRole struct{ Role }
	// DropRole removes a role and all of its assignments.
	DropRole struct{ ID id.ID }

	// PutNode adds a node, moves it with everything below it, or sets its state.
	PutNode struct{ Node }
	// DropNode removes a node, everything below it, and the assignments there.
	DropNode struct{ ID id.ID }

	// PutMember adds a member or sets its states. Its assignments stay. To remove
	// a member whose row stays, send DropAssignments as well.
	PutMember struct{ Member }
	// DropMember removes an identity, as if it had never been here, and all of
	// its assignments.
	DropMember struct{ Identity id.ID }

	// PutAssignment adds an assignment, or sets its role and window.
	PutAssignment struct{ Assignment }
	// DropAssignment removes an assignment. All three ids identify it.
	DropAssignment struct{ ID, Identity, Node id.ID }
	// DropAssignments removes all assignments of an identity.
	DropAssignments struct{ Identity id.ID }
)

// Apply returns the snapshot after e. It shares everything that e leaves alone
// with s, which stays as it is. So it costs what e costs, whatever the size of the
// environment. Several edits may be applied to one snapshot, also at the same
// time.
//
// A Put that contradicts the existing rows is reported, and the row it was to
// replace is dropped: the row in force is then unknown, and what is unknown must
// not grant.
func (s *Snapshot) Apply(e Edit) (*Snapshot, []Problem) {
	next := *s
	next.revision = e.Revision
	ed := &editor{Snapshot: &next, owner: &persist.Owner{}}
	for _, c := range e.Changes {
		c.apply(ed)
	}
	ed.freeNumbers()
	ed.owner.Release()
	return &next, ed.problems
}

// An editor makes the next snapshot. Only later edits reuse the numbers that an
// edit frees. So within one edit a number means the same thing before and after,
// or nothing.
type editor struct {
	*Snapshot
	owner    *persist.Owner
	problems []Problem

	freedNodes, freedMembers, freedRoles []uint32
	freedKeys                            map[string]uint32
}

func (ed *editor) freeNumbers() {
	for _, n := range ed.freedNodes {
		ed.nodeFree.Push(n)
	}
	for _, m := range ed.freedMembers {
		ed.members.free.Push(m)
	}
	for _, r := range ed.freedRoles {
		ed.roleFree.Push(r)
	}
	for _, n := range ed.freedKeys {
		ed.keyFree.Push(n)
	}
}

func (ed *editor) problem(p Problem) { ed.problems = append(ed.problems, p) }

func (c PutPermission) apply(ed *editor) {
	if c.Key == "" {
		ed.problem(Problem{Kind: NoID, Row: PermissionRow})
		return
	}
	if _, ok := ed.keyOf(c.Key); ok {
		return
	}
	n, ok := ed.freedKeys[c.Key]
	if ok {
		delete(ed.freedKeys, c.Key)
		*ed.keys.Edit(ed.owner, n) = c.Key
	} else {
		n = ed.keys.Allocate(ed.owner, &ed.keyFree, c.Key)
	}
	ed.keyIndex.Insert(ed.owner, maphash.String(ed.seed, c.Key), n, ed.hashKey)
}

func (c DropPermission) apply(ed *editor) {
	n, ok := ed.keyOf(c.Key)
	if !ok {
		return
	}
	for r := range ed.roles.Len() {
		if ed.roles.At(r).grants.Has(n) {
			ro := ed.roles.Edit(ed.owner, r)
			ro.grants = ro.grants.Without(n)
		}
	}
	ed.keyIndex.Delete(ed.owner, ed.hashKey(n), n)
	*ed.keys.Edit(ed.owner, n) = ""
	if ed.freedKeys == nil {
		ed.freedKeys = map[string]uint32{}
	}
	ed.freedKeys[c.Key] = n
}

func (c PutRole) apply(ed *editor) {
	if c.ID.IsZero() {
		ed.problem(Problem{Kind: NoID, Row: RoleRow})
		return
	}
	ro := role{id: c.ID, name: c.Name, active: c.Active}
	for _, key := range c.Permissions {
		n, ok := ed.keyOf(key)
		if !ok {
			ed.problem(Problem{Kind: MissingPermission, Row: RoleRow, ID: c.ID, Key: key})
			continue
		}
		ro.grants = ro.grants.With(n)
	}
	if r, ok := ed.roleOf(c.ID); ok {
		*ed.roles.Edit(ed.owner, r) = ro
		return
	}
	r := ed.roles.Allocate(ed.owner, &ed.roleFree, ro)
	ed.roleIndex.Insert(ed.owner, hashID(c.ID), r, ed.hashRole)
}

func (c DropRole) apply(ed *editor) {
	r, ok := ed.roleOf(c.ID)
	if !ok {
		return
	}
	for _, m := range ed.membersOf(&ed.membersByRole, r) {
		ed.dropAssignments(m, func(a *assignment) bool { return a.role == r })
	}
	ed.roleIndex.Delete(ed.owner, hashID(c.ID), r)
	*ed.roles.Edit(ed.owner, r) = role{}
	ed.freedRoles = append(ed.freedRoles, r)
}

func (c PutNode) apply(ed *editor) {
	n, known := ed.nodeOf(c.ID)
	parent := uint32(noNode)
	p := Problem{Row: NodeRow, ID: c.ID, Ref: c.Parent}
	switch {
	case c.ID.IsZero():
		ed.problem(Problem{Kind: NoID, Row: NodeRow})
		return
	case c.Parent.IsZero():
		if ed.root != noNode && (!known || n != ed.root) {
			p.Kind = SecondRoot
			ed.problem(p)
			DropNode{c.ID}.apply(ed)
			return
		}
	default:
		var ok bool
		parent, ok = ed.nodeOf(c.Parent)
		if !ok || known && ed.inSubtree(parent, n) {
			p.Kind = MissingParent
			if ok {
				p.Kind = ParentCycle
			}
			ed.problem(p)
			DropNode{c.ID}.apply(ed)
			return
		}
	}
	if known {
		ed.moveNode(n, c.ID, parent, c.Active)
	} else {
		ed.addNode(c.ID, parent, c.Active)
	}
	if parent == noNode {
		ed.root, _ = ed.nodeOf(c.ID)
	}
}

func (ed *editor) addNode(u id.ID, parent uint32, active bool) {
	n := ed.nodeIDs.Allocate(ed.owner, &ed.nodeFree, u)
	if n == ed.parents.Len() {
		ed.parents.Append(ed.owner, noNode)
	}
	packed := packParent(parent, active)
	*ed.parents.Edit(ed.owner, n) = packed
	if parent != noNode {
		ed.children.Put(ed.owner, pairOf(parent, n), ed.childPosition(parent, u))
	}
	ed.nodeTable.insert(ed.owner, nodeEntry{id: u, number: n, parent: packed}, ed.hashNode)
}

// moveNode sets the parent and the state of node n, whose id is u.
func (ed *editor) moveNode(n uint32, u id.ID, parent uint32, active bool) {
	if was := ed.parent(n); was != parent {
		if was != noNode {
			ed.children.Delete(ed.owner, ed.childPosition(was, u))
		}
		if parent != noNode {
			ed.children.Put(ed.owner, pairOf(parent, n), ed.childPosition(parent, u))
		}
	}
	if packed := packParent(parent, active); packed != *ed.parents.At(n) {
		*ed.parents.Edit(ed.owner, n) = packed
		ed.nodeTable.setParent(ed.owner, u, packed)
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
		for _, m := range ed.membersOf(&ed.membersByNode, n) {
			ed.dropAssignmentsAt(m, n)
		}
	}
	// From the leaves up: comparing a pair needs the ids of both of its nodes.
	for _, n := range slices.Backward(gone) {
		u := *ed.nodeIDs.At(n)
		if parent := ed.parent(n); parent != noNode {
			ed.children.Delete(ed.owner, ed.childPosition(parent, u))
		}
		ed.nodeTable.drop(ed.owner, u, n)
		*ed.nodeIDs.Edit(ed.owner, n) = id.ID{}
		*ed.parents.Edit(ed.owner, n) = noNode | inactiveBit
	}
	ed.freedNodes = append(ed.freedNodes, gone...)
	if top == ed.root {
		ed.root = noNode
	}
}

func (c PutMember) apply(ed *editor) {
	if c.Identity.IsZero() {
		ed.problem(Problem{Kind: NoID, Row: MemberRow})
		return
	}
	if m, ok := ed.memberOf(c.Identity); ok {
		ed.members.edit(ed.owner, m).state = c.state()
		return
	}
	ed.members.insert(ed.owner, member{id: c.Identity, state: c.state()})
}

func (c DropMember) apply(ed *editor) {
	m, ok := ed.memberOf(c.Identity)
	if !ok {
		return
	}
	ed.dropAssignments(m, func(*assignment) bool { return true })
	ed.members.drop(ed.owner, m)
	ed.freedMembers = append(ed.freedMembers, m)
}

func (c PutAssignment) apply(ed *editor) {
	p := Problem{Row: AssignmentRow, ID: c.ID}
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
		ed.putAssignment(m, assignment{from: c.From, to: c.To, node: n, role: r, id: c.ID})
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
	ed.eachAssignmentAt(m, n, func(a *assignment) bool {
		if a.id != c.ID {
			return true
		}
		ed.removeAssignments(m, []assignment{*a})
		return false
	})
}

func (c DropAssignments) apply(ed *editor) {
	if m, ok := ed.memberOf(c.Identity); ok {
		ed.dropAssignments(m, func(*assignment) bool { return true })
	}
}
