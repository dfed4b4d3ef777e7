package assignment_test

import (
	"fmt"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// some names assignments.
func some(list ...assignment.Assignment) (s assignment.Some) {
	for _, a := range list {
		s.IDs = append(s.IDs, a.ID.String())
	}
	return s
}

func (w *world) changeRole(to rbac.RoleID, list ...assignment.Assignment) error {
	c := assignment.NewRole{Some: some(list...), RoleID: to.String()}
	return w.grants.BulkChangeRole(w.t.Context(), alex, w.in, c)
}

// One bad row of ten: nine are stored, and one event tells of both.
func TestBulkCreateStoresWhatIsGood(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		reader := w.role("Reader")
		var rows []assignment.Draft
		for i := range 10 {
			of := w.person(fmt.Sprint("P", i))
			rows = append(rows, assignment.Draft{IdentityID: of.String(), NodeID: w.root.String(), RoleID: reader.String()})
		}
		rows[4].NodeID = "nowhere"
		w.quiet()
		before := w.revision()
		results, err := w.grants.BulkCreate(t.Context(), alex, w.in, rows, 10)
		w.must(err)
		var ids []string
		for i, r := range results {
			if i == 4 {
				refused(t, r.Err, hierarchy.ErrNotFound, nil)
				continue
			}
			w.must(r.Err)
			ids = append(ids, `"`+r.Made.ID.String()+`"`)
		}
		w.recorded(fmt.Sprintf(`assignment.bulk_created {"assignment_ids":[%s],"succeeded":9,"failed":1}`,
			strings.Join(ids, ",")))
		if w.left() != 9 || w.revision() != before+1 {
			t.Errorf("%d rows, revision %d", w.left(), w.revision())
		}
		w.sound()
	})
}

// Rows of calls that overlap harm no other: each is made once, whoever comes first.
func TestBulkCreatesAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		reader := w.role("Reader")
		var rows []assignment.Draft
		for i := range 8 {
			of := w.person(fmt.Sprint("P", i))
			rows = append(rows, assignment.Draft{IdentityID: of.String(), NodeID: w.root.String(), RoleID: reader.String()})
		}
		got := dbtest.AtOnce(6, func() string {
			results, err := w.grants.BulkCreate(t.Context(), alex, w.in, rows, len(rows))
			made := 0
			for _, r := range results {
				if r.Err == nil {
					made++
				}
			}
			return fmt.Sprint(made, err)
		})
		if got["8 <nil>"] != 1 || got["0 <nil>"] != 5 {
			t.Error(got)
		}
		w.sound()
	})
}

// One bad id, and nothing is removed or changed.
func TestBulkIsAllOrNothing(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader, writer, org := w.person("Ann"), w.role("Reader"), w.role("Writer"), w.node(w.root, "Org")
		a, b := w.given(ann, w.root, reader), w.given(ann, w.node(w.root, "North"), reader)
		in := w.given(ann, org, reader)
		w.reserve(org)
		w.quiet()
		before := w.revision()
		bad := some(a, b)
		bad.IDs = append(bad.IDs, "none", a.ID.String(), "none")
		refused(t, w.grants.BulkRemove(t.Context(), alex, w.in, bad), assignment.ErrNotFound, m{"ids": []string{"none"}})
		refused(t, w.grants.BulkChangeRole(t.Context(), alex, w.in, assignment.NewRole{Some: bad, RoleID: "x"}),
			assignment.ErrNotFound, m{"ids": []string{"none"}})
		refused(t, w.grants.BulkChangeWindow(t.Context(), alex, w.in, assignment.NewWindow{Some: bad, To: open()}),
			assignment.ErrNotFound, m{"ids": []string{"none"}})
		refused(t, w.grants.BulkRemove(t.Context(), alex, w.in, some(a, in)), hierarchy.ErrReservedType, nil)
		refused(t, w.changeRole(writer, a, in), hierarchy.ErrReservedType, nil)
		w.nothing(before)

		w.must(w.grants.BulkRemove(t.Context(), alex, w.in, some(b, a, b)))
		affected := func(x assignment.Assignment) string {
			return fmt.Sprintf(`{"identity_id":"%s","node_id":"%s","role_id":"%s"}`, x.Identity, x.Node, x.Role)
		}
		w.recorded(fmt.Sprintf(`assignment.bulk_removed {"assignment_ids":["%s","%s"],"affected":[%s,%s]}`,
			b.ID, a.ID, affected(b), affected(a)))
		if w.left() != 1 {
			t.Errorf("%d are left", w.left())
		}
		w.sound()
	})
}

