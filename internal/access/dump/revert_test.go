package dump_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// window begins and ends so many days from now; 0 is an open end.
func (w *world) window(from, to int) assignment.Window {
	is, now := assignment.Always, w.db.Now()
	if from != 0 {
		is.From = decide.Instant(now.AddDate(0, 0, from).UnixMicro())
	}
	if to != 0 {
		is.To = decide.Instant(now.AddDate(0, 0, to).UnixMicro())
	}
	return is
}

// organization turns a node into one of the product's own.
func (w *world) organization(of hierarchy.ID) {
	w.t.Helper()
	dbtest.Exec(w.t, w.db, `UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, of)
	dbtest.Exec(w.t, w.db, `UPDATE tally SET n = n - 1 WHERE environment_id = $1 AND kind = 'type' AND item = 'region'`,
		w.dev.ID)
	dbtest.Exec(w.t, w.db, `INSERT INTO tally (environment_id, kind, item, n)
		VALUES ($1, 'type', 'canopy:organization', 1)`, w.dev.ID)
}

func TestRevert(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		root, north, bremen, south := w.small()
		dead := w.node(w.dev, south, "team", "Dead")
		org := w.node(w.dev, root, "region", "Org")
		within := w.node(w.dev, org, "region", "Within")
		status := hierarchy.Inactive
		w.must(w.update(w.dev, south, hierarchy.Change{Status: &status}))
		agent, reader := w.role(w.dev, "A"), w.role(w.dev, "B")
		ann, bob, cid := w.person(w.dev, "Ann"), w.person(w.dev, "Bob"), w.person(w.dev, "Cid")
		w.give(w.dev, ann, root, agent, w.window(-1, 5)) // the oldest of its group, at the root
		w.give(w.dev, ann, north, agent, w.window(-9, 2))
		w.give(w.dev, ann, bremen, agent, w.window(1, 9))
		w.give(w.dev, ann, dead, agent)
		w.give(w.dev, ann, bremen, reader, w.window(-3, 3)) // alone
		w.give(w.dev, bob, bremen, agent, w.window(-3, 1))  // the oldest, below the root
		w.give(w.dev, bob, root, agent, w.window(2, 0))
		w.give(w.dev, bob, south, reader)
		w.give(w.dev, cid, root, reader) // stays as it is
		w.give(w.dev, cid, org, agent)
		w.give(w.dev, cid, within, agent, w.window(-9, -1)) // apart, though past its end
		w.give(w.dev, cid, north, agent, w.window(-9, -1))
		w.organization(org)
		w.quiet()
		before := w.assignments(w.dev)
		r, err := w.Revert(t.Context(), alex, w.dev)
		w.must(err)
		want := dump.Reverted{
			Moved: 3, Deduplicated: 3, Expired: 1, Inactive: 2, NodesDeleted: 4, SchemaCleared: true,
		}
		if diff := cmp.Diff(want, r); diff != "" {
			t.Error(diff)
		}
		var got []string
		for _, a := range w.assignments(w.dev) {
			for i, b := range before {
				if a.id == b.id {
					got = append(got, fmt.Sprint(i, " ", a.node == root.String(), a.born == b.born))
				}
			}
		}
		if len(before) != len(got)+r.Deduplicated+r.Expired+r.Inactive || len(got) != 6 {
			t.Errorf("%d of %d are left: %v", len(got), len(before), got)
		}
		w.sound(w.dev)
		w.spans(ann, agent.String(), w.window(-9, 9))
		w.spans(bob, agent.String(), w.window(-3, 0))
		w.spans(ann, reader.String(), w.window(-3, 3))
		nodes := w.nodes(w.dev)
		if len(nodes) != 1 || nodes[0].ID != root || nodes[0].Type != "root" || nodes[0].Name != "Desk" {
			t.Errorf("%+v", nodes)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM node WHERE environment_id = $1 AND deleted_at IS NULL`,
			w.dev.ID); n != 3 {
			t.Errorf("%d nodes are left, of which two are an organization's", n)
		}
		const told = `environment.reverted_to_flat {"assignments_moved":3,"assignments_deduplicated":3,` +
			`"assignments_expired_dropped":1,"assignments_inactive_dropped":2,"nodes_deleted":4,"schema_cleared":true} ` +
			`hierarchy_schema.updated {"node_types":[],"max_depth":1}`
		if got := w.recorded(); got != told {
			t.Error(got)
		}
		_, err = w.Revert(t.Context(), alex, w.dev)
		if got := dbtest.Outcome(err); got != "environments.already_flat" {
			t.Error(got)
		}
	})
}

// spans holds the window of a person's one assignment of a role against what it must be, to
// the day.
func (w *world) spans(of principal.IdentityID, role string, want assignment.Window) {
	w.t.Helper()
	days := func(at int64) int64 {
		const day = 24 * 3600 * 1e6
		return at / day
	}
	n := 0
	for _, a := range w.assignments(w.dev) {
		if a.identity != of.String() || a.role != role {
			continue
		}
		if n++; days(a.from) != days(int64(want.From)) || days(a.to) != days(int64(want.To)) {
			w.t.Errorf("%d to %d, want %d to %d", a.from, a.to, want.From, want.To)
		}
	}
	if n != 1 {
		w.t.Errorf("%d assignments", n)
	}
}

// TestRevertingTakesNothingThatCounted: whoever was allowed at some node is allowed at the
// root, and nobody gains by a branch that was switched off.
func TestRevertingTakesNothingThatCounted(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		for seed := range uint64(4) {
			w := newWorld(t, db)
			var people []principal.IdentityID
			for i := range 4 {
				people = append(people, w.person(w.dev, fmt.Sprintf("P%d", i)))
			}
			w.grow(rand.New(rand.NewPCG(seed, 2)), w.dev, people)
			nodes, before := w.nodes(w.dev), w.snapshot(w.dev)
			rows := len(w.assignments(w.dev))
			r, err := w.Revert(t.Context(), alex, w.dev)
			w.must(err)
			if left := len(w.assignments(w.dev)); rows != left+r.Deduplicated+r.Expired+r.Inactive {
				t.Errorf("seed %d: %d were %d and %+v", seed, left, rows, r)
			}
			w.sound(w.dev)
			after, now := w.snapshot(w.dev), decide.Instant(db.Now().UnixMicro())
			allowed := func(s *decide.Snapshot, of principal.IdentityID, key string, at id.ID) bool {
				return s.Evaluate(decide.Question{Identity: of.Any(), Permission: key, Node: at}, now, nil).Allowed
			}
			for _, of := range people {
				for _, key := range []string{"a.a", "a.b", "a.c", "a.d"} {
					somewhere := false
					for _, n := range nodes {
						somewhere = somewhere || allowed(before, of, key, n.ID.Any())
					}
					if got := allowed(after, of, key, nodes[0].ID.Any()); got != somewhere {
						t.Errorf("seed %d: %s is allowed: %v, before: %v", seed, key, got, somewhere)
					}
				}
			}
		}
	})
}
