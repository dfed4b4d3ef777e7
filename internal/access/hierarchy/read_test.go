package hierarchy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// wild is a tree of one large family, many small ones, and a few deep ones.
func wild(t *testing.T, db *database.DB, n int) *planted {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	depth := []int{1}
	return plant(t, db, n, func(i int) int {
		above := r.IntN(i)
		switch i % 4 {
		case 0:
			above = 0
		case 1:
			above = i / 2
		case 2:
			above = i - 1
		}
		for depth[above] >= 6 {
			above /= 2
		}
		depth = append(depth, depth[above]+1)
		return above
	}, func(i int) string {
		return []string{"Éast", "éast", "Straße", "STRASSE", "Zed", "a%b_c", "山田"}[r.IntN(7)] + strings.Repeat("x", i%3)
	})
}

// TestTreeOrder: the whole tree, its edges and the scope come depth first, siblings by
// folded name and id, whatever pieces they are read in.
func TestTreeOrder(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 2500)
		var want, nodes, edges, children, family []hierarchy.ID
		for _, n := range p.inOrder() {
			if want = append(want, p.ids[n]); p.parents[n] == 0 {
				family = append(family, p.ids[n])
			}
		}
		for _, n := range p.walk(hierarchy.Walk{View: manager}).nodes {
			nodes = append(nodes, n.ID)
		}
		for _, e := range p.edges() {
			edges = append(edges, e.ID)
		}
		p.must(p.Children(t.Context(), p.in, manager, p.ids[0], func(n hierarchy.Node) error {
			children = append(children, n.ID)
			return nil
		}))
		for name, got := range map[string][]hierarchy.ID{"nodes": nodes, "edges": edges} {
			if !slices.Equal(got, want) {
				t.Errorf("%s: %d, want %d, in another order", name, len(got), len(want))
			}
		}
		if !slices.Equal(children, family) {
			t.Errorf("%d children, want %d, in another order", len(children), len(family))
		}
	})
}

// TestEdgesAreLive: an inactive node and all that is below it are left out, also where they
// were read ahead.
func TestEdgesAreLive(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 2000)
		off := map[int]bool{}
		for n := 5; n < 2000; n += 17 {
			off[n] = true
			dbtest.Exec(t, db, `UPDATE node SET status = 'inactive' WHERE id = $1`, p.ids[n])
		}
		var want []edge
		for _, n := range p.inOrder() {
			live := true
			for at := n; at >= 0; at = p.parents[at] {
				live = live && !off[at]
			}
			if !live {
				continue
			}
			e := edge{ID: p.ids[n]}
			if n > 0 {
				e.Parent = p.ids[p.parents[n]]
			}
			want = append(want, e)
		}
		if got := p.edges(); !slices.Equal(got, want) {
			t.Errorf("%d edges, want %d", len(got), len(want))
		}
	})
}

// TestPartsMakeTheTree: to walk down every child count gives the tree.
func TestPartsMakeTheTree(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 800)
		var drawn strings.Builder
		var part func(of hierarchy.ID)
		part = func(of hierarchy.ID) {
			two := p.walk(hierarchy.Walk{View: manager, From: of, Depth: 2})
			drawn.WriteString(two.nodes[0].Name + "(")
			for _, n := range two.nodes[1:] {
				if n.Children == 0 {
					drawn.WriteString(n.Name + "()")
				} else {
					part(n.ID)
				}
			}
			drawn.WriteString(")")
		}
		if part(p.ids[0]); drawn.String() != p.drawn() {
			t.Error("another tree")
		}
	})
}

// TestBranchAndPath agree with the order of siblings, at both ends and in the middle.
func TestBranchAndPath(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 2000)
		var family []hierarchy.ID
		for _, n := range p.inOrder() {
			if p.parents[n] == 0 {
				family = append(family, p.ids[n])
			}
		}
		half, all := len(family)/2, len(family)
		for _, offset := range []int{0, 1, half - 5, half, all - 10, all - 3, all, 1 << 30} {
			rows, count, err := p.Branch(t.Context(), p.in, hierarchy.ID{}, offset, 10)
			var got []hierarchy.ID
			for _, r := range rows {
				got = append(got, r.ID)
			}
			want := family[min(offset, len(family)):min(offset+10, len(family))]
			if err != nil || count != len(family) || !slices.Equal(got, want) {
				t.Errorf("offset %d: %d of %d, %v", offset, len(got), count, err)
			}
		}
		for i, of := range family {
			if i%37 != 0 {
				continue
			}
			rows, err := p.Path(t.Context(), p.in, of)
			is := len(rows) == 2 && rows[0].ID == p.ids[0] && rows[1].ID == of && rows[1].SiblingIndex == i && rows[1].Live
			if err != nil || !is {
				t.Errorf("%d: %+v %v", i, rows, err)
			}
		}
		if _, _, err := p.Branch(t.Context(), p.in, hierarchy.ID{1}, 0, 1); !errors.Is(err, hierarchy.ErrNotFound) {
			t.Error(err)
		}
		if _, err := p.Path(t.Context(), p.in, hierarchy.ID{1}); !errors.Is(err, hierarchy.ErrNotFound) {
			t.Error(err)
		}
	})
}

// TestLive: off is whatever is off or has something above it that is.
func TestLive(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		east := w.add(w.root(), "region", "East")
		inner := w.add(east, "region", "Inner")
		team := w.add(inner, "team", "Team")
		off := hierarchy.Inactive
		_, err := w.change(inner, hierarchy.Change{Status: &off})
		w.must(err)
		rows, err := w.Path(t.Context(), w.in, team)
		w.must(err)
		var got []string
		for _, r := range rows {
			got = append(got, fmt.Sprintf("%s %s %t", r.Name, r.Status, r.Live))
		}
		want := []string{"Lease Desk active true", "East active true", "Inner inactive false", "Team active false"}
		if !slices.Equal(got, want) {
			t.Error(got)
		}
		below, _, err := w.Branch(t.Context(), w.in, inner, 0, 9)
		if err != nil || len(below) != 1 || below[0].Live || below[0].Status != hierarchy.Active {
			t.Errorf("%+v %v", below, err)
		}
		list, err := w.Ancestors(t.Context(), w.in, manager, inner)
		if err != nil || len(list) != 3 || list[0].Name != "Lease Desk" || list[2].ID != inner {
			t.Errorf("%+v %v", list, err)
		}
	})
}

func TestChildrenByPages(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 800)
		for _, q := range []string{"", "STRASSEx", "n-1", "%b_"} {
			var want, got []string
			for _, n := range p.inOrder() {
				fits := strings.Contains(text.Fold(p.names[n]), text.Fold(q)) || strings.Contains(slug(n), q)
				if p.parents[n] == 0 && fits {
					want = append(want, p.names[n])
				}
			}
			count, more := 0, true
			for at := 1; more; at++ {
				list, info, err := p.ChildPage(t.Context(), p.in, manager, p.ids[0], page.Request{Page: at, Take: 7, Q: q})
				p.must(err)
				for _, n := range list {
					got = append(got, n.Name)
				}
				count, more = info.ItemCount, info.HasNextPage
			}
			if !slices.Equal(got, want) || count != len(want) {
				t.Errorf("%q: %d\n%s\n%s", q, count, got, want)
			}
		}
	})
}

// TestSummary counts what there is.
func TestSummary(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 300)
		p.sound()
		s, err := p.Summary(t.Context(), p.in)
		if err != nil || s.Total != 301 || s.Active != 301 || s.Deepest != 6 || s.ByType["region"] != 300 {
			t.Errorf("%+v %v", s, err)
		}
	})
}
