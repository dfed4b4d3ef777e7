package hierarchy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// found walks all pages of a search and gives the numbers of the nodes, in their order.
func (p *planted) found(q hierarchy.Query, take int) (list []int) {
	p.t.Helper()
	number := map[hierarchy.ID]int{}
	for n, of := range p.ids {
		number[of] = n
	}
	for at := 1; ; at++ {
		q.Page, q.Take = at, take
		hits, info, err := p.Search(p.t.Context(), p.in, q)
		p.must(err)
		for _, h := range hits {
			n := number[h.ID]
			list = append(list, n)
			var path []hierarchy.ID
			for ; n >= 0; n = p.parents[n] {
				path = append(path, p.ids[n])
			}
			slices.Reverse(path)
			var got []hierarchy.ID
			for _, s := range h.Path {
				got = append(got, s.ID)
			}
			if !slices.Equal(got, path) {
				p.t.Errorf("the path of %s is %v, want %v", h.Name, got, path)
			}
		}
		if !info.HasNextPage {
			if info.ItemCount != len(list) {
				p.t.Errorf("%d items, and %d were found", info.ItemCount, len(list))
			}
			return list
		}
	}
}

// TestSearchFindsWhatFits, by every mixture of what it may be asked, in the database and in
// memory.
func TestSearchFindsWhatFits(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		p := wild(t, db, 400)
		off := map[int]bool{}
		for n := 3; n <= 400; n += 5 {
			off[n] = true
			dbtest.Exec(t, db, `UPDATE node SET status = 'inactive' WHERE id = $1`, p.ids[n])
		}
		dbtest.Exec(t, db, `UPDATE tally SET n = $1 WHERE kind = 'status' AND environment_id = $2`, 401-len(off), p.in.ID)
		dbtest.Exec(t, db, `INSERT INTO tally (environment_id, kind, item, n) VALUES ($1, 'status', 'inactive', $2)`,
			p.in.ID, len(off))
		small, below := 0, make([]int, len(p.ids))
		for n := len(p.ids) - 1; n > 0; n-- {
			if below[p.parents[n]] += below[n] + 1; below[n] > 3 && below[n] < 12 {
				small = n
			}
		}
		held := &planted{p.on(db), p.ids, p.parents, p.names}
		held.must(held.Load(t.Context(), held.in))
		ids := []hierarchy.ID{p.ids[7], p.ids[8], {1}, p.ids[7]}
		for _, q := range []string{"", "strasse", "n-1", "none"} {
			for _, status := range []hierarchy.Status{"", hierarchy.Active, hierarchy.Inactive} {
				for _, nodeType := range []string{"", "region", "company"} {
					for _, under := range []int{-1, small, 0, 8} {
						for _, only := range [][]hierarchy.ID{nil, ids} {
							s := hierarchy.Query{Type: nodeType, Status: status, IDs: only}
							s.Q, s.Sort = q, hierarchy.Sorts[0]
							if under >= 0 {
								s.Under = p.ids[under]
							}
							var want []int
							for n := range p.ids {
								fits := strings.Contains(text.Fold(p.names[n]), text.Fold(q)) ||
									strings.Contains(slug(n), q)
								fits = fits && (status == "" || off[n] == (status == hierarchy.Inactive))
								fits = fits && (nodeType == "" || (n == 0) == (nodeType == "company"))
								fits = fits && (only == nil || slices.Contains(only, p.ids[n]))
								if fits && under >= 0 {
									at := n
									for at >= 0 && at != under {
										at = p.parents[at]
									}
									fits = at >= 0
								}
								if fits {
									want = append(want, n)
								}
							}
							p.sorted(want)
							for where, p := range map[string]*planted{"database": p, "memory": held} {
								if got := p.found(s, 100); !slices.Equal(got, want) {
									t.Errorf("%s: %q %s %s under %d of %d: %d, want %d",
										where, q, status, nodeType, under, len(only), len(got), len(want))
								}
							}
						}
					}
				}
			}
		}
	})
}

func slug(n int) string {
	if n == 0 {
		return "lease-desk"
	}
	return fmt.Sprintf("n-%d", n)
}

func (p *planted) sorted(list []int) {
	slices.SortFunc(list, func(a, b int) int {
		if c := text.Compare(p.names[a], p.names[b]); c != 0 {
			return c
		}
		return strings.Compare(p.ids[a].String(), p.ids[b].String())
	})
}

// TestSearchOrder: by name and by age, in both directions, in pages of any size.
func TestSearchOrder(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		p := &planted{world: w, ids: []hierarchy.ID{w.root()}, parents: []int{-1}, names: []string{"Lease Desk"}}
		for _, name := range []string{"b", "A", "C", "a", "B"} {
			p.ids = append(p.ids, w.add(p.ids[0], "region", name))
			p.parents, p.names = append(p.parents, 0), append(p.names, name)
		}
		byAge := []int{0, 1, 2, 3, 4, 5}
		byName := slices.Clone(byAge)
		p.sorted(byName)
		for _, take := range []int{1, 2, 5, 6, 7} {
			for i, want := range [][]int{byName, byAge} {
				for _, desc := range []bool{false, true} {
					for _, q := range []string{"", "e", "a"} {
						s := hierarchy.Query{Request: page.Request{Sort: hierarchy.Sorts[i], Desc: desc, Q: q}}
						list := slices.DeleteFunc(slices.Clone(want), func(n int) bool {
							return !strings.Contains(text.Fold(p.names[n]), q)
						})
						if desc {
							slices.Reverse(list)
						}
						if got := p.found(s, take); !slices.Equal(got, list) {
							t.Errorf("%s desc %v by %d of %q: %v, want %v", hierarchy.Sorts[i].Key, desc, take, q, got, list)
						}
					}
				}
			}
		}
	})
}

// TestPathsLeadToNodes: exactly, from the root's own slug on.
func TestPathsLeadToNodes(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		east := w.add(w.root(), "region", "East")
		inner := w.add(east, "region", "Inner")
		w.must(w.remove(w.add(inner, "team", "Gone")))
		s := hierarchy.Query{
			Request: page.Request{Page: 1, Take: 20, Sort: hierarchy.Sorts[0]},
			Paths: []string{
				"lease-desk/east/inner", "lease-desk", "lease-desk", "east", "", "/", "lease-desk/", "lease-desk/east/inner/gone",
				"lease-desk/East", "lease-desk//inner", "root/east", strings.Repeat("lease-desk/", 50),
			},
		}
		hits, info, err := w.Search(t.Context(), w.in, s)
		var got []string
		for _, h := range hits {
			got = append(got, h.Name+"="+h.Matched)
		}
		want := []string{"Inner=lease-desk/east/inner", "Lease Desk=lease-desk"}
		if err != nil || !slices.Equal(got, want) || info.ItemCount != 2 {
			t.Error(got, info, err)
		}
		s.IDs = []hierarchy.ID{inner, east}
		if hits, _, err := w.Search(t.Context(), w.in, s); err != nil || len(hits) != 1 || hits[0].ID != inner {
			t.Errorf("%+v %v", hits, err)
		}
	})
}
