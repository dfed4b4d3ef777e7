package decision_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// pair runs fn in a world as two processes have it: on PostgreSQL each has a handle of its
// own, on SQLite there is one process.
func pair(t *testing.T, fn func(t *testing.T, a, b *world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		a := newWorld(t, dbtest.Open(t, database.SQLite, (&dbtest.Clock{}).Now))
		fn(t, a, a.on(a.db))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		address, clock := dbtest.URL(t, database.Postgres), &dbtest.Clock{}
		a := newWorld(t, handle(t, address, clock.Now))
		fn(t, a, a.on(handle(t, address, clock.Now)))
	})
}

// handle is one process's way to a database.
func handle(t *testing.T, address string, now func() time.Time) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), address, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// all is every answer about everybody everywhere, as a service has it.
func (w *world) all(people []enduser.ID, nodes []hierarchy.ID) string {
	w.t.Helper()
	var told []string
	for _, of := range people {
		for _, at := range nodes {
			told = append(told, w.may(of, at))
		}
	}
	return strings.Join(told, " ")
}

// TestAnswersAfterAnyRunOfWrites: after each write, by whichever process, both answer what a
// process answers that has just read everything.
func TestAnswersAfterAnyRunOfWrites(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, b *world) {
		rapid.Check(t, func(r *rapid.T) {
			people := []enduser.ID{a.ann}
			nodes := []hierarchy.ID{a.root, a.node(a.root, "North"), {}}
			roles := []rbac.RoleID{a.role}
			for i := range rapid.IntRange(4, 14).Draw(r, "steps") {
				w := rapid.SampledFrom([]*world{a, b}).Draw(r, "who writes")
				of, at := rapid.SampledFrom(people).Draw(r, "of"), rapid.SampledFrom(nodes).Draw(r, "at")
				role, on := rapid.SampledFrom(roles).Draw(r, "role"), rapid.Bool().Draw(r, "on")
				name := fmt.Sprintf("x%d-%d", len(nodes)+len(people)+len(roles), i)
				switch rapid.IntRange(0, 9).Draw(r, "what") {
				case 0, 1:
					_ = w.give(of, at, role, assignment.Always)
				case 2:
					w.take(of)
				case 3:
					above := at.String()
					n, err := w.tree.Create(t.Context(), alex, a.in, hierarchy.Draft{ParentID: &above, Type: "region", Name: name})
					if err == nil {
						nodes = append(nodes, n.ID)
					}
				case 4:
					to := rapid.SampledFrom(nodes).Draw(r, "to").String()
					_, _ = w.tree.Update(t.Context(), alex, a.in, at, hierarchy.Change{ParentID: &to}, 0, whole[hierarchy.Node])
				case 5:
					status := map[bool]hierarchy.Status{true: hierarchy.Active, false: hierarchy.Inactive}[on]
					_, _ = w.tree.Update(t.Context(), alex, a.in, at, hierarchy.Change{Status: &status}, 0, whole[hierarchy.Node])
				case 6:
					_, _ = w.roles.UpdateRole(t.Context(), alex, a.in, role, rbac.RoleChange{Active: &on}, 0, whole[rbac.Role])
				case 7:
					keys := map[bool][]string{true: {read}, false: {}}[on]
					_ = w.grant(role, keys...)
				case 8:
					w.switchTo(of, on)
				case 9:
					if at != a.root {
						_ = w.tree.Delete(t.Context(), alex, a.in, at, 0, whole[hierarchy.Node])
					}
				}
				if rapid.IntRange(0, 3).Draw(r, "asks") == 0 {
					continue // several writes are followed at once
				}
				want := a.on(a.db).all(people, nodes)
				for who, w := range map[string]*world{"a": a, "b": b} {
					if got := w.all(people, nodes); got != want {
						r.Fatalf("%s answers\n%s, want\n%s", who, got, want)
					}
				}
			}
		})
	})
}

func whole[T any](v T) any { return v }

// TestNoAnswerIsOlderThanAWrite: while others write and ask, each sees its own writes at
// once.
func TestNoAnswerIsOlderThanAWrite(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, b *world) {
		var writers sync.WaitGroup
		for i := range 6 {
			ann, at := a.person(fmt.Sprintf("p%d", i)), a.node(a.root, fmt.Sprintf("N%d", i))
			writers.Go(func() {
				for range 12 {
					for _, w := range []*world{a, b} {
						if err := w.give(ann, at, a.role, assignment.Always); err != nil {
							t.Error(err)
							return
						}
						if x, y := a.may(ann, at), b.may(ann, at); x != "1" || y != "1" {
							t.Errorf("after the grant: %s, %s", x, y)
						}
						w.take(ann)
						if x, y := a.may(ann, at), b.may(ann, at); x != "no_assignment" || y != "no_assignment" {
							t.Errorf("after it was taken: %s, %s", x, y)
						}
					}
				}
			})
		}
		writers.Wait()
	})
}

