package hierarchy_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// expected are the outcomes that a write may have whatever others do at the same time.
var expected = []error{
	nil, hierarchy.ErrNotFound, hierarchy.ErrCycle, hierarchy.ErrMaxDepth, hierarchy.ErrInvalidParent,
	hierarchy.ErrSlugTaken, hierarchy.ErrRootProtected, hierarchy.ErrSchemaInUse, hierarchy.ErrInvalidType,
}

func refused(err error) bool {
	return slices.ContainsFunc(expected, func(e error) bool { return errors.Is(err, e) })
}

// TestAnyMixKeepsTheTree: whatever many writers do at once, the tree is one.
func TestAnyMixKeepsTheTree(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		ids := []hierarchy.ID{w.root()}
		for i := range 12 {
			ids = append(ids, w.add(ids[i/3], "region", fmt.Sprintf("R%d", i%4)))
		}
		var seed atomic.Uint64
		failed := dbtest.AtOnce(8, func() string {
			r := rand.New(rand.NewPCG(seed.Add(1), 7))
			mine := slices.Clone(ids)
			for range 40 {
				of, to := mine[r.IntN(len(mine))], mine[r.IntN(len(mine))]
				var err error
				switch r.IntN(12) {
				case 0, 1, 2, 3:
					var n hierarchy.Node
					n, err = w.tryAdd(of, []string{"region", "area", "team"}[r.IntN(3)], fmt.Sprintf("N%d", r.IntN(3)))
					if err == nil {
						mine = append(mine, n.ID)
					}
				case 4, 5, 6, 7:
					err = w.move(of, to)
				case 8:
					status := []hierarchy.Status{hierarchy.Active, hierarchy.Inactive}[r.IntN(2)]
					_, err = w.change(of, hierarchy.Change{Status: &status})
				case 9:
					slug := fmt.Sprintf("s%d", r.IntN(4))
					_, err = w.change(of, hierarchy.Change{Slug: &slug})
				case 10:
					err = w.remove(of)
				case 11: // a schema that forbids what may be there
					d := schema()
					d.AllowedChildren["region"] = [][]string{{"region", "area", "team"}, {"region", "team"}}[r.IntN(2)]
					d.MaxDepth = 5 + r.IntN(2)
					err = w.setSchema(d)
				}
				if !refused(err) {
					return err.Error()
				}
			}
			return "ok"
		})
		if diff := cmp.Diff(map[string]int{"ok": 8}, failed); diff != "" {
			t.Error(diff)
		}
		w.sound()
		e, err := w.Schema(t.Context(), w.in)
		w.must(err)
		if err := w.setSchema(hierarchy.Schema(*e.Schema)); err != nil {
			t.Errorf("the stored schema: %v", err)
		}
		s, err := w.Summary(t.Context(), w.in)
		if err != nil || s.Deepest > e.Schema.MaxDepth {
			t.Errorf("%d deep, and %d are allowed: %v", s.Deepest, e.Schema.MaxDepth, err)
		}
		forbidden := `SELECT count(*) FROM node n JOIN node p ON p.id = n.parent_id WHERE n.environment_id = $1
			AND n.deleted_at IS NULL AND p.node_type = 'region' AND n.node_type = 'area'`
		if !slices.Contains(e.Schema.AllowedChildren["region"], "area") && dbtest.Number(t, db, forbidden, w.in.ID) > 0 {
			t.Error("there are nodes that the schema forbids")
		}
	})
}

// crossing moves two nodes below each other at once, through two handles.
func crossing(t *testing.T, a, b *world) {
	t.Helper()
	root := a.root()
	for i := range 20 {
		x, y := a.add(root, "region", fmt.Sprintf("X%d", i)), a.add(root, "region", fmt.Sprintf("Y%d", i))
		var turn atomic.Int32
		got := dbtest.AtOnce(2, func() string {
			if turn.Add(1) == 1 {
				return dbtest.Outcome(a.move(x, y))
			}
			return dbtest.Outcome(b.move(y, x))
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "nodes.cycle": 1}, got); diff != "" {
			t.Fatal(diff)
		}
	}
	a.sound()
}

// TestTwoMovesMakeNoCycle: of two that are legal alone one comes about.
func TestTwoMovesMakeNoCycle(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		crossing(t, w, w)
	})
}

// TestTwoProcessesMakeNoCycle is the same through two processes, which share nothing but the
// store.
func TestTwoProcessesMakeNoCycle(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, database.Postgres)
	var handles []*database.DB
	for range 2 {
		db, err := database.Open(t.Context(), address, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		handles = append(handles, db)
	}
	w := grown(t, handles[0])
	crossing(t, w, w.on(handles[1]))
}

// TestChildOfDeletedParent ends deleted or refused, never live.
func TestChildOfDeletedParent(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		for i := range 20 {
			above := w.add(w.root(), "region", "R")
			parent := w.add(above, "region", "P")
			var turn atomic.Int32
			got := dbtest.AtOnce(4, func() string {
				if turn.Add(1)%2 == 0 {
					return "gone " + dbtest.Outcome(w.remove([]hierarchy.ID{above, parent}[i%2]))
				}
				_, err := w.tryAdd(parent, "team", "T")
				if err == nil || errors.Is(err, hierarchy.ErrNotFound) {
					return "made"
				}
				return err.Error()
			})
			want := map[string]int{"made": 2, "gone ok": 1, "gone nodes.node_not_found": 1}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatal(diff)
			}
		}
		w.sound()
	})
}

// TestSchemaAndCreateTogether never leave a node that the schema forbids.
func TestSchemaAndCreateTogether(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		for range 10 {
			w := grown(t, db)
			narrow := schema()
			narrow.AllowedChildren["company"] = []string{"region"}
			var turn atomic.Int32
			got := dbtest.AtOnce(2, func() string {
				if turn.Add(1) == 1 {
					return dbtest.Outcome(w.setSchema(narrow))
				}
				_, err := w.tryAdd(w.root(), "team", "T")
				return dbtest.Outcome(err)
			})
			if got["ok"] != 1 || got["hierarchy.schema_in_use"]+got["nodes.invalid_parent"] != 1 {
				t.Error(got)
			}
			w.sound()
		}
	})
}

// TestFiftyChangesOfOneVersion: one comes about.
func TestFiftyChangesOfOneVersion(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		of := w.add(w.root(), "region", "East")
		var n atomic.Int32
		got := dbtest.AtOnce(50, func() string {
			name := fmt.Sprintf("Name %d", n.Add(1))
			_, err := w.Update(t.Context(), by, w.in, of, hierarchy.Change{Name: &name}, 1, asIs)
			if f := fault.As(err); f != nil && f.Data.(hierarchy.Node).Version != 2 {
				return "a version that is not the current one"
			}
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "version_conflict": 49}, got); diff != "" {
			t.Error(diff)
		}
	})
}
