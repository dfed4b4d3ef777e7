package hierarchy_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// answers are what a search tells: ids in their order, and the count.
func (w *world) answers(q hierarchy.Query) string {
	w.t.Helper()
	hits, info, err := w.Search(w.t.Context(), w.in, q)
	w.must(err)
	told := []any{info.ItemCount}
	for _, h := range hits {
		told = append(told, h.ID, h.Name, h.Version, len(h.Path))
	}
	return fmt.Sprintln(told...)
}

func (w *world) holds() bool {
	w.t.Helper()
	is, err := w.Holds(w.t.Context(), w.in)
	w.must(err)
	return is
}

// TestHeldNamesFollow: after any run of writes, by this process or another, a search in
// memory finds what a search in the database finds.
func TestHeldNamesFollow(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		rapid.Check(t, func(r *rapid.T) {
			w := grown(t, db)
			all := []hierarchy.ID{w.root()}
			for i := range 6 {
				all = append(all, w.add(all[0], "region", fmt.Sprintf("Region %d", i)))
			}
			w.must(w.Load(t.Context(), w.in))
			other := w.on(db)
			for i := range rapid.IntRange(3, 15).Draw(r, "steps") {
				of := rapid.SampledFrom(all).Draw(r, "of")
				name := rapid.SampledFrom([]string{"Abc", "bcd", "ÄBC"}).Draw(r, "name") + strconv.Itoa(i)
				switch rapid.IntRange(0, 5).Draw(r, "what") {
				case 0, 1:
					if n, err := other.tryAdd(of, "area", name); err == nil {
						all = append(all, n.ID)
					}
				case 2:
					_, _ = other.change(of, hierarchy.Change{Name: &name})
				case 3:
					slug := fmt.Sprintf("bc-%d", i)
					off := hierarchy.Inactive
					_, _ = other.change(of, hierarchy.Change{Slug: &slug, Status: &off})
				case 4:
					_ = other.move(of, rapid.SampledFrom(all).Draw(r, "to"))
				case 5:
					_ = other.remove(of)
				}
				if rapid.Bool().Draw(r, "waits") {
					continue // several changes are followed at once
				}
				if !w.holds() {
					r.Fatal("the names are not held any more")
				}
				for _, q := range []hierarchy.Query{
					{Request: page.Request{Q: "bc"}},
					{Request: page.Request{Q: "äbc", Desc: true}, Status: hierarchy.Active},
					{Request: page.Request{Q: "region", Sort: hierarchy.Sorts[1]}, Type: "region"},
					{Under: rapid.SampledFrom(all).Draw(r, "under")},
				} {
					q.Page, q.Take = 1, 4
					if q.Sort.Key == "" {
						q.Sort = hierarchy.Sorts[0]
					}
					if diff := cmp.Diff(other.answers(q), w.answers(q)); diff != "" {
						r.Fatalf("%+v (- database, + memory):\n%s", q, diff)
					}
				}
			}
		})
	})
}

// TestNamesAreLoadedForLargeTrees, beside the search that wants them; a small tree is left
// to the database.
func TestNamesAreLoadedForLargeTrees(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		small := wild(t, db, 10)
		large := wild(t, db, hierarchy.FewNames+50)
		large.Service = small.Service
		ctx, end := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			small.Follow(ctx, func(err error) { t.Error(err) })
		}()
		q := hierarchy.Query{Request: page.Request{Page: 2, Take: 50, Q: "n-", Sort: hierarchy.Sorts[0]}}
		want := large.answers(q)
		small.answers(q)
		for deadline := time.Now().Add(time.Minute); !large.holds(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the names were never loaded")
			}
		}
		if got := large.answers(q); got != want {
			t.Errorf("from memory %s, want %s", got, want)
		}
		if small.holds() {
			t.Error("a small tree is held")
		}
		end()
		<-done
		for _, n := range []int{1, 50, len(large.ids) - 1} {
			rows, err := large.Path(t.Context(), large.in, large.ids[n])
			large.must(err)
			siblings := slices.DeleteFunc(large.inOrder(), func(i int) bool { return large.parents[i] != large.parents[n] })
			before := slices.Index(siblings, n)
			if got := rows[len(rows)-1].SiblingIndex; got != before {
				t.Errorf("node %d has %d siblings before it, want %d", n, got, before)
			}
		}
	})
}

// TestNamesThatCannotBeFollowed are let go of, and the database answers.
func TestNamesThatCannotBeFollowed(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"changes were swept":     `DELETE FROM change`,
		"the store was restored": `UPDATE change SET stamp_before = 'other'`,
		"too much was changed":   `UPDATE change SET kind = 'reload', body = NULL, subject_id = NULL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
				t.Parallel()
				w := grown(t, db)
				w.must(w.Load(t.Context(), w.in))
				w.add(w.root(), "region", "North")
				dbtest.Exec(t, db, lose)
				q := hierarchy.Query{Request: page.Request{Page: 1, Take: 5, Q: "north", Sort: hierarchy.Sorts[0]}}
				if w.holds() {
					t.Error("the names are held on")
				}
				if got, want := w.answers(q), w.on(db).answers(q); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			})
		})
	}
}
