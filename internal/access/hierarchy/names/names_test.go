package names_test

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/hierarchy/names"
	"canopy.dev/canopy/internal/foundation/id"
)

// model is the same tree, plainly.
type model map[id.ID]names.Node

func (m model) under(of, top id.ID) bool {
	for {
		if of == top {
			return true
		}
		n, is := m[of]
		if !is || n.Parent == (id.ID{}) {
			return false
		}
		of = n.Parent
	}
}

func (m model) drop(top id.ID) {
	var gone []id.ID
	for of := range m {
		if m.under(of, top) {
			gone = append(gone, of)
		}
	}
	for _, of := range gone {
		delete(m, of)
	}
}

func (m model) find(q names.Query) (ids []id.ID, total int) {
	var found []names.Node
	for _, n := range m {
		part := q.Part == "" || strings.Contains(n.Fold, q.Part) || strings.Contains(n.Slug, q.Part)
		status := q.Status == nil || *q.Status == n.Active
		if part && status && (q.Type == "" || q.Type == n.Type) && (q.Under.IsZero() || m.under(n.ID, q.Under)) {
			found = append(found, n)
		}
	}
	slices.SortFunc(found, func(a, b names.Node) int {
		c := cmp.Compare(a.Fold, b.Fold)
		if q.ByAge {
			c = cmp.Compare(a.Created, b.Created)
		}
		return cmp.Or(c, bytes.Compare(a.ID[:], b.ID[:]))
	})
	if q.Desc {
		slices.Reverse(found)
	}
	for i, n := range found {
		if i >= q.Offset && i < q.Offset+q.Limit {
			ids = append(ids, n.ID)
		}
	}
	return ids, len(found)
}

func (m model) before(of id.ID) (n int) {
	for _, other := range m {
		if other.Parent == m[of].Parent && other.ID != of &&
			cmp.Or(cmp.Compare(other.Fold, m[of].Fold), bytes.Compare(other.ID[:], of[:])) < 0 {
			n++
		}
	}
	return n
}

// TestAnyRunOfChanges keeps the index equal to a plain model, whatever is added, renamed,
// moved and dropped.
func TestAnyRunOfChanges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m, next := model{}, byte(1)
		word := rapid.StringMatching(`[ab]{0,3}(ab|ü)[b]{0,2}`)
		draw := func(of, parent id.ID) names.Node {
			return names.Node{
				ID: of, Parent: parent, Fold: word.Draw(t, "name"), Slug: word.Draw(t, "slug"),
				Type: rapid.SampledFrom([]string{"root", "a", "b"}).Draw(t, "type"), Active: rapid.Bool().Draw(t, "active"),
				Created: rapid.Int64Range(0, 3).Draw(t, "created"),
			}
		}
		pick := func(what string) id.ID {
			ids := make([]id.ID, 0, len(m))
			for of := range m {
				ids = append(ids, of)
			}
			slices.SortFunc(ids, func(a, b id.ID) int { return bytes.Compare(a[:], b[:]) })
			return rapid.SampledFrom(ids).Draw(t, what)
		}
		fresh := func() id.ID {
			next++
			return id.ID{next * 37, next}
		}
		root := id.ID{200}
		m[root] = draw(root, id.ID{})
		for range rapid.IntRange(0, 12).Draw(t, "nodes") {
			n := draw(fresh(), pick("parent"))
			m[n.ID] = n
		}
		rows := make([]names.Node, 0, len(m))
		for _, n := range m {
			rows = append(rows, n)
		}
		x := names.New(rows)
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			of, to := pick("node"), pick("to")
			switch kind := rapid.IntRange(0, 2).Draw(t, "kind"); {
			case kind == 0:
				of, to = fresh(), of
				fallthrough
			case kind == 1:
				if of == root || m.under(to, of) {
					to = m[of].Parent
				}
				m[of] = draw(of, to)
				x.Put(m[of])
			case of != root:
				m.drop(of)
				x.Drop(of)
			}
			x.Drop(id.ID{255})
		}
		if x.Len() != len(m) {
			t.Fatalf("%d nodes, want %d", x.Len(), len(m))
		}
		for of := range m {
			if n, is := x.Before(of); !is || n != m.before(of) {
				t.Fatalf("%v has %d before it, want %d", of, n, m.before(of))
			}
		}
		active := rapid.Bool().Draw(t, "status")
		for _, q := range []names.Query{
			{Limit: 100},
			{Part: "ab", Limit: 3, Offset: 2},
			{Part: "b", Desc: true, Limit: 4},
			{Part: "ü", ByAge: true, Limit: 5, Offset: 1},
			{Under: pick("under"), Limit: 100},
			{Under: pick("under"), Part: "a", Status: &active, ByAge: true, Desc: true, Limit: 2},
			{Type: "a", Limit: 100},
			{Type: "none", Limit: 100},
			{Under: id.ID{255}, Limit: 1},
		} {
			want, all := m.find(q)
			got, total := x.Find(q)
			if total != all || !gocmp.Equal(got, want) {
				t.Fatalf("%+v: %d %v, want %d %v", q, total, got, all, want)
			}
		}
	})
}

// TestTextsOfTheGoneAreLetGo: memory follows what is there, not what has been.
func TestTextsOfTheGoneAreLetGo(t *testing.T) {
	t.Parallel()
	root := names.Node{ID: id.ID{1}, Fold: "root", Slug: "root", Type: "root"}
	x := names.New([]names.Node{root})
	long := strings.Repeat("x", 100)
	for i := range 100_000 {
		of := id.ID{2, byte(i), byte(i >> 8), byte(i >> 16)}
		x.Put(names.Node{ID: of, Parent: root.ID, Fold: long, Slug: long, Type: "a"})
		x.Drop(of)
	}
	if n := x.Bytes(); n > 64<<10 {
		t.Errorf("%d bytes for one node", n)
	}
}