// TestWhatCannotBeFollowedIsReadAnew: swept changes, too many of them, a store that was set
// back or exchanged.
func TestWhatCannotBeFollowedIsReadAnew(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"swept":     `DELETE FROM change`,
		"too many":  `UPDATE change SET kind = 'reload', body = NULL, subject_id = NULL`,
		"exchanged": `UPDATE change SET stamp_before = 'other'`,
		"set back":  `UPDATE revision SET revision = 3, stamp = 'older' WHERE revision > 3`,
		"no words":  `UPDATE change SET body = '{' WHERE body IS NOT NULL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair(t, func(t *testing.T, a, b *world) {
				if got := b.may(a.ann, a.root); got != "no_assignment" {
					t.Errorf("before: %s", got)
				}
				a.must(a.give(a.ann, a.root, a.role, assignment.Always))
				dbtest.Exec(t, a.db, lose)
				if got := b.may(a.ann, a.root); got != "1" {
					t.Errorf("after: %s", got)
				}
			})
		})
	}
}

// TestAWriteIsFollowedBeforeItsAnswer: the question after it reads no changes.
func TestAWriteIsFollowedBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, _ *world) {
		a.may(a.ann, a.root)
		a.db.OnCommit(a.Committed)
		a.must(a.give(a.ann, a.root, a.role, assignment.Always))
		a.db.OnCommit(nil)
		dbtest.Exec(t, a.db, `DELETE FROM change`)
		dbtest.Exec(t, a.db, `DELETE FROM assignment`) // a build would find none
		if got := a.may(a.ann, a.root); got != "1" {
			t.Errorf("it answers %s", got)
		}
	})
}

// TestWindows: the first instant counts, the last does not, without any write.
func TestWindows(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		from := clock.Now().Add(time.Hour).Truncate(time.Millisecond)
		at := func(t time.Time) decide.Instant { return decide.Instant(t.UnixMicro()) }
		w.must(w.give(w.ann, w.root, w.role, assignment.Window{From: at(from), To: at(from.Add(time.Minute))}))
		for _, step := range []struct {
			to   time.Time
			want string
		}{
			{from.Add(-time.Millisecond), "assignment_not_active"},
			{from, "1"},
			{from.Add(time.Minute - time.Millisecond), "1"},
			{from.Add(time.Minute), "assignment_not_active"},
		} {
			clock.Advance(step.to.Sub(clock.Now()))
			if got := w.may(w.ann, w.root); got != step.want {
				t.Errorf("at %v: %s, want %s", step.to.Sub(from), got, step.want)
			}
		}
	})
}

// TestWorldsLeaveUnderALimit: the one that was asked longest ago first, and it comes back.
func TestWorldsLeaveUnderALimit(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		var others []*world
		for range 3 {
			o := newOther(w)
			others = append(others, o)
		}
		w.Memory = 1 // no more than the one in use
		for range 2 {
			for _, o := range others {
				o.Service = w.Service
				if got := o.may(w.ann, o.root); got != "identity_not_found" {
					t.Errorf("elsewhere: %s", got)
				}
				if n := w.Held(); n != 1 {
					t.Errorf("%d Environments are held", n)
				}
			}
		}
	})
}

// TestNothingIsAnsweredUnproven: an Environment that is gone, a call that has ended, a store
// that does not answer.
func TestNothingIsAnsweredUnproven(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.must(w.give(w.ann, w.root, w.role, assignment.Always))
		q := decide.Question{Identity: w.ann.Any(), Permission: read, Node: w.root.Any()}
		if d, err := w.Evaluate(t.Context(), principal.Actor{}, w.in, q); err != nil || !d.Allowed {
			t.Fatal(d, err)
		}
		gone := w.in
		gone.ID = scope.EnvironmentID{9}
		d, err := w.Evaluate(t.Context(), principal.Actor{}, gone, q)
		if !errors.Is(err, environment.ErrNotFound) || d.Allowed {
			t.Errorf("of an Environment that is gone: %+v, %v", d, err)
		}
		w.must(w.give(w.ann, w.node(w.root, "North"), w.role, assignment.Always))
		ended, end := context.WithCancel(t.Context())
		end()
		if d, err := (&decision.Service{DB: db, Prover: w.Prover, Log: w.Log}).Evaluate(
			ended, principal.Actor{}, w.in, q); err == nil {
			t.Errorf("of a call that has ended: %+v", d)
		}
		dbtest.Exec(t, db, `ALTER TABLE revision RENAME TO revision_lost`)
		d, err = w.Evaluate(t.Context(), principal.Actor{}, w.in, q)
		if err == nil && db.Engine == database.Postgres {
			t.Errorf("of a store that does not answer: %+v", d)
		}
	})
}
