package decision_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// until waits for something that another goroutine brings about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 2000 {
		if is() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("it never came to it that " + what)
}

// waitsForALock reports whether somebody waits for a lock of the database.
func waitsForALock(t *testing.T, db *database.DB) bool {
	t.Helper()
	return dbtest.Number(t, db, `SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
		WHERE d.datname = current_database() AND NOT l.granted`) > 0
}

// TestLoadOutlivesWhoAskedForIt: whoever began a load may go; it is one load for all who
// wait, and theirs in the end.
func TestLoadOutlivesWhoAskedForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, database.Postgres, (&dbtest.Clock{}).Now))
	w.must(w.give(w.ann, w.root, w.role, assignment.Always))
	var all sync.WaitGroup
	defer all.Wait()
	err := database.Do(t.Context(), w.db, func(tx *database.Tx) error {
		if _, err := tx.Exec(t.Context(), `LOCK TABLE role IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		first, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := w.Evaluate(first, principal.Actor{}, w.in,
				decide.Question{Identity: w.ann.Any(), Permission: read, Node: w.root.Any()})
			left <- err
		}()
		until(t, "the load waits", func() bool { return waitsForALock(t, w.db) })
		for range 8 {
			all.Go(func() {
				if got := w.may(w.ann, w.root); got != "1" {
					t.Error(got)
				}
			})
		}
		leave()
		if err := <-left; !errors.Is(err, database.ErrSlow) {
			t.Errorf("who left was told %v", err)
		}
		return nil
	})
	w.must(err)
	all.Wait()
	w.Wait()
	if s := w.Stats(); s.Loads != 1 || s.Failures != 0 || s.Environments != 1 || s.Bytes == 0 {
		t.Errorf("%+v", s)
	}
}

// TestFailedLoadIsTriedAnew: all who wait are told, and the next question gets an answer.
func TestFailedLoadIsTriedAnew(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.must(w.give(w.ann, w.root, w.role, assignment.Always))
		dbtest.Exec(t, db, `ALTER TABLE assignment RENAME TO lost`)
		told := dbtest.AtOnce(8, func() string { return w.may(w.ann, w.root) })
		if told["1"] > 0 || told["permission_not_granted"] > 0 {
			t.Errorf("without its rows: %v", told)
		}
		dbtest.Exec(t, db, `ALTER TABLE lost RENAME TO assignment`)
		if got := w.may(w.ann, w.root); got != "1" {
			t.Error(got)
		}
		if s := w.Stats(); s.Loads != 1 || s.Failures == 0 {
			t.Errorf("%+v", s)
		}
	})
}

// TestLeastRecentlyAskedLeavesFirst, and is loaded again when it is asked about; what is
// followed unasked does not count as asked.
func TestLeastRecentlyAskedLeavesFirst(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		first := newWorld(t, db)
		first.may(first.ann, first.root)
		first.Memory = first.Stats().Bytes * 5 / 2
		second, third := *newOther(first), *newOther(first)
		second.Service, third.Service = first.Service, first.Service
		second.may(second.ann, second.root)
		first.may(first.ann, first.root)
		first.FollowAll(t.Context())
		third.may(third.ann, third.root) // the second goes
		loads := first.Stats().Loads
		if s := first.Stats(); s.Environments != 2 || s.Evictions != 1 || loads != 3 {
			t.Errorf("%+v", s)
		}
		first.may(first.ann, first.root)
		third.may(third.ann, third.root)
		if n := first.Stats().Loads; n != loads {
			t.Errorf("what was asked about last was loaded again: %d loads", n)
		}
		second.may(second.ann, second.root)
		if s := first.Stats(); s.Loads != loads+1 || s.Evictions != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestFollowUnasked: what another process writes is followed when it says so; what comes as a
// hint is not believed.
func TestFollowUnasked(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, b *world) {
		b.may(b.ann, b.root)
		hints := make(chan string)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			b.Follow(ctx, hints)
			close(ended)
		}()
		a.must(a.give(a.ann, a.root, a.role, assignment.Always))
		for _, hint := range []string{"", "x", newOther(a).in.ID.String(), a.in.ID.String()} {
			hints <- hint
		}
		until(t, "the change is followed", func() bool { return b.Stats().Changes > 0 })
		stop()
		<-ended
		if s := b.Stats(); s.Waits > 1 || s.Loads != 1 || s.Rebuilds != 0 {
			t.Errorf("%+v", s)
		}
		if got := b.may(b.ann, b.root); got != "1" {
			t.Error(got)
		}
	})
}

// TestAgeIsOfWhatIsAnswered: a bounded question that has taken an old snapshot does not go by
// what becomes known, in the same moment, of a newer one.
func TestAgeIsOfWhatIsAnswered(t *testing.T) {
	t.Parallel()
	address, clock := dbtest.URL(t, database.Postgres), &dbtest.Clock{}
	var between atomic.Pointer[func()] // is called where the process looks at the clock
	w := newWorld(t, handle(t, address, func() time.Time {
		if fn := between.Load(); fn != nil {
			(*fn)()
		}
		return clock.Now()
	}))
	w.may(w.ann, w.root)
	clock.Advance(time.Minute)
	other := w.on(handle(t, address, clock.Now))
	w.must(other.give(w.ann, w.root, w.role, assignment.Always))
	dbtest.Exec(t, other.db, `ALTER TABLE change RENAME TO lost`)
	if got := w.may(w.ann, w.root); got == "1" || got == "no_assignment" {
		t.Fatal("the newer revision is proven and can't be read, and yet: " + got)
	}
	dbtest.Exec(t, other.db, `ALTER TABLE lost RENAME TO change`)
	dbtest.Exec(t, other.db, `ALTER TABLE revision RENAME TO revision_lost`)
	clock.Advance(2 * time.Second)
	ctx, lenient := scope.Leeway(t.Context(), 5*time.Second)
	newer := "never loaded"
	between.Store(new(func() {
		if _, aged := lenient.Age(); !aged {
			return // the old snapshot is taken after that
		}
		between.Store(nil)
		dbtest.Exec(t, other.db, `ALTER TABLE revision_lost RENAME TO revision`)
		newer = w.may(w.ann, w.root)
	}))
	d, err := w.Evaluate(ctx, principal.Actor{}, w.in,
		decide.Question{Identity: w.ann.Any(), Permission: read, Node: w.root.Any()})
	if err != nil || !d.Allowed || newer != "1" {
		t.Errorf("a snapshot of a minute ago was answered from: %v %v, and the newer one: %s", d, err, newer)
	}
}

// TestTimeIsLookedAtLast: a grant that ends while a question waits for the store is in no
// answer, however long the wait.
func TestTimeIsLookedAtLast(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(w *world) (bool, error){
		"evaluate": func(w *world) (bool, error) { return w.may(w.ann, w.root) == "1", nil },
		"explain": func(w *world) (bool, error) {
			x, err := w.Explain(t.Context(), alex, w.in, w.ann.Any(), read, w.root.Any(), nil)
			return x.Allowed, err
		},
		"who can": func(w *world) (bool, error) {
			x, err := w.WhoCan(t.Context(), alex, w.in, decide.WhoQuery{Node: w.root.Any(), Permission: read})
			return len(x.Holders) > 0, err
		},
		"nodes of a type": func(w *world) (bool, error) {
			x, err := w.AccessibleOfType(
				t.Context(), alex, w.in, decide.ReachQuery{Identity: w.ann.Any(), Permission: read}, "company")
			return len(x.Nodes) > 0, err
		},
		"at once": func(w *world) (bool, error) {
			x, err := w.Prove(t.Context(), w.in)
			if err != nil {
				return false, err
			}
			q := decide.Question{Identity: w.ann.Any(), Permission: read, Node: w.root.Any()}
			return x.Evaluate(q, nil).Allowed, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := &dbtest.Clock{}
			w := newWorld(t, dbtest.Open(t, database.Postgres, clock.Now))
			soon := clock.Now().Add(time.Hour)
			w.must(w.give(w.ann, w.root, w.role, assignment.Window{
				From: decide.Beginning, To: decide.Instant(soon.UnixMicro()),
			}))
			if allowed, err := ask(w.on(w.db)); err != nil || !allowed {
				t.Fatalf("before its end: %v %v", allowed, err)
			}
			var told bool
			var failed error
			var asked sync.WaitGroup
			w.must(database.Do(t.Context(), w.db, func(tx *database.Tx) error {
				if _, err := tx.Exec(t.Context(), `LOCK TABLE role IN ACCESS EXCLUSIVE MODE`); err != nil {
					return err
				}
				asked.Go(func() { told, failed = ask(w.on(w.db)) })
				until(t, "the load waits", func() bool { return waitsForALock(t, w.db) })
				clock.Advance(2 * time.Hour)
				return nil
			}))
			asked.Wait()
			if failed != nil || told {
				t.Errorf("allowed: %v, %v", told, failed)
			}
		})
	}
}
