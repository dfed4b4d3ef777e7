package ledger_test

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/foundation/id"
)

// model is the same assignments, plainly.
type model struct {
	rows   map[id.ID]ledger.Row
	people map[id.ID]ledger.Person
	order  []id.ID // roles by name
}

func (m *model) state(r ledger.Row, now int64) ledger.State {
	switch {
	case now < r.From:
		return ledger.Scheduled
	case r.To == math.MaxInt64 || now < r.To:
		return ledger.Active
	}
	return ledger.Expired
}

func (m *model) fits(r ledger.Row, q ledger.Query) bool {
	return strings.Contains(m.people[r.Identity].Search, q.Part) &&
		(q.Identity.IsZero() || q.Identity == r.Identity) && (q.Role.IsZero() || q.Role == r.Role) &&
		(q.Nodes == nil || slices.Contains(q.Nodes, r.Node)) && (q.State == ledger.Any || m.state(r, q.Now) == q.State) &&
		(q.Until == nil || r.To <= *q.Until && r.To != math.MaxInt64)
}

func (m *model) compare(a, b ledger.Row, q ledger.Query) int {
	c := 0
	switch q.By {
	case ledger.Created:
		c = cmp.Compare(a.Created, b.Created)
	case ledger.Name:
		c = cmp.Compare(m.people[a.Identity].Fold, m.people[b.Identity].Fold)
	case ledger.Role:
		c = cmp.Compare(slices.Index(q.RoleOrder, a.Role), slices.Index(q.RoleOrder, b.Role))
	case ledger.End:
		c = cmp.Compare(a.To, b.To)
	case ledger.Access:
		c = cmp.Compare(access(a, q), access(b, q))
	}
	c = cmp.Or(c, bytes.Compare(a.ID[:], b.ID[:]))
	if q.Desc {
		c = -c
	}
	return c
}

func access(r ledger.Row, q ledger.Query) int {
	if r.Node == q.Direct {
		return 0
	}
	return 1
}

func (m *model) find(q ledger.Query) (ids []id.ID, total int) {
	var rows []ledger.Row
	for _, r := range m.rows {
		if m.fits(r, q) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b ledger.Row) int { return m.compare(a, b, q) })
	for i, r := range rows {
		if i >= q.Offset && i < q.Offset+q.Limit {
			ids = append(ids, r.ID)
		}
	}
	return ids, len(rows)
}

func (m *model) count(nodes []id.ID, now, soon int64) (c ledger.Counts) {
	roles := map[id.ID]bool{}
	for _, r := range m.rows {
		if nodes != nil && !slices.Contains(nodes, r.Node) {
			continue
		}
		roles[r.Role] = true
		switch m.state(r, now) {
		case ledger.Scheduled:
			c.Scheduled++
		case ledger.Expired:
			c.Expired++
		default:
			c.Active++
			if r.To <= soon && r.To != math.MaxInt64 {
				c.EndingSoon++
			}
		}
	}
	c.Roles = len(roles)
	return c
}

// holders are those who count and hold something at a node.
func (m *model) holders(at id.ID, now int64) map[id.ID]bool {
	found := map[id.ID]bool{}
	for _, r := range m.rows {
		if r.Node == at && m.people[r.Identity].Counts && m.state(r, now) == ledger.Active {
			found[r.Identity] = true
		}
	}
	return found
}

func (m *model) newest(nodes []id.ID, most int) (people []id.ID) {
	rows, _ := m.find(ledger.Query{Nodes: nodes, Desc: true, Limit: len(m.rows)})
	for _, of := range rows {
		if who := m.rows[of].Identity; len(people) < most && !slices.Contains(people, who) {
			people = append(people, who)
		}
	}
	return people
}

// some makes ids of a kind.
func some(kind byte, n int) []id.ID {
	ids := make([]id.ID, n)
	for i := range ids {
		ids[i] = id.ID{kind, byte(i*37 + 1), byte(i)}
	}
	return ids
}

// draws are what a random world is made of.
type draws struct {
	t                    *rapid.T
	people, nodes, roles []id.ID
	next                 int
}

func (d *draws) person(of id.ID) ledger.Person {
	name := rapid.StringMatching(`[ab]{1,2}(x|ß)?`).Draw(d.t, "name")
	return ledger.Person{ID: of, Fold: name, Search: "a@b\n" + name, Counts: rapid.Bool().Draw(d.t, "counts")}
}

