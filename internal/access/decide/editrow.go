package decide

import "slices"

// Adding and removing the assignments of one member: first in the member's own
// list, then in the two lists that lead to the member.

// putRow sets the assignment of m with the node and id of r.
func (ed *editor) putRow(m uint32, r row) {
	var old *row
	ed.eachRowAt(m, r.node, func(x *row) bool {
		if x.id == r.id {
			old = x
		}
		return old == nil
	})
	if old != nil && *old == r {
		return
	}
	was := r
	if old != nil {
		was = *old
	}
	who := ed.members.edit(ed.session, m)
	switch {
	case who.few == heavy:
		if ed.heavy.put(ed.session, heavyRow{m, r}, atHeavy(m, r.node, r.id)) {
			who.setHeavy(who.heavy() + 1)
		}
	case old == nil && len(who.rows) == lightRows:
		ed.fatten(m, who)
		ed.heavy.put(ed.session, heavyRow{m, r}, atHeavy(m, r.node, r.id))
		who.setHeavy(who.heavy() + 1)
	default:
		at := slices.IndexFunc(who.rows, func(x row) bool { return atRow(r.node, r.id)(x) >= 0 })
		if at < 0 {
			at = len(who.rows)
		}
		rest := at
		if old != nil {
			rest++
		}
		rows := make([]row, 0, at+1+len(who.rows)-rest)
		rows = append(rows, who.rows[:at]...)
		rows = append(rows, r)
		who.setRows(append(rows, who.rows[rest:]...))
	}
	if old == nil {
		ed.assignments++
		ed.holders.put(ed.session, pairOf(r.node, m), ed.atMember(r.node, who.id))
	}
	if old == nil || was.role != r.role {
		ed.bearers.put(ed.session, pairOf(r.role, m), ed.atMember(r.role, who.id))
	}
	if was.role != r.role {
		ed.unbear(m, was.role)
	}
}

// fatten moves the rows of m to where those of heavy members are.
func (ed *editor) fatten(m uint32, who *member) {
	for _, r := range who.rows {
		ed.heavy.put(ed.session, heavyRow{m, r}, atHeavy(m, r.node, r.id))
	}
	who.setHeavy(uint32(len(who.rows)))
}

// slim takes them back. It waits until a quarter is left, so that a member at
// the limit doesn't go to and fro.
func (ed *editor) slim(m uint32, who *member) {
	if who.heavy() > lightRows/4 {
		return
	}
	rows := make([]row, 0, who.heavy())
	ed.eachHeavy(m, 0, nowhere, func(r *row) bool {
		rows = append(rows, *r)
		return true
	})
	for _, r := range rows {
		ed.heavy.drop(ed.session, atHeavy(m, r.node, r.id))
	}
	who.setRows(rows)
}

// dropRows takes away the assignments of m that which says yes to.
func (ed *editor) dropRows(m uint32, which func(*row) bool) {
	var gone []row
	ed.eachRow(m, func(r *row) bool {
		if which(r) {
			gone = append(gone, *r)
		}
		return true
	})
	ed.dropAll(m, gone)
}

// dropRowsAt takes away the assignments of m at node n.
func (ed *editor) dropRowsAt(m, n uint32) {
	var gone []row
	ed.eachRowAt(m, n, func(r *row) bool {
		gone = append(gone, *r)
		return true
	})
	ed.dropAll(m, gone)
}

func (ed *editor) dropRow(m uint32, r row) { ed.dropAll(m, []row{r}) }

// dropAll takes assignments that m has away. They stand in the order of m's
// list.
func (ed *editor) dropAll(m uint32, gone []row) {
	if len(gone) == 0 {
		return
	}
	who := ed.members.edit(ed.session, m)
	if who.few == heavy {
		for _, r := range gone {
			ed.heavy.drop(ed.session, atHeavy(m, r.node, r.id))
			who.setHeavy(who.heavy() - 1)
		}
		ed.slim(m, who)
	} else {
		rows := make([]row, 0, len(who.rows)-len(gone))
		rest := gone
		for _, r := range who.rows {
			if len(rest) > 0 && r.id == rest[0].id && r.node == rest[0].node {
				rest = rest[1:]
				continue
			}
			rows = append(rows, r)
		}
		who.setRows(rows)
	}
	ed.assignments -= len(gone)
	var roles bitset
	for i, r := range gone {
		roles = roles.with(r.role)
		if i == 0 || r.node != gone[i-1].node {
			ed.unhold(m, r.node)
		}
	}
	for r := range roles.all() {
		ed.unbear(m, r)
	}
}

// unhold takes m from the holders at n, unless it still has an assignment there.
func (ed *editor) unhold(m, n uint32) {
	has := false
	ed.eachRowAt(m, n, func(*row) bool { has = true; return false })
	if !has {
		ed.holders.drop(ed.session, ed.atMember(n, ed.members.at(m).id))
	}
}

// unbear takes m from the bearers of role r, unless it still has an assignment
// of it.
func (ed *editor) unbear(m, r uint32) {
	has := false
	ed.eachRow(m, func(x *row) bool { has = x.role == r; return !has })
	if !has {
		ed.bearers.drop(ed.session, ed.atMember(r, ed.members.at(m).id))
	}
}

// membersIn is the members paired with owner, by id.
func (s *Snapshot) membersIn(t *tree[pair], owner uint32) []uint32 {
	var list []uint32
	for c := s.membersFrom(t, owner, zeroID); ; c.next() {
		p, ok := c.item()
		if !ok || p.owner() != owner {
			return list
		}
		list = append(list, p.item())
	}
}

// childrenOf is the children of node n, by id.
func (s *Snapshot) childrenOf(n uint32) []uint32 {
	var list []uint32
	for c := s.children.seek(s.atNode(n, zeroID)); ; c.next() {
		p, ok := c.item()
		if !ok || p.owner() != n {
			return list
		}
		list = append(list, p.item())
	}
}