func TestBulkChangeRole(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, bob, north := w.person("Ann"), w.person("Bob"), w.node(w.root, "North")
		reader, writer, owner := w.role("Reader"), w.role("Writer"), w.role("Owner")
		is := func(of principal.IdentityID, node hierarchy.ID, r rbac.RoleID) assignment.Assignment {
			return w.given(of, node, r)
		}
		a, b, c, d := is(ann, w.root, reader), is(ann, w.root, writer), is(bob, north, reader), is(bob, north, owner)
		w.quiet()
		before := w.revision()
		refused(t, w.changeRole(owner, c, a, b), assignment.ErrConflict,
			m{"ids": []string{c.ID.String(), a.ID.String(), b.ID.String()}})
		refused(t, w.changeRole(owner, c), assignment.ErrConflict, m{"ids": []string{c.ID.String()}})
		// Who has the role keeps it, and is in the way of who does not.
		refused(t, w.changeRole(owner, d, c), assignment.ErrConflict, m{"ids": []string{c.ID.String()}})
		w.must(w.changeRole(owner, d))
		w.nothing(before)
		w.turnOff(owner)
		w.quiet()
		before = w.revision()
		w.must(w.changeRole(owner, d))
		refused(t, w.changeRole(owner, a, d), assignment.ErrInactive, nil)
		w.nothing(before)

		_, err := w.change(c.ID, assignment.Change{RoleID: reader.String(), To: at(60)})
		w.must(err)
		w.quiet()
		w.must(w.changeRole(writer, b, c, c))
		w.recorded(fmt.Sprintf(`assignment.bulk_role_changed {"assignment_ids":["%s"],"role_id":"%s",`+
			`"affected":[{"identity_id":"%s","node_id":"%s"}]}`, c.ID, writer, bob, north))
		w.sound()
		if n := dbtest.Number(t, db, `SELECT count(*) FROM assignment WHERE id = $1 AND role_id = $2
			AND effective_to < 9000000000000000000`, c.ID, writer); n != 1 {
			t.Error("the window is not what it was")
		}
	})
}

func TestBulkChangeWindow(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader, org := w.person("Ann"), w.role("Reader"), w.node(w.root, "Org")
		a, b := w.given(ann, w.root, reader), w.given(ann, org, reader)
		w.reserve(org)
		to := func(c assignment.NewWindow, list ...assignment.Assignment) error {
			c.Some = some(list...)
			return w.grants.BulkChangeWindow(t.Context(), alex, w.in, c)
		}
		w.quiet()
		w.must(to(assignment.NewWindow{From: at(5), To: at(60)}, a, b))
		told := func(x assignment.Assignment) string {
			return fmt.Sprintf(`assignment.updated {"identity_id":"%s","node_id":"%s","role_id":"%s"}`, ann, x.Node, reader)
		}
		first, second := a, b // events of one instant come by label and metadata
		if told(b) < told(a) {
			first, second = b, a
		}
		w.recorded(told(first), told(second))
		w.sound()
		before := w.revision()
		if got := dbtest.Outcome(to(assignment.NewWindow{To: at(5)}, a, b)); got != "validation" {
			t.Error(got)
		}
		w.must(to(assignment.NewWindow{To: at(60)}, a, b))
		w.nothing(before)
		w.must(to(assignment.NewWindow{From: open()}, b))
		w.recorded(told(b))
		w.sound()
	})
}