func (d *draws) row() ledger.Row {
	d.next++
	r := ledger.Row{
		ID: id.ID{9, byte(d.next * 91), byte(d.next), byte(d.next >> 8)}, Identity: d.pick(d.people), Node: d.pick(d.nodes),
		Role: d.pick(d.roles), Created: rapid.Int64Range(0, 5).Draw(d.t, "created"),
	}
	d.window(&r)
	return r
}

func (d *draws) window(r *ledger.Row) {
	r.From, r.To = math.MinInt64, math.MaxInt64
	if rapid.Bool().Draw(d.t, "begins") {
		r.From = rapid.Int64Range(0, 4).Draw(d.t, "from")
	}
	if rapid.Bool().Draw(d.t, "ends") {
		r.To = rapid.Int64Range(5, 9).Draw(d.t, "to")
	}
}

func (d *draws) pick(of []id.ID) id.ID { return rapid.SampledFrom(of).Draw(d.t, "id") }

// edit draws what becomes different, in the model too.
func (d *draws) edit(m *model) (e ledger.Edit) {
	touch := func(r ledger.Row) { e.Touched = append(e.Touched, ledger.Touched{ID: r.ID, Identity: r.Identity}) }
	put := func(r ledger.Row) {
		touch(r)
		e.Put = append(e.Put, r)
		m.rows[r.ID] = r
		if _, known := m.people[r.Identity]; !known {
			m.people[r.Identity] = d.person(r.Identity)
			e.People = append(e.People, m.people[r.Identity])
		}
	}
	drop := func(gone func(ledger.Row) bool) {
		for of, r := range m.rows {
			if gone(r) {
				delete(m.rows, of)
			}
		}
	}
	switch rapid.IntRange(0, 7).Draw(d.t, "edit") {
	case 0, 1:
		for range rapid.IntRange(1, 4).Draw(d.t, "new") {
			put(d.row())
		}
	case 2:
		for _, of := range sorted(m.rows) {
			if r := m.rows[of]; rapid.IntRange(0, 3).Draw(d.t, "change") == 0 {
				d.window(&r)
				r.Role = d.pick(d.roles)
				put(r)
			}
		}
	case 3:
		for _, of := range sorted(m.rows) {
			if rapid.IntRange(0, 2).Draw(d.t, "drop") == 0 {
				touch(m.rows[of])
				delete(m.rows, of)
			}
		}
	case 4:
		who := d.pick(d.people)
		if _, known := m.people[who]; known {
			m.people[who] = d.person(who)
			e.People = append(e.People, m.people[who])
		}
	case 5:
		who, role := d.pick(d.people), d.pick(d.roles)
		e.GonePeople, e.GoneRoles = []id.ID{who}, []id.ID{role}
		drop(func(r ledger.Row) bool { return r.Identity == who || r.Role == role })
	case 6:
		e.GoneNodes = []id.ID{d.pick(d.nodes), {255}}
		drop(func(r ledger.Row) bool { return r.Node == e.GoneNodes[0] })
	default:
		e.Nodes = map[id.ID]bool{d.pick(d.nodes): true, d.pick(d.nodes): true, d.pick(d.nodes): true}
		drop(func(r ledger.Row) bool { return !e.Nodes[r.Node] })
	}
	return e
}

func sorted(rows map[id.ID]ledger.Row) []id.ID {
	ids := make([]id.ID, 0, len(rows))
	for of := range rows {
		ids = append(ids, of)
	}
	slices.SortFunc(ids, func(a, b id.ID) int { return bytes.Compare(a[:], b[:]) })
	return ids
}

