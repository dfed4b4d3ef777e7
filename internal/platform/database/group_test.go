package database_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// step is the work of one writer.
type step = func(*database.Tx) error

// gathered runs one group on SQLite: lead begins it and waits until all others
// stand behind it, in their order. What each Write gave is in the results, lead's
// first; a panic is an error there.
func gathered(t *testing.T, db *database.DB, lead step, others ...step) []error {
	t.Helper()
	db.HoldGroups(time.Minute)
	results := make([]error, len(others)+1)
	var wg sync.WaitGroup
	write := func(i int, fn func(*database.Tx) error) {
		defer func() {
			if p := recover(); p != nil {
				results[i] = fmt.Errorf("panic: %v", p)
			}
		}()
		results[i] = database.Do(t.Context(), db, fn)
	}
	wg.Go(func() {
		once := sync.OnceFunc(func() {
			for i, fn := range others {
				wg.Go(func() { write(i+1, fn) })
				for db.Waiting() <= i {
					runtime.Gosched()
				}
			}
		})
		write(0, func(tx *database.Tx) error {
			once() // not again when it is repeated
			return lead(tx)
		})
	})
	wg.Wait()
	return results
}

// put adds the user and says how many the transaction sees then.
func put(t *testing.T, id string, sees *int) step {
	t.Helper()
	return func(tx *database.Tx) error {
		if _, err := tx.Exec(t.Context(), putUser, id, id+"@x.test", tx.Now, nil); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM portal_user`).Scan(sees)
	}
}

func TestWaitingWritersShareACommit(t *testing.T) {
	t.Parallel()
	var clock atomic.Int64
	db := dbtest.Open(t, database.SQLite, func() time.Time { return time.UnixMicro(clock.Add(1)) })
	const others = 20
	var sees [others + 1]int
	var nows [others + 1]time.Time
	member := func(i int) step {
		return func(tx *database.Tx) error {
			nows[i] = tx.Now
			tx.AfterCommit(func() {
				if n := count(t, db, "portal_user"); n != others+1 {
					t.Errorf("after the commit of %d there are %d", i, n)
				}
			})
			if n := count(t, db, "portal_user"); n != 0 {
				t.Errorf("%d are there before the commit", n)
			}
			return put(t, fmt.Sprintf("u%d", i), &sees[i])(tx)
		}
	}
	rest := make([]step, others)
	for i := range rest {
		rest[i] = member(i + 1)
	}
	for i, err := range gathered(t, db, member(0), rest...) {
		switch {
		case err != nil:
			t.Errorf("writer %d: %v", i, err)
		case sees[i] != i+1:
			t.Errorf("writer %d sees %d", i, sees[i])
		case i > 0 && !nows[i].After(nows[i-1]):
			t.Errorf("writer %d has its now %s, the one before %s", i, nows[i], nows[i-1])
		}
	}
}

func TestAFailingMemberHarmsNoOther(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	then := func(first step, end func() error) step {
		return func(tx *database.Tx) error { return errors.Join(first(tx), end()) }
	}
	cancelled, cancel := context.WithCancel(t.Context())
	var n int
	bad := map[string]step{
		"an error":       then(put(t, "bad", &n), func() error { return refused }),
		"a panic":        then(put(t, "bad", &n), func() error { panic("in the middle") }),
		"a broken index": then(put(t, "bad", &n), func() error { return nil }),
		"no such table": func(tx *database.Tx) error {
			_, err := tx.Exec(t.Context(), `DELETE FROM nothing`)
			return err
		},
		"a cancelled query": func(tx *database.Tx) error {
			cancel()
			_, err := tx.Exec(cancelled, `DELETE FROM portal_user`)
			return err
		},
	}
	for what, fn := range bad {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db := dbtest.Open(t, database.SQLite, time.Now)
			if what == "a broken index" {
				if err := user(t.Context(), db, "bad", "bad@x.test"); err != nil {
					t.Fatal(err)
				}
			}
			var n int
			results := gathered(t, db, put(t, "a", &n), put(t, "b", &n), fn, put(t, "c", &n))
			for i, err := range results {
				if (err != nil) != (i == 2) {
					t.Errorf("writer %d: %v", i, err)
				}
			}
			if n := count(t, db, `portal_user WHERE id IN ('a', 'b', 'c')`); n != 3 {
				t.Errorf("%d of 3 are there", n)
			}
			if n := count(t, db, `portal_user WHERE id = 'bad'`); n != 0 && what != "a broken index" {
				t.Error("what failed is there")
			}
		})
	}
	t.Run("the first", func(t *testing.T) {
		t.Parallel()
		db := dbtest.Open(t, database.SQLite, time.Now)
		var n int
		results := gathered(t, db, then(put(t, "bad", &n), func() error { return refused }), put(t, "a", &n))
		if !errors.Is(results[0], refused) || results[1] != nil || count(t, db, "portal_user") != 1 {
			t.Errorf("%v", results)
		}
	})
}

// TestAFullStoreFailsOneMember: SQLite undoes the whole transaction then; the
// others are run again.
func TestAFullStoreFailsOneMember(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.SQLite, time.Now)
	var pages int
	if err := db.Pool().QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Pool().ExecContext(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages+40)); err != nil {
		t.Fatal(err)
	}
	var n int
	large := func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, putUser, "large", strings.Repeat("x", 1<<20)+"@x.test", tx.Now, nil)
		if err == nil {
			t.Error("there is room")
		}
		// A careless caller goes on: what it does then must not stand on its own.
		_, _ = tx.Exec(ctx, putUser, "late", "late@x.test", tx.Now, nil)
		return nil
	}
	results := gathered(t, db, put(t, "a", &n), put(t, "b", &n), large, put(t, "c", &n))
	for i, err := range results {
		if i == 2 != database.Unreachable(err) || i != 2 && err != nil {
			t.Errorf("writer %d: %v", i, err)
		}
	}
	if all, late := count(t, db, "portal_user"), count(t, db, "portal_user WHERE id = 'late'"); all != 3 || late != 0 {
		t.Errorf("%d users, %d late", all, late)
	}
}

// TestACommitThatOneMemberBreaks: a constraint that is checked at the end fails
// its writer alone.
func TestACommitThatOneMemberBreaks(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.SQLite, time.Now)
	err := database.Do(ctx, db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `CREATE TABLE child (parent TEXT REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var n, ran int
	orphan := func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO child (parent) VALUES ('nobody')`)
		return err
	}
	noting := func(tx *database.Tx) error {
		tx.AfterCommit(func() { ran++ })
		return put(t, "b", &n)(tx)
	}
	results := gathered(t, db, put(t, "a", &n), orphan, noting)
	if results[0] != nil || results[1] == nil || results[2] != nil {
		t.Errorf("%v", results)
	}
	if users, children := count(t, db, "portal_user"), count(t, db, "child"); users != 2 || children != 0 || ran != 1 {
		t.Errorf("%d users, %d children; AfterCommit ran %d times", users, children, ran)
	}
}

// TestWhoWaitsMayLeave: a call that ends while it waits for its turn is answered
// at once, and writes nothing.
func TestWhoWaitsMayLeave(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	err := database.Do(t.Context(), db, func(*database.Tx) error {
		left := make(chan error)
		wg.Go(func() { left <- user(ctx, db, "u1", "a@x.test") })
		wg.Go(func() {
			if err := user(t.Context(), db, "u2", "b@x.test"); err != nil {
				t.Error(err)
			}
		})
		for db.Waiting() < 2 {
			runtime.Gosched()
		}
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("it leaves with %v", err)
		}
		return nil
	})
	wg.Wait()
	if n := count(t, db, "portal_user"); err != nil || n != 1 {
		t.Errorf("%d users, %v", n, err)
	}
}

// TestLeavingTheQueueLosesNoTurn: callers that come and go at every moment leave
// the turn to those who stay.
func TestLeavingTheQueueLosesNoTurn(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	var wg sync.WaitGroup
	var kept atomic.Int64
	for i := range 16 {
		wg.Go(func() {
			for k := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 0 {
					go cancel()
				}
				err := user(ctx, db, fmt.Sprintf("u%d-%d", i, k), fmt.Sprintf("u%d-%d@x.test", i, k))
				cancel()
				switch {
				case err == nil:
					kept.Add(1)
				case i%2 == 1 || !errors.Is(err, context.Canceled):
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, db, "portal_user"); int64(n) != kept.Load() || n < 8*50 {
		t.Errorf("%d users, %d answered", n, kept.Load())
	}
}
