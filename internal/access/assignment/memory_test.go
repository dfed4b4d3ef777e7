package assignment_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// everything asks for what only memory answers: all that is active, by name.
func everything(take int) assignment.Query {
	q := assignment.Query{Request: firstPage(assignment.Sorts[1:], take), State: assignment.Active}
	return q
}

// TestListsWhileOthersWrite: whoever writes meanwhile, a list, its number and its summary are
// each of one moment, and a write that was answered is in every list that is asked for later.
func TestListsWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.tree.Holders = w.grants
		reader, north := w.role("Reader"), w.node(w.root, "North")
		other := &assignment.Service{DB: db}
		var all sync.WaitGroup
		var done atomic.Int32
		for i := range 4 {
			ann := w.person(string(rune('a' + i)))
			all.Go(func() {
				defer done.Add(1)
				for range 15 {
					a, err := w.give(ann, north, reader)
					if err != nil {
						t.Error(err)
						return
					}
					for _, grants := range []*assignment.Service{w.grants, other} {
						q := everything(100)
						q.Identity = ann
						if _, info, err := grants.List(t.Context(), w.in, q); err != nil || info.ItemCount != 1 {
							t.Errorf("%d, %v, after one was given", info.ItemCount, err)
						}
					}
					if err := w.grants.Remove(t.Context(), alex, w.in, a.ID); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 2 {
			all.Go(func() {
				for done.Load() < 4 {
					rows, info, err := w.grants.List(t.Context(), w.in, everything(100))
					if err != nil || info.ItemCount != len(rows) {
						t.Errorf("%d rows of %d, %v", len(rows), info.ItemCount, err)
					}
					n, err := w.grants.SummaryAt(t.Context(), w.in, north)
					if err != nil || n.Direct != n.Active || len(n.Recent) != n.Active {
						t.Errorf("%+v, %v", n, err)
					}
					if _, _, err := w.tree.Branch(t.Context(), w.in, hierarchy.ID{}, 0, 10); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
}

// TestListsStandForTheirStore: what can't be followed is read anew, also where the store was
// set back behind what is held.
func TestListsStandForTheirStore(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader := w.person("Ann"), w.role("Reader")
		a := w.given(ann, w.root, reader)
		count := func() int {
			_, info, err := w.grants.List(t.Context(), w.in, everything(1))
			w.must(err)
			return info.ItemCount
		}
		run := func(statements ...string) {
			t.Helper()
			for _, statement := range statements {
				dbtest.Do(t, db, func(tx *database.Tx) error {
					_, err := tx.Exec(t.Context(), statement)
					return err
				})
			}
		}
		if n := count(); n != 1 {
			t.Errorf("%d", n)
		}
		w.given(ann, w.node(w.root, "North"), reader)
		run(`DELETE FROM change`)
		if n := count(); n != 2 {
			t.Errorf("%d after changes were swept", n)
		}
		w.must(w.grants.Remove(t.Context(), alex, w.in, a.ID))
		if n := count(); n != 1 {
			t.Errorf("%d after a removal", n)
		}
		run(`UPDATE revision SET revision = revision - 1, stamp = 'another'`, `DELETE FROM change`, `DELETE FROM assignment`)
		if n := count(); n != 0 {
			t.Errorf("%d in a store that was set back", n)
		}
		run(`UPDATE revision SET stamp = 'a third'`)
		if n := count(); n != 0 || w.grants.Books() != 1 {
			t.Errorf("%d in a store that was exchanged, %d are held", n, w.grants.Books())
		}
	})
}

// TestMemoryIsBounded: what was used longest ago is let go of, and read again when it is asked
// for; an Environment that there is not is nowhere.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.given(w.person("Ann"), w.root, w.role("Reader"))
		w.grants.Memory = 1
		for range 2 {
			for in, want := range map[scope.Environment]int{w.in: 1, w.other: 0} {
				_, info, err := w.grants.List(t.Context(), in, everything(1))
				if err != nil || info.ItemCount != want || w.grants.Books() != 1 {
					t.Errorf("%d, %v; %d are held", info.ItemCount, err, w.grants.Books())
				}
			}
		}
		nowhere := w.in
		nowhere.ID = scope.EnvironmentID{1}
		if _, err := w.grants.Summary(t.Context(), nowhere); !errors.Is(err, environment.ErrNotFound) {
			t.Errorf("of nowhere: %v", err)
		}
		if err := w.grants.Ready(t.Context(), nowhere); err != nil || w.grants.Books() != 1 {
			t.Errorf("%v; %d are held", err, w.grants.Books())
		}
		left, leave := context.WithCancel(t.Context())
		leave()
		if _, err := w.grants.Summary(left, w.other); !errors.Is(err, context.Canceled) {
			t.Errorf("for somebody who has left: %v", err)
		}
	})
}

// TestFarBehind: a ledger that is far behind is read anew, and right.
func TestFarBehind(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader := w.person("Ann"), w.role("Reader")
		count := func() int {
			_, info, err := w.grants.List(t.Context(), w.in, everything(1))
			w.must(err)
			return info.ItemCount
		}
		if n := count(); n != 0 {
			t.Errorf("%d", n)
		}
		nodes := w.plant(w.root, 1200)
		for piece := range 3 {
			rows := make([]assignment.Draft, 400)
			for i := range rows {
				at := nodes[400*piece+i]
				rows[i] = assignment.Draft{IdentityID: ann.String(), NodeID: at.String(), RoleID: reader.String()}
			}
			_, err := w.grants.BulkCreate(t.Context(), alex, w.in, rows, len(rows))
			w.must(err)
		}
		if n := count(); n != 1200 {
			t.Errorf("%d of 1200", n)
		}
		w.deleteNode(nodes[7])
		if n := count(); n != 1199 {
			t.Errorf("%d of 1199", n)
		}
	})
}
