package database_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// opened is a store of PostgreSQL at an address.
func opened(t *testing.T, address string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// with is an address with another query parameter.
func with(t *testing.T, address, key, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// raise has PostgreSQL fail the transaction with a SQLSTATE.
func raise(ctx context.Context, db *database.DB, state string) error {
	return database.Do(ctx, db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '`+state+`', MESSAGE = 'played'; END $$`)
		return err
	})
}

func TestStatesOfAServerThatCanNotWork(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.Postgres, time.Now)
	for state, want := range map[string]bool{
		"08000": true, "08006": true, "57P01": true, "57P02": true, "57P03": true, "53300": true, "25006": true,
		"57014": true, "55P03": true, "53100": true, "53200": true, "58030": true, "25P03": true, "25P04": true,
		"23505": false, "22P02": false, "42P01": false, "22021": false, "P0001": false, "XX000": false,
	} {
		if err := raise(t.Context(), db, state); err == nil || database.Unreachable(err) != want {
			t.Errorf("%s: %v, unreachable %v", state, err, !want)
		}
	}
	if database.Unreachable(nil) || database.Unreachable(errors.New("no")) {
		t.Error("a plain error")
	}
}

// TestWritesWorkOnceTheServerWritesAgain: sessions that learnt at their start that
// they may only read are not used again.
func TestWritesWorkOnceTheServerWritesAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := dbtest.URL(t, database.Postgres)
	operator := opened(t, address)
	var name string
	if err := operator.Pool().QueryRowContext(ctx, `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	only := func(onOff string) {
		t.Helper()
		conn, err := operator.Pool().Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		for _, s := range []string{
			"SET default_transaction_read_only = off",
			"ALTER DATABASE " + name + " SET default_transaction_read_only = " + onOff,
		} {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	only("on")
	db := opened(t, address)
	var wg sync.WaitGroup
	for i := range 8 { // every connection learns it
		wg.Go(func() {
			if err := user(ctx, db, fmt.Sprintf("u%d", i), fmt.Sprintf("u%d@x.test", i)); !database.Unreachable(err) {
				t.Errorf("a write gives %v", err)
			}
			count(t, db, "portal_user")
		})
	}
	wg.Wait()
	only("off")
	for i := range 8 {
		wg.Go(func() {
			if err := user(ctx, db, fmt.Sprintf("u%d", i), fmt.Sprintf("u%d@x.test", i)); err != nil {
				t.Errorf("after the end: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestAMuteServerEndsEveryCall(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	proxy := dbtest.NewProxy(t, dbtest.URL(t, database.Postgres))
	db := opened(t, proxy.URL)
	db.SetCallTime(300 * time.Millisecond)
	if n := count(t, db, "portal_user"); n != 0 {
		t.Fatal(n)
	}
	inside := func(call func(ctx context.Context, fn func(*database.Tx) error) error) error {
		return call(ctx, func(tx *database.Tx) error {
			proxy.Stall()
			var n int
			return tx.QueryRow(ctx, `SELECT count(*) FROM portal_user`).Scan(&n)
		})
	}
	do := func(ctx context.Context, fn func(*database.Tx) error) error { return database.Do(ctx, db, fn) }
	view := func(ctx context.Context, fn func(*database.Tx) error) error { return database.View(ctx, db, fn) }
	for what, call := range map[string]func() error{
		"a write":      func() error { return user(ctx, db, "u1", "a@x.test") },
		"a read":       func() error { return view(ctx, func(*database.Tx) error { return nil }) },
		"a ping":       func() error { return db.Ping(ctx) },
		"the version":  func() error { _, err := db.Version(ctx); return err },
		"the clock":    func() error { _, err := db.Clock(ctx); return err },
		"migrations":   func() error { _, err := db.Migrations(ctx); return err },
		"inside write": func() error { return inside(do) },
		"inside read":  func() error { return inside(view) },
	} {
		if !strings.HasPrefix(what, "inside") {
			proxy.Stall()
		}
		if err := call(); !database.Unreachable(err) {
			t.Errorf("%s gives %v", what, err)
		}
		proxy.Up()
		var err error
		for range 20 { // a busy machine may need longer than the call's time
			if err = db.Ping(ctx); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("after %s: %v", what, err)
		}
	}
	// A caller's own end stays the caller's.
	proxy.Stall()
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	err := user(short, db, "u1", "a@x.test")
	if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, database.ErrSlow) {
		t.Errorf("the caller's end gives %v", err)
	}
	proxy.Up()
}

// TestLongCallsTakeTheirTime, on both engines.
func TestLongCallsTakeTheirTime(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		db.SetCallTime(500 * time.Millisecond)
		wait := func(ctx context.Context) error {
			return database.Do(ctx, db, func(tx *database.Tx) error {
				time.Sleep(800 * time.Millisecond)
				_, err := tx.Exec(ctx, putUser, "u1", "a@x.test", tx.Now, nil)
				return err
			})
		}
		if err := wait(t.Context()); !errors.Is(err, database.ErrSlow) || !database.Unreachable(err) {
			t.Errorf("a short call gives %v", err)
		}
		var wg sync.WaitGroup
		started := make(chan struct{})
		wg.Go(func() {
			err := database.Do(database.Long(t.Context()), db, func(tx *database.Tx) error {
				close(started)
				time.Sleep(800 * time.Millisecond)
				_, err := tx.Exec(t.Context(), putUser, "u1", "a@x.test", tx.Now, nil)
				return err
			})
			if err != nil {
				t.Errorf("a long call: %v", err)
			}
		})
		<-started
		if err := user(t.Context(), db, "u2", "b@x.test"); err != nil {
			t.Errorf("a caller behind a long call: %v", err)
		}
		wg.Wait()
	})
}

// TestConnectionsThatBreakAreReplaced: what had not begun is done all the same; what
// was on its way is told to be unreachable, and nothing hangs or stays broken.
func TestConnectionsThatBreakAreReplaced(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := dbtest.URL(t, database.Postgres)
	operator, proxy := opened(t, address), dbtest.NewProxy(t, address)
	db := opened(t, proxy.URL)
	for i := range 5 {
		var wg sync.WaitGroup
		for range 8 { // several idle connections
			wg.Go(func() { count(t, db, "portal_user") })
		}
		wg.Wait()
		proxy.Reset()
		if err := user(ctx, db, fmt.Sprintf("u%d", i), fmt.Sprintf("u%d@x.test", i)); err != nil {
			t.Errorf("after idle connections broke: %v", err)
		}
	}
	err := database.Do(ctx, db, func(tx *database.Tx) error {
		proxy.Reset()
		_, err := tx.Exec(ctx, putUser, "x", "x@x.test", tx.Now, nil)
		return err
	})
	if !database.Unreachable(err) {
		t.Errorf("in the middle: %v", err)
	}
	proxy.Down()
	if err := user(ctx, db, "x", "x@x.test"); !database.Unreachable(err) {
		t.Errorf("while it is down: %v", err)
	}
	proxy.Up()
	if err := user(ctx, db, "x", "x@x.test"); err != nil {
		t.Errorf("when it is up again: %v", err)
	}
	_, err = operator.Pool().ExecContext(ctx, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	if err != nil {
		t.Fatal(err)
	}
	if err := user(ctx, db, "y", "y@x.test"); err != nil {
		t.Errorf("after the server ended all sessions: %v", err)
	}
}

// TestTooManyClientsIsWaitedFor: two pools that want more than the server gives
// take turns.
func TestTooManyClientsIsWaitedFor(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := dbtest.URL(t, database.Postgres)
	operator := opened(t, address)
	var name string
	if err := operator.Pool().QueryRowContext(ctx, `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		"DROP ROLE IF EXISTS crowd_" + name, "CREATE ROLE crowd_" + name + " LOGIN SUPERUSER CONNECTION LIMIT 5",
		// A superuser has no limit: this one is of everybody. Each handle has one for proofs.
		"ALTER ROLE crowd_" + name + " NOSUPERUSER", "GRANT SELECT ON portal_user TO crowd_" + name,
	} {
		if _, err := operator.Pool().ExecContext(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		end := context.Background()
		gone := "REVOKE ALL ON portal_user FROM crowd_" + name + "; DROP ROLE crowd_" + name
		if _, err := operator.Pool().ExecContext(end, gone); err != nil {
			t.Error(err)
		}
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User("crowd_" + name)
	few := with(t, u.String(), "pool_max_conns", "2")
	greedy := opened(t, few)
	count(t, greedy, "portal_user")
	db := opened(t, with(t, u.String(), "pool_max_conns", "6"))
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() { count(t, db, "portal_user") })
	}
	wg.Wait()
}

func TestOnlyUTF8(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := dbtest.URL(t, database.Postgres)
	operator := opened(t, address)
	for _, encoding := range []string{"LATIN1", "SQL_ASCII", "EUC_JP"} {
		name := fmt.Sprintf("canopy_%s_%d", strings.ToLower(encoding), time.Now().UnixNano())
		_, err := operator.Pool().ExecContext(ctx,
			"CREATE DATABASE "+name+" ENCODING '"+encoding+"' LOCALE 'C' TEMPLATE template0")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + name
		for what, open := range map[string]func(context.Context, string, func() time.Time) (*database.DB, error){
			"open": database.Open, "look": database.Look,
		} {
			db, err := open(ctx, u.String(), time.Now)
			if err == nil {
				_ = db.Close()
				t.Errorf("%s: %s opens", encoding, what)
				continue
			}
			if s := err.Error(); !strings.Contains(s, encoding) || !strings.Contains(s, "UTF8") || strings.Contains(s, "\n") {
				t.Errorf("%s: %s", encoding, s)
			}
			if database.NotYet(err) {
				t.Errorf("%s is waited for", encoding)
			}
		}
		if _, err := operator.Pool().ExecContext(ctx, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatIsWorthWaitingFor(t *testing.T) {
	t.Parallel()
	proxy := dbtest.NewProxy(t, dbtest.URL(t, database.Postgres))
	proxy.Down()
	u, err := url.Parse(dbtest.URL(t, database.Postgres))
	if err != nil {
		t.Fatal(err)
	}
	stranger, missing := *u, *u
	stranger.User = url.User("nobody_of_that_name")
	missing.Path = "/no_such_database"
	for address, want := range map[string]bool{
		proxy.URL: true, "postgres://canopy@127.0.0.1:1/canopy": true, "postgres://canopy@no-such-host.invalid/canopy": true,
		stranger.String(): false, missing.String(): false, "sqlite:": false,
	} {
		db, err := database.Open(t.Context(), address, time.Now)
		if err == nil {
			_ = db.Close()
			t.Errorf("%s opens", address)
		} else if database.NotYet(err) != want {
			t.Errorf("%s: %v is waited for: %v", address, err, !want)
		}
	}
}
