package ledger_test

import (
	"encoding/binary"
	"math"
	"strconv"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/foundation/id"
)

// many is the row with a number; what lies near each other has distant numbers.
func many(n int, people, nodes, roles []id.ID) ledger.Row {
	r := ledger.Row{
		Identity: people[n%len(people)], Node: nodes[n/7%len(nodes)], Role: roles[n/3%len(roles)],
		From: math.MinInt64, To: math.MaxInt64, Created: int64(n * 7919 % 30_011),
	}
	binary.BigEndian.PutUint32(r.ID[:], uint32(n*2654435761))
	binary.BigEndian.PutUint32(r.ID[4:], uint32(n))
	if n%5 == 0 {
		r.To = int64(n % 11)
	}
	return r
}

// TestManyPieces: rows that come between others, many at once and one by one, and that go
// again, are in their order.
func TestManyPieces(t *testing.T) {
	t.Parallel()
	people, nodes, roles := some(1, 97), some(2, 30), some(3, 12)
	m := &model{rows: map[id.ID]ledger.Row{}, people: map[id.ID]ledger.Person{}, order: roles}
	b := ledger.NewBuilder()
	for n := range 10_000 {
		r := many(n, people, nodes, roles)
		m.rows[r.ID] = r
		b.Row(r)
	}
	for i, who := range people {
		p := ledger.Person{ID: who, Fold: "n" + strconv.Itoa(i%40), Search: "n" + strconv.Itoa(i%40), Counts: i%3 > 0}
		m.people[who] = p
		b.Person(p)
	}
	x := b.Build()
	agree := func() {
		t.Helper()
		for key := range ledger.Access + 1 {
			for _, desc := range []bool{false, true} {
				for _, offset := range []int{0, 9_950, 24_900, 40_000} {
					q := ledger.Query{By: key, Desc: desc, Offset: offset, Limit: 100, RoleOrder: roles, Direct: nodes[4]}
					want, all := m.find(q)
					if got, total := x.Find(q); total != all || !gocmp.Equal(got, want) {
						t.Fatalf("%+v: %d of %d, want %d of %d, or others", q, len(got), total, len(want), all)
					}
				}
			}
		}
	}
	agree()
	put := func(e *ledger.Edit, n int) {
		r := many(n, people, nodes, roles)
		m.rows[r.ID] = r
		e.Put, e.Touched = append(e.Put, r), append(e.Touched, ledger.Touched{ID: r.ID, Identity: r.Identity})
	}
	var all ledger.Edit
	for n := 10_000; n < 30_000; n++ {
		put(&all, n)
	}
	x = x.Apply(all)
	agree()
	for n := 30_000; n < 30_050; n++ {
		var one ledger.Edit
		put(&one, n)
		x = x.Apply(one)
	}
	var gone ledger.Edit
	for n := range 30_000 {
		if r := many(n, people, nodes, roles); n%4 > 0 {
			gone.Touched = append(gone.Touched, ledger.Touched{ID: r.ID, Identity: r.Identity})
			delete(m.rows, r.ID)
		}
	}
	x = x.Apply(gone)
	agree()
	if x.Bytes() < 56*x.Len() || x.Waste() > 0 {
		t.Errorf("%d bytes, waste %d of %d", x.Bytes(), x.Waste(), x.Len())
	}
}
