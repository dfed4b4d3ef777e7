package decide

import (
	"fmt"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
)

// Dump is everything a snapshot holds, in an order and in words that do not
// depend on how it came to be. It also holds every structure against the
// others and says what is wrong with them.
func Dump(s *Snapshot) string {
	d := &dumper{s: s}
	d.keys()
	d.roles()
	d.nodes()
	d.members()
	d.pairs("holder", &s.holders, true)
	d.pairs("bearer", &s.bearers, false)
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

func (d *dumper) wrong(format string, args ...any) { d.line("WRONG: "+format, args...) }

// numbersOf is the numbers that an index leads to.
func (d *dumper) numbersOf(x *index) []uint32 {
	var list []uint32
	for i := range x.buckets.n {
		for b := x.buckets.at(i); b != nil; b = b.more {
			list = append(list, b.slots[:b.n]...)
		}
	}
	if len(list) != x.size {
		d.wrong("index says %d, has %d", x.size, len(list))
	}
	return list
}

// nodeNumbers is the numbers that the plates and the index beside them lead to.
func (d *dumper) nodeNumbers() []uint32 {
	list := d.numbersOf(&d.s.plates.strays)
	for i := range d.s.plates.homes.n {
		for _, p := range d.s.plates.homes.at(i) {
			if p.id == zeroID {
				continue
			}
			if homeOf(hashID(p.id), d.s.plates.homes.n) != i || p.up != *d.s.up.at(p.number) || p.id != *d.s.nodes.at(p.number) {
				d.wrong("the plate of node %d does not say what is so", p.number)
			}
			list = append(list, p.number)
		}
	}
	if len(list) != d.s.plates.size {
		d.wrong("%d nodes are found of %d", len(list), d.s.plates.size)
	}
	return list
}

// memberNumbers is the numbers of the members who sit at home, and of the strays.
func (d *dumper) memberNumbers() []uint32 {
	strays := d.numbersOf(&d.s.members.strays)
	list := slices.Clone(strays)
	for m := range d.s.members.end {
		who := d.s.members.at(m)
		if who.id == zeroID {
			continue
		}
		home := d.s.members.atHome(m, hashID(who.id))
		if home == slices.Contains(strays, m) {
			d.wrong("member %d is at home: %v, and that is not what the index says", m, home)
		}
		if home {
			list = append(list, m)
		}
	}
	if len(list) != d.s.members.size {
		d.wrong("%d members are found of %d", len(list), d.s.members.size)
	}
	return list
}

func (d *dumper) keys() {
	var keys []string
	for _, n := range d.numbersOf(&d.s.byKey) {
		keys = append(keys, *d.s.keys.at(n))
		if m, ok := d.s.keyOf(*d.s.keys.at(n)); !ok || m != n {
			d.wrong("key %d is not found", n)
		}
	}
	slices.Sort(keys)
	d.line("keys %q", keys)
}

func (d *dumper) names(b bitset) []string {
	var keys []string
	for n := range b.all() {
		if *d.s.keys.at(n) == "" {
			d.wrong("role grants the gone key %d", n)
		}
		keys = append(keys, *d.s.keys.at(n))
	}
	slices.Sort(keys)
	return keys
}

func (d *dumper) roles() {
	var lines []string
	for _, n := range d.numbersOf(&d.s.byRole) {
		r := d.s.roles.at(n)
		if m, ok := d.s.roleOf(r.id); !ok || m != n {
			d.wrong("role %d is not found", n)
		}
		lines = append(lines, fmt.Sprintf("role %s %q active=%v %q", r.id, r.name, r.active, d.names(r.grants)))
	}
	slices.Sort(lines)
	d.lines = append(d.lines, lines...)
}

func (d *dumper) nodes() {
	roots := 0
	var lines []string
	numbers := d.nodeNumbers()
	for _, n := range numbers {
		u, up := *d.s.nodes.at(n), d.s.parent(n)
		if m, ok := d.s.nodeOf(u); !ok || m != n {
			d.wrong("node %d is not found", n)
		}
		parent := "none"
		if up == nowhere {
			roots++
			if d.s.root != n {
				d.wrong("root is %d, not %d", d.s.root, n)
			}
		} else {
			parent = d.s.nodes.at(up).String()
		}
		lines = append(lines, fmt.Sprintf("node %s below %s active=%v", u, parent, *d.s.up.at(n)&off == 0))
		var kids []id.ID
		for _, kid := range d.s.childrenOf(n) {
			kids = append(kids, *d.s.nodes.at(kid))
			if d.s.parent(kid) != n {
				d.wrong("%d is a child of %d and lies below %d", kid, n, d.s.parent(kid))
			}
		}
		lines = append(lines, fmt.Sprintf("children %s %s", u, kids))
	}
	if roots == 0 && d.s.root != nowhere || roots > 1 || d.s.children.size != max(len(numbers)-1, 0) {
		d.wrong("%d roots, %d children of %d nodes", roots, d.s.children.size, len(numbers))
	}
	slices.Sort(lines)
	d.lines = append(d.lines, lines...)
	if p := checkTree(&d.s.children); p != "" {
		d.wrong("children: %s", p)
	}
}

func (d *dumper) members() {
	var lines []string
	total := 0
	for _, n := range d.memberNumbers() {
		m := d.s.members.at(n)
		if k, ok := d.s.memberOf(m.id); !ok || k != n {
			d.wrong("member %d is not found", n)
		}
		if len(m.rows) > lightRows || m.few == heavy && (m.rows != nil || m.heavy() == 0) || len(m.rows) > fewRows != (m.few == many) {
			d.wrong("member %d has %d rows and %d heavy ones", n, len(m.rows), m.heavy())
		}
		for i := range min(int(m.few), len(m.rows)) {
			if m.few <= fewRows && (int(m.few) != len(m.rows) || m.nodes[i] != m.rows[i].node ||
				m.roles[i] != inRow && (uint32(m.roles[i]) != m.rows[i].role || m.rows[i].from != Beginning || m.rows[i].to != Forever)) {
				d.wrong("member %d says wrongly where its rows are", n)
			}
		}
		lines = append(lines, fmt.Sprintf("member %s %d", m.id, m.state))
		count := 0
		var last *row
		d.s.eachRow(n, func(r *row) bool {
			count++
			if last != nil && atRow(r.node, r.id)(*last) >= 0 {
				d.wrong("rows of member %d are not in order", n)
			}
			last = r
			for _, pr := range []struct {
				t     *tree[pair]
				owner uint32
			}{{&d.s.holders, r.node}, {&d.s.bearers, r.role}} {
				if _, ok := pr.t.get(d.s.atMember(pr.owner, m.id)); !ok {
					d.wrong("row %s of member %d is in no list of %d", r.id, n, pr.owner)
				}
			}
			lines = append(lines, fmt.Sprintf("assignment %s of %s at %s role %s [%d, %d)",
				r.id, m.id, *d.s.nodes.at(r.node), d.s.roles.at(r.role).id, r.from, r.to))
			return true
		})
		if count != d.s.rowCount(n) {
			d.wrong("member %d says %d rows, has %d", n, d.s.rowCount(n), count)
		}
		total += count
	}
	if total != d.s.assignments {
		d.wrong("%d assignments, not %d", total, d.s.assignments)
	}
	slices.Sort(lines)
	d.lines = append(d.lines, lines...)
	if p := checkTree(&d.s.heavy); p != "" {
		d.wrong("heavy: %s", p)
	}
}

// pairs writes a list of pairs in the order in which it is walked.
func (d *dumper) pairs(what string, t *tree[pair], ofNode bool) {
	var lines []string
	var last pair
	n := 0
	for c := t.start(); ; c.next() {
		p, ok := c.item()
		if !ok {
			break
		}
		if n > 0 && d.s.atMember(p.owner(), d.s.members.at(p.item()).id)(last) >= 0 {
			d.wrong("%s pairs are not in order", what)
		}
		last, n = p, n+1
		has := false
		d.s.eachRow(p.item(), func(r *row) bool {
			has = has || ofNode && r.node == p.owner() || !ofNode && r.role == p.owner()
			return true
		})
		if !has {
			d.wrong("%s pair %x stands for no assignment", what, p)
		}
		owner := d.s.members.at(p.item()).id
		if ofNode {
			lines = append(lines, fmt.Sprintf("%s %s %s", what, *d.s.nodes.at(p.owner()), owner))
		} else {
			lines = append(lines, fmt.Sprintf("%s %s %s", what, d.s.roles.at(p.owner()).id, owner))
		}
	}
	if n != t.size {
		d.wrong("%d %s pairs, not %d", n, what, t.size)
	}
	slices.Sort(lines)
	d.lines = append(d.lines, lines...)
	if p := checkTree(t); p != "" {
		d.wrong("%s: %s", what, p)
	}
}

// numbers checks that every number is in use or free, and never both.
func (d *dumper) numbers() {
	for _, x := range []struct {
		what string
		n    uint32
		used []uint32
		free *vacancy
	}{
		{"node", d.s.nodes.n, d.nodeNumbers(), d.s.nodeFree},
		{"member", d.s.members.end, d.memberNumbers(), d.s.memberFree},
		{"role", d.s.roles.n, d.numbersOf(&d.s.byRole), d.s.roleFree},
		{"key", d.s.keys.n, d.numbersOf(&d.s.byKey), d.s.keyFree},
	} {
		seen := map[uint32]bool{}
		for _, n := range x.used {
			if seen[n] {
				d.wrong("%s %d is twice in the index", x.what, n)
			}
			seen[n] = true
		}
		for v := x.free; v != nil; v = v.next {
			if seen[v.number] {
				d.wrong("%s %d is free and in use", x.what, v.number)
			}
			seen[v.number] = true
		}
		for m := range x.n {
			if x.what == "member" && d.s.members.at(m).empty() {
				if seen[m] {
					d.wrong("seat %d is empty and in use", m)
				}
				seen[m] = true
			}
		}
		if len(seen) != int(x.n) {
			d.wrong("%d of %d %s numbers are known", len(seen), x.n, x.what)
		}
	}
}

// checkTree says what is wrong with the shape of a tree, "" when nothing is.
func checkTree[E comparable](t *tree[E]) string {
	if t.root == nil {
		if t.size != 0 {
			return "no root"
		}
		return ""
	}
	var check func(b *branch[E]) (height int, problem string)
	check = func(b *branch[E]) (int, string) {
		limit := branchLen
		if b.kids != nil {
			limit = branchKids
		}
		if len(b.items) == 0 || len(b.items) > limit {
			return 0, fmt.Sprintf("branch of %d items", len(b.items))
		}
		if b.kids == nil {
			return 1, ""
		}
		if len(b.kids) != len(b.items) {
			return 0, "kids and items do not match"
		}
		height := 0
		for i, kid := range b.kids {
			h, problem := check(kid)
			if problem != "" {
				return 0, problem
			}
			if height != 0 && h != height {
				return 0, "branches of unlike height"
			}
			if height = h; kid.items[0] != b.items[i] {
				return 0, "a branch is not listed by its first item"
			}
		}
		return height + 1, ""
	}
	_, problem := check(t.root)
	return problem
}
