package database_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// putUser takes an id, an address, an instant, and a first name or nil.
const putUser = `INSERT INTO portal_user
	(id, email, first_name, last_name, name_fold, password_hash, password_changed_at, created_at)
	VALUES ($1, $2, COALESCE($4, 'A'), 'B', 'a b', '-', $3, $3)`

// tally counts one more in a row, which the first makes.
const tally = `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ('a', 'b', 0, 1)
	ON CONFLICT (name, subject) DO UPDATE SET count = rate_count.count + 1`

const tallied = `SELECT COALESCE(sum(count), 0) FROM rate_count`

func user(ctx context.Context, db *database.DB, id, email string) error {
	return database.Do(ctx, db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, putUser, id, email, tx.Now, nil)
		return err
	})
}

func count(t *testing.T, db *database.DB, table string) int {
	t.Helper()
	n, err := database.Read(t.Context(), db, func(tx *database.Tx) (n int, err error) {
		return n, tx.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBrokenNamesTheIndex(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		if err := user(ctx, db, "u1", "a@x.test"); err != nil {
			t.Fatal(err)
		}
		taken := user(ctx, db, "u2", "a@x.test")
		if !db.Broken(taken, "portal_user_email") {
			t.Errorf("a second address: %v", taken)
		}
		for _, other := range []string{"portal_user_pkey", "user_invite_live", ""} {
			if db.Broken(taken, other) {
				t.Errorf("it is taken for %q", other)
			}
		}
		member := func(accountID string) error {
			return database.Do(ctx, db, func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, `INSERT INTO account_member (account_id, user_id, account_role, is_active, joined_at)
					VALUES ($1, 'u1', 'owner', 1, 0)`, accountID)
				return err
			})
		}
		for what, err := range map[string]error{
			"nothing":          nil,
			"a plain error":    errors.New("no"),
			"a missing parent": member("nobody"),
			"no such table": database.Do(ctx, db, func(tx *database.Tx) error {
				_, err := tx.Exec(ctx, `DELETE FROM nothing`)
				return err
			}),
		} {
			if what != "nothing" && err == nil {
				t.Errorf("%s is no error", what)
			}
			if db.Broken(err, "portal_user_email") {
				t.Errorf("%s is taken for a broken index: %v", what, err)
			}
		}
	})
}

func TestInstantsKeepTheirMicroseconds(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]time.Time{
		"now":         time.Date(2026, 4, 21, 9, 15, 0, 123456000, time.UTC),
		"before 1970": time.Date(1969, 12, 31, 23, 59, 59, 999999000, time.UTC),
		"far":         time.Date(2999, 1, 1, 0, 0, 0, 1000, time.UTC),
		"elsewhere":   time.Date(2026, 4, 21, 9, 15, 0, 987654000, time.FixedZone("", 5*3600+1800)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.EachAt(t, func() time.Time { return at.Add(999) }, func(t *testing.T, db *database.DB) {
				ctx := t.Context()
				if err := user(ctx, db, "u1", "a@x.test"); err != nil {
					t.Fatal(err)
				}
				_, err := database.Read(ctx, db, func(tx *database.Tx) (struct{}, error) {
					if !tx.Now.Equal(at) {
						t.Errorf("the transaction's now is %s, want %s", tx.Now, at)
					}
					var created time.Time
					var locked *time.Time
					err := tx.QueryRow(ctx,
						`SELECT u.created_at, c.locked_until FROM portal_user u LEFT JOIN rate_count c ON 1 = 1 WHERE u.id = $1`, "u1").
						Scan(&created, &locked)
					if !created.Equal(at) || created.Location() != time.UTC || locked != nil {
						t.Errorf("read back %s and %v, want %s and none", created, locked, at)
					}
					return struct{}{}, err
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestWritesDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		const n = 50
		ctx := t.Context()
		if err := user(ctx, db, "u1", "a@x.test"); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				err := database.Do(ctx, db, func(tx *database.Tx) error {
					_, err := tx.Exec(ctx, tally)
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := database.Read(ctx, db, func(tx *database.Tx) (got int, err error) {
			return got, tx.QueryRow(ctx, tallied).Scan(&got)
		})
		if err != nil || got != n {
			t.Errorf("%d of %d writes are there: %v", got, n, err)
		}
	})
}

func TestWriteIsAllOrNothing(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		add := func(end func() error) error {
			return database.Do(ctx, db, func(tx *database.Tx) error {
				if _, err := tx.Exec(ctx, putUser, "u1", "a@x.test", tx.Now, nil); err != nil {
					return err
				}
				return end()
			})
		}
		if err := add(func() error { return refused }); !errors.Is(err, refused) {
			t.Errorf("the error is %v", err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is swallowed")
				}
			}()
			_ = add(func() error { panic("in the middle") })
		}()
		if n := count(t, db, "portal_user"); n != 0 {
			t.Errorf("%d users after an error and a panic", n)
		}
		if err := add(func() error { return nil }); err != nil || count(t, db, "portal_user") != 1 {
			t.Errorf("the store is stuck after a panic: %v", err)
		}
	})
}

func TestReadCanNotWrite(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		_, err := database.Read(ctx, db, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, putUser, "u1", "a@x.test", tx.Now, nil)
		})
		if err == nil || count(t, db, "portal_user") != 0 {
			t.Errorf("a read writes: %v", err)
		}
	})
}

func TestCancelledCallsLeaveNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		err := database.Do(ctx, db, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, putUser, "u1", "a@x.test", tx.Now, nil)
			cancel()
			return err
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the error is %v", err)
		}
		if err := user(ctx, db, "u2", "b@x.test"); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that is cancelled before it begins: %v", err)
		}
		if n := count(t, db, "portal_user"); n != 0 {
			t.Errorf("%d users after cancelled calls", n)
		}
	})
}

func TestOpenErrorsAreOneLineWithoutTheSecret(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://canopy:hunter2secret@127.0.0.1:1/canopy",
		"postgres://canopy:hunter2secret@127.0.0.1:1,127.0.0.1:2/canopy",
		"postgres://canopy:hunter2secret@localhost:1/canopy?sslmode=require",
		"postgres://canopy:hunter2secret@%zz/canopy",
		"postgres://canopy:hunter2secret@127.0.0.1:port/canopy",
		"mysql://canopy:hunter2secret@127.0.0.1/canopy",
		"sqlite:",
		"hunter2secret",
	} {
		db, err := database.Open(t.Context(), address, time.Now)
		if err == nil {
			_ = db.Close()
			t.Errorf("%s opens", address)
			continue
		}
		if s := err.Error(); strings.Contains(s, "hunter2secret") || strings.Contains(s, "\n") {
			t.Errorf("%s: %q", address, s)
		}
	}
}

func TestWrongPasswordIsNotRepeated(t *testing.T) {
	t.Parallel()
	u, err := url.Parse(dbtest.URL(t, database.Postgres))
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("nobody_of_that_name", "hunter2secret")
	db, err := database.Open(t.Context(), u.String(), time.Now)
	if err == nil {
		_ = db.Close()
		t.Fatal("an unknown role gets in")
	}
	if s := err.Error(); strings.Contains(s, "hunter2secret") || strings.Contains(s, "\n") {
		t.Errorf("%q", s)
	}
}

// TestCloseDoesNotWaitForWhatHangs: a call that does not end keeps no process.
func TestCloseDoesNotWaitForWhatHangs(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		db, err := database.Open(t.Context(), dbtest.URL(t, engine), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		begun, end := make(chan bool), make(chan bool)
		var call sync.WaitGroup
		call.Go(func() {
			_ = database.View(database.Long(t.Context()), db, func(*database.Tx) error {
				begun <- true
				<-end
				return nil
			})
		})
		<-begun
		if err := db.Close(); err != nil && !errors.Is(err, database.ErrStillInUse) {
			t.Error(err)
		}
		close(end)
		call.Wait()
	}
}
