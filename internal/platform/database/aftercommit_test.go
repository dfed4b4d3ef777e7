package database_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func TestAfterCommitRunsInOrderOnceTheChangeIsThere(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		var ran []string
		note := func(name string) func() {
			return func() {
				// It sees the change, and may write.
				if err := user(ctx, db, name, name+"@x.test"); err != nil || count(t, db, "portal_user") != len(ran)+2 {
					t.Errorf("%s: %d users, %v", name, count(t, db, "portal_user"), err)
				}
				ran = append(ran, name)
			}
		}
		got, err := database.Write(ctx, db, func(tx *database.Tx) (int, error) {
			tx.AfterCommit(note("first"))
			_, err := tx.Exec(ctx, putUser, "u1", "a@x.test", tx.Now, nil)
			tx.AfterCommit(note("second"))
			if len(ran) > 0 {
				t.Error("it ran before the commit")
			}
			return 7, err
		})
		if got != 7 || err != nil {
			t.Errorf("Write() = %d, %v", got, err)
		}
		if diff := cmp.Diff([]string{"first", "second"}, ran); diff != "" {
			t.Error(diff)
		}
	})
}

func TestAfterCommitNeverRunsWithoutACommit(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		ends := map[string]func(tx *database.Tx) error{
			"an error": func(*database.Tx) error { return refused },
			"a panic":  func(*database.Tx) error { panic("in the middle") },
			"a commit that fails": func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO child (parent) VALUES ('nobody')`)
				return err
			},
		}
		err := database.Do(ctx, db, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, `CREATE TABLE child (parent TEXT REFERENCES account (id) DEFERRABLE INITIALLY DEFERRED)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		try := func(what string, end func(*database.Tx) error) {
			failed := true
			defer func() {
				_ = recover()
				if !failed {
					t.Errorf("%s is no failure", what)
				}
			}()
			failed = database.Do(ctx, db, func(tx *database.Tx) error {
				tx.AfterCommit(func() { t.Errorf("it ran after %s", what) })
				if _, err := tx.Exec(ctx, putUser, "u1", "a@x.test", tx.Now, nil); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				return end(tx)
			}) != nil
		}
		for what, end := range ends {
			try(what, end)
			if n := count(t, db, "portal_user"); n != 0 {
				t.Errorf("%s leaves %d users", what, n)
			}
		}
		try("a cancelled call", func(*database.Tx) error { cancel(); return nil })
	})
}

// TestAfterCommitForgetsARepeatedTry: only PostgreSQL has such failures, and
// there the first try is made to lose against another writer.
func TestAfterCommitForgetsARepeatedTry(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.Postgres, time.Now)
	if err := user(ctx, db, "u1", "a@x.test"); err != nil {
		t.Fatal(err)
	}
	tries := 0
	var ran []int
	err := database.Do(ctx, db, func(tx *database.Tx) error {
		tries++
		try := tries
		tx.AfterCommit(func() { ran = append(ran, try) })
		if _, err := tx.Exec(ctx, `SET TRANSACTION ISOLATION LEVEL REPEATABLE READ`); err != nil {
			return err
		}
		var before int
		if err := tx.QueryRow(ctx, tallied).Scan(&before); err != nil {
			return err
		}
		if try == 1 {
			err := database.Do(ctx, db, func(tx *database.Tx) error { _, err := tx.Exec(ctx, tally); return err })
			if err != nil {
				t.Error(err)
			}
		}
		_, err := tx.Exec(ctx, tally)
		return err
	})
	if err != nil || tries != 2 {
		t.Fatalf("%d tries, %v", tries, err)
	}
	if diff := cmp.Diff([]int{2}, ran); diff != "" {
		t.Errorf("the tries whose functions ran:\n%s", diff)
	}
}

func TestAfterCommitBelongsToALiveWrite(t *testing.T) {
	t.Parallel()
	panics := func(t *testing.T, what string, tx *database.Tx) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Errorf("%s: no panic", what)
			}
		}()
		tx.AfterCommit(func() {})
	}
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		_, err := database.Read(t.Context(), db, func(tx *database.Tx) (int, error) {
			panics(t, "in a read", tx)
			return 0, nil
		})
		if err != nil {
			t.Error(err)
		}
		var ended *database.Tx
		err = database.Do(t.Context(), db, func(tx *database.Tx) error {
			ended = tx
			tx.AfterCommit(func() { panics(t, "in such a function", tx) })
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		panics(t, "after the end", ended)
		func() {
			defer func() { _ = recover() }()
			_ = database.Do(t.Context(), db, func(tx *database.Tx) error { ended = tx; panic("in the middle") })
		}()
		panics(t, "after a panic", ended)
	})
}
