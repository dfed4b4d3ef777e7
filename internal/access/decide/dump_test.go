package decide

import (
	"fmt"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// Dump returns everything a snapshot holds, in an order and in words that do not
// depend on how the snapshot was made. It also checks that the structures agree
// with each other. Each disagreement is a line that begins with "WRONG".
func Dump(s *Snapshot) string {
	d := &dumper{s: s}
	d.keys()
	d.roles()
	d.nodes()
	d.members()
	d.pairs("member by node", &s.membersByNode, true)
	d.pairs("member by role", &s.membersByRole, false)
	d.numbers()
	d.line("counts %+v", s.Counts())
	return strings.Join(d.lines, "\n")
}

type dumper struct {
	s     *Snapshot
	lines []string
}

func (d *dumper) line(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// sorted adds lines that have no order of their own.
func (d *dumper) sorted(lines []string) {
	slices.Sort(lines)
	d.lines = append(d.lines, lines...)
}

func (d *dumper) wrong(format string, args ...any) { d.line("WRONG: "+format, args...) }

// numbersIn returns the numbers in an index.
func (d *dumper) numbersIn(x *persist.HashIndex) []uint32 {
	list := slices.Collect(x.All())
	if len(list) != x.Len() {
		d.wrong("an index of %d numbers has %d", x.Len(), len(list))
	}
	return list
}

// nodeNumbers returns the numbers of all nodes in the node table.
func (d *dumper) nodeNumbers() []uint32 {
	t := &d.s.nodeTable
	list := d.numbersIn(&t.overflow)
	for i := range t.buckets.Len() {
		for _, e := range t.buckets.At(i) {
			if e.id == zeroID {
				continue
			}
			if bucketOf(hashID(e.id), t.buckets.Len()) != i {
				d.wrong("the entry of node %d is in the wrong bucket", e.number)
			}
			if e.parent != *d.s.parents.At(e.number) || e.id != *d.s.nodeIDs.At(e.number) {
				d.wrong("the entry of node %d has the wrong id or parent", e.number)
			}
			list = append(list, e.number)
		}
	}
	if len(list) != t.size {
		d.wrong("the node table has %d nodes, and %d are found", t.size, len(list))
	}
	return list
}

// memberNumbers returns the numbers of all members in the member table.
func (d *dumper) memberNumbers() []uint32 {
	t := &d.s.members
	overflow := d.numbersIn(&t.overflow)
	list := slices.Clone(overflow)
	for m := range t.end {
		who := t.at(m)
		if who.id == zeroID {
			continue
		}
		primary := t.inPrimary(m, hashID(who.id))
		if primary == slices.Contains(overflow, m) {
			d.wrong("member %d is in its primary bucket: %v, and the overflow index says otherwise", m, primary)
		}
		if primary {
			list = append(list, m)
		}
	}
	if len(list) != t.size {
		d.wrong("the member table has %d members, and %d are found", t.size, len(list))
	}
	return list
}

func (d *dumper) keys() {
	var keys []string
	for _, n := range d.numbersIn(&d.s.keyIndex) {
		keys = append(keys, *d.s.keys.At(n))
		if m, ok := d.s.keyOf(*d.s.keys.At(n)); !ok || m != n {
			d.wrong("key %d is not found", n)
		}
	}
	slices.Sort(keys)
	d.line("keys %q", keys)
}

func (d *dumper) keyNames(b persist.Bitset) []string {
	var keys []string
	for n := range b.All() {
		if *d.s.keys.At(n) == "" {
			d.wrong("a role grants key %d, which was dropped", n)
		}
		keys = append(keys, *d.s.keys.At(n))
	}
	slices.Sort(keys)
	return keys
}

func (d *dumper) roles() {
	var lines []string
	for _, n := range d.numbersIn(&d.s.roleIndex) {
		r := d.s.roles.At(n)
		if m, ok := d.s.roleOf(r.id); !ok || m != n {
			d.wrong("role %d is not found", n)
		}
		lines = append(lines, fmt.Sprintf("role %s %q active=%v %q", r.id, r.name, r.active, d.keyNames(r.grants)))
	}
	d.sorted(lines)
}

func (d *dumper) nodes() {
	roots := 0
	var lines []string
	numbers := d.nodeNumbers()
	for _, n := range numbers {
		u, up := *d.s.nodeIDs.At(n), d.s.parent(n)
		if m, ok := d.s.nodeOf(u); !ok || m != n {
			d.wrong("node %d is not found", n)
		}
		parent := "none"
		if up == noNode {
			roots++
			if d.s.root != n {
				d.wrong("the root is %d, not %d", d.s.root, n)
			}
		} else {
			parent = d.s.nodeIDs.At(up).String()
		}
		lines = append(lines, fmt.Sprintf("node %s below %s active=%v", u, parent, d.s.active(n)))
		var children []id.ID
		for _, child := range d.s.childrenOf(n) {
			children = append(children, *d.s.nodeIDs.At(child))
			if d.s.parent(child) != n {
				d.wrong("%d is listed as a child of %d, but lies below %d", child, n, d.s.parent(child))
			}
		}
		lines = append(lines, fmt.Sprintf("children %s %s", u, children))
	}
	if roots == 0 && d.s.root != noNode || roots > 1 || d.s.children.Len() != max(len(numbers)-1, 0) {
		d.wrong("%d roots and %d children of %d nodes", roots, d.s.children.Len(), len(numbers))
	}
	d.sorted(lines)
}

func (d *dumper) members() {
	var lines []string
	total := 0
	for _, n := range d.memberNumbers() {
		m := d.s.members.at(n)
		if k, ok := d.s.memberOf(m.id); !ok || k != n {
			d.wrong("member %d is not found", n)
		}
		d.layout(n, m)
		lines = append(lines, fmt.Sprintf("member %s %d", m.id, m.state))
		assignments := d.assignments(n, m)
		lines = append(lines, assignments...)
		total += len(assignments)
	}
	if total != d.s.assignments {
		d.wrong("the snapshot counts %d assignments, and has %d", d.s.assignments, total)
	}
	d.sorted(lines)
}

// layout checks where the record of member n says its assignments are.
func (d *dumper) layout(n uint32, m *member) {
	spilled, short := m.layout == layoutSpilled, m.layout <= summaryLen
	if len(m.list) > listLen || spilled && (m.list != nil || m.spilledLen() == 0) ||
		len(m.list) > summaryLen != (m.layout == layoutList) || short && int(m.layout) != len(m.list) {
		d.wrong("member %d has layout %d, a list of %d and %d spilled assignments",
			n, m.layout, len(m.list), m.spilledLen())
		return
	}
	if !short {
		return
	}
	for i, a := range m.list {
		if m.nodes[i] != a.node {
			d.wrong("member %d: the summary has node %d in place of %d", n, m.nodes[i], a.node)
		}
		always := a.from == Beginning && a.to == Forever
		if m.roles[i] != roleNotSummarized && (uint32(m.roles[i]) != a.role || !always) {
			d.wrong("member %d: the summary has role %d in place of %d", n, m.roles[i], a.role)
		}
	}
}

// assignments writes and checks the assignments of member n.
func (d *dumper) assignments(n uint32, m *member) (lines []string) {
	var last *assignment
	d.s.eachAssignment(n, func(a *assignment) bool {
		if last != nil && assignmentPosition(a.node, a.id)(*last) >= 0 {
			d.wrong("the assignments of member %d are not in order", n)
		}
		last = a
		for _, pr := range []struct {
			t     *persist.BTree[pair]
			group uint32
		}{{&d.s.membersByNode, a.node}, {&d.s.membersByRole, a.role}} {
			if _, ok := pr.t.Get(d.s.memberPosition(pr.group, m.id)); !ok {
				d.wrong("no pair leads from %d to assignment %s of member %d", pr.group, a.id, n)
			}
		}
		lines = append(lines, fmt.Sprintf("assignment %s of %s at %s role %s [%d, %d)",
			a.id, m.id, *d.s.nodeIDs.At(a.node), d.s.roles.At(a.role).id, a.from, a.to))
		return true
	})
	if len(lines) != m.assignmentCount() {
		d.wrong("member %d counts %d assignments, and has %d", n, m.assignmentCount(), len(lines))
	}
	return lines
}

// pairs writes and checks the pairs of a tree whose items are members.
func (d *dumper) pairs(what string, t *persist.BTree[pair], byNode bool) {
	var lines []string
	var last pair
	n := 0
	for c := t.First(); ; c.Next() {
		p, ok := c.Item()
		if !ok {
			break
		}
		u := d.s.members.at(p.item()).id
		if n > 0 && d.s.memberPosition(p.group(), u)(last) >= 0 {
			d.wrong("%s: the pairs are not in order", what)
		}
		last, n = p, n+1
		has := false
		d.s.eachAssignment(p.item(), func(a *assignment) bool {
			has = has || byNode && a.node == p.group() || !byNode && a.role == p.group()
			return true
		})
		if !has {
			d.wrong("%s: there is no assignment for the pair %x", what, p)
		}
		if byNode {
			lines = append(lines, fmt.Sprintf("%s %s %s", what, *d.s.nodeIDs.At(p.group()), u))
		} else {
			lines = append(lines, fmt.Sprintf("%s %s %s", what, d.s.roles.At(p.group()).id, u))
		}
	}
	if n != t.Len() {
		d.wrong("%s: %d pairs, not %d", what, n, t.Len())
	}
	d.sorted(lines)
}

// numbers checks that every number is either in use or free.
func (d *dumper) numbers() {
	for _, x := range []struct {
		what string
		end  uint32
		used []uint32
		free persist.FreeList
	}{
		{"node", d.s.nodeIDs.Len(), d.nodeNumbers(), d.s.nodeFree},
		{"member", d.s.members.end, d.memberNumbers(), d.s.members.free},
		{"role", d.s.roles.Len(), d.numbersIn(&d.s.roleIndex), d.s.roleFree},
		{"key", d.s.keys.Len(), d.numbersIn(&d.s.keyIndex), d.s.keyFree},
	} {
		seen := map[uint32]bool{}
		see := func(n uint32, state string) {
			if seen[n] {
				d.wrong("%s %d is %s, and was seen before", x.what, n, state)
			}
			seen[n] = true
		}
		for _, n := range x.used {
			see(n, "used")
		}
		for n, ok := x.free.Pop(); ok; n, ok = x.free.Pop() {
			see(n, "free")
		}
		if x.what == "member" {
			for m := range x.end {
				if d.s.members.at(m).unused() {
					see(m, "unused")
				}
			}
		}
		if len(seen) != int(x.end) {
			d.wrong("%d of %d numbers of kind %s are used or free", len(seen), x.end, x.what)
		}
	}
}
