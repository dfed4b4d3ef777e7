package assignment_test

import (
	"fmt"
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// A node takes along what is assigned at it and below it, and nothing else; the one event
// tells how much that was.
func TestDeletedNodeTakesAssignmentsAlong(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, bob, reader, writer := w.person("Ann"), w.person("Bob"), w.role("Reader"), w.role("Writer")
		north := w.node(w.root, "North")
		leaf, beside := w.node(north, "Leaf"), w.node(w.root, "Beside")
		for _, at := range []hierarchy.ID{w.root, north, leaf, beside} {
			w.given(ann, at, reader)
		}
		w.given(ann, leaf, writer)
		w.given(bob, north, writer)
		w.sound()
		w.quiet()
		w.deleteNode(north)
		w.recorded(`node.deleted {"name":"North","descendant_count":1,"assignments_removed":4}`)
		w.sound()
		if w.left() != 2 {
			t.Errorf("%d are left", w.left())
		}
		w.deleteNode(beside)
		w.recorded(`node.deleted {"name":"Beside","descendant_count":0,"assignments_removed":1}`)
		w.sound()
	})
}

// A large subtree goes another way than a small one.
func TestDeletedSubtreeTakesAssignmentsAlong(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		north, reader, writer := w.node(w.root, "North"), w.role("Reader"), w.role("Writer")
		nodes := w.plant(north, 1100)
		ann, bob := w.person("Ann"), w.person("Bob")
		for _, at := range nodes[:5] {
			w.given(ann, at, reader)
		}
		w.given(ann, w.root, writer)
		w.given(bob, nodes[1099], writer)
		w.given(bob, w.root, reader)
		w.quiet()
		w.deleteNode(north)
		w.recorded(`node.deleted {"name":"North","descendant_count":1100,"assignments_removed":6}`)
		w.sound()
		if w.left() != 2 {
			t.Errorf("%d are left", w.left())
		}
		empty := w.node(w.root, "Empty")
		w.plant(empty, 1100)
		w.quiet()
		w.deleteNode(empty)
		w.recorded(`node.deleted {"name":"Empty","descendant_count":1100,"assignments_removed":0}`)
		w.sound()
	})
}

// plant makes many nodes below one.
func (w *world) plant(parent hierarchy.ID, n int) []hierarchy.ID {
	w.t.Helper()
	nodes := make([]hierarchy.ID, n)
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		for i := range nodes {
			nodes[i] = id.New[hierarchy.ID](tx.Now)
			_, err := tx.Exec(w.t.Context(), `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug,
				status, metadata, child_count, version, created_at, updated_at)
				VALUES ($1, $2, $3, 'region', $4, $4, $4, 'active', '{}', 0, 1, 1, 1)`,
				nodes[i], w.in.ID, parent, fmt.Sprint("n", i))
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(w.t.Context(), `UPDATE node SET child_count = $1 WHERE id = $2`, n, parent)
		return err
	})
	return nodes
}

func TestDeletedRoleTakesAssignmentsAlong(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, bob, reader, writer := w.person("Ann"), w.person("Bob"), w.role("Reader"), w.role("Writer")
		north := w.node(w.root, "North")
		w.given(ann, north, reader)
		w.given(ann, w.root, reader)
		w.given(bob, w.root, reader)
		w.given(bob, w.root, writer)
		w.quiet()
		w.deleteRole(reader)
		w.recorded(`role.deleted {"name":"Reader"}`)
		w.sound()
		if w.left() != 1 {
			t.Errorf("%d are left", w.left())
		}
		// The name may be used again, by a role that nobody holds.
		w.role("Reader")
		w.sound()
	})
}

// Numbers of distinct holders are right too where many change at once.
func TestManyHoldersAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		reader, north := w.role("Reader"), w.node(w.root, "North")
		var made []assignment.New
		for i := range 250 {
			of := w.person(fmt.Sprint("P", i))
			made = append(made, assignment.New{Identity: of, Node: w.root, Role: reader, Window: assignment.Always})
			if i%5 == 0 {
				made = append(made, assignment.New{Identity: of, Node: north, Role: reader, Window: assignment.Always})
			}
		}
		_, err := environment.Write(t.Context(), db, w.in, func(tx *database.Tx, _ environment.Environment) (int, error) {
			for _, n := range made {
				if _, err := assignment.Give(t.Context(), tx, alex, w.in, n); err != nil {
					return 0, err
				}
			}
			return 0, nil
		})
		w.must(err)
		w.sound()
		w.deleteNode(north)
		w.sound()
	})
}

// A deleted Environment tells what goes, and sweeping leaves nothing of it.
func TestDeletedEnvironmentTakesAssignmentsAlong(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, north := w.person("Ann"), w.node(w.root, "North")
		for i := range 3 {
			w.given(ann, w.root, w.role(fmt.Sprint("R", i)))
			w.given(ann, north, w.role(fmt.Sprint("S", i)))
		}
		dbtest.Do(t, db, func(tx *database.Tx) error {
			removed, err := assignment.Part{}.Cut(t.Context(), tx, w.in)
			if removed.Assignments != 6 {
				t.Errorf("%+v", removed)
			}
			return err
		})
		for done, rounds := false, 0; !done; rounds++ {
			done = dbtest.Write(t, db, func(tx *database.Tx) (bool, error) {
				return assignment.Part{}.Sweep(t.Context(), tx, w.in.ID)
			})
			if rounds > 10 {
				t.Fatal("there is no end of it")
			}
		}
		for _, table := range []string{"assignment", "assignment_place", "assignment_tally"} {
			if n := dbtest.Number(t, db, `SELECT count(*) FROM `+table); n != 0 {
				t.Errorf("%s holds %d", table, n)
			}
		}
	})
}