// query draws a question.
func (d *draws) query(m *model) ledger.Query {
	maybe := func(ids []id.ID) id.ID { return d.pick(append([]id.ID{{}, {}, {}, {255}}, ids...)) }
	q := ledger.Query{
		Part: rapid.SampledFrom([]string{"", "", "b", "ß", "a@b", "none"}).Draw(d.t, "part"), Identity: maybe(d.people),
		Role: maybe(d.roles), State: ledger.State(rapid.IntRange(0, 3).Draw(d.t, "state")),
		Now: rapid.Int64Range(-1, 10).Draw(d.t, "now"), By: ledger.Key(rapid.IntRange(0, 4).Draw(d.t, "key")),
		RoleOrder: m.order, Direct: d.pick(d.nodes), Desc: rapid.Bool().Draw(d.t, "desc"),
		Offset: rapid.IntRange(0, 4).Draw(d.t, "offset"), Limit: rapid.IntRange(1, 6).Draw(d.t, "limit"),
	}
	if rapid.Bool().Draw(d.t, "at nodes") {
		q.Nodes = []id.ID{d.pick(d.nodes), d.pick(d.nodes), {255}}
	}
	if rapid.IntRange(0, 3).Draw(d.t, "until") == 0 {
		until := rapid.Int64Range(4, 10).Draw(d.t, "end")
		q.Until = &until
	}
	return q
}

// agree holds that an index and a model say the same.
func (d *draws) agree(x *ledger.Index, m *model) {
	if x.Len() != len(m.rows) {
		d.t.Fatalf("%d assignments, want %d", x.Len(), len(m.rows))
	}
	for range 6 {
		q := d.query(m)
		want, all := m.find(q)
		if got, total := x.Find(q); total != all || !gocmp.Equal(got, want) {
			d.t.Fatalf("%+v: %d %v, want %d %v", q, total, got, all, want)
		}
		if got, want := x.Count(q.Nodes, q.Now, q.Now+2), m.count(q.Nodes, q.Now, q.Now+2); got != want {
			d.t.Fatalf("at %v: %+v, want %+v", q.Nodes, got, want)
		}
		if got, want := x.Newest(q.Nodes, 3), m.newest(q.Nodes, 3); !gocmp.Equal(got, want) {
			d.t.Fatalf("newest at %v: %v, want %v", q.Nodes, got, want)
		}
		d.holders(x, m, q.Now)
	}
}

// holders goes down some nodes and up again, one below another.
func (d *draws) holders(x *ledger.Index, m *model, now int64) {
	way := append(slices.Clone(d.nodes[:rapid.IntRange(1, len(d.nodes)).Draw(d.t, "depth")]), id.ID{255})
	sets, walk := x.Holders(way, now), x.Walk(now)
	above, union := map[id.ID]bool{}, ledger.People{}
	for round := range 2 {
		for i, at := range way {
			here := m.holders(at, now)
			if direct, inherited := walk.Enter(at); direct != len(here) || inherited != len(above) {
				d.t.Fatalf("%d at %d of %v, %d above; want %d, %d", direct, i, way, inherited, len(here), len(above))
			}
			if sets[i].Len() != len(here) || union.Len() != len(above) {
				d.t.Fatalf("%d at %d of %v, %d above; want %d, %d", sets[i].Len(), i, way, union.Len(), len(here), len(above))
			}
			union = union.With(sets[i])
			for who := range here {
				above[who] = true
			}
		}
		for range way {
			walk.Leave()
		}
		if round == 0 {
			above, union = map[id.ID]bool{}, ledger.People{}
		}
	}
}

// TestAnyRunOfChanges keeps indexes equal to a plain model, whatever is given, changed and
// taken; and those of before stay what they were.
func TestAnyRunOfChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := &draws{t: t, people: some(1, 5), nodes: some(2, 4), roles: some(3, 3)}
		m := &model{rows: map[id.ID]ledger.Row{}, people: map[id.ID]ledger.Person{}, order: d.roles}
		b := ledger.NewBuilder()
		for range rapid.IntRange(0, 10).Draw(t, "rows") {
			r := d.row()
			m.rows[r.ID] = r
			b.Row(r)
		}
		for _, who := range b.Strangers() {
			m.people[who] = d.person(who)
		}
		for _, p := range m.people {
			b.Person(p)
		}
		b.Person(ledger.Person{ID: id.ID{254}, Search: "nobody"})
		x := b.Build()
		for range rapid.IntRange(0, 6).Draw(t, "edits") {
			q := d.query(m)
			before, total := x.Find(q)
			old := x
			x = x.Apply(d.edit(m))
			if again, n := old.Find(q); n != total || !gocmp.Equal(again, before) {
				t.Fatalf("%+v changed from %v to %v", q, before, again)
			}
			d.agree(x, m)
		}
		d.agree(x, m)
	})
}
