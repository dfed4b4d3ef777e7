package database_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// both opens a migrated store as a server does, and beside it.
func both(t *testing.T, engine database.Engine) (server, beside *database.DB) {
	t.Helper()
	address := dbtest.URL(t, engine)
	server, err := database.Open(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	if err := server.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if beside, err = database.Beside(t.Context(), address, time.Now); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = beside.Close() })
	return server, beside
}

func TestWritersBesideAServerTakeTurns(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			server, beside := both(t, engine)
			var serial atomic.Int64
			write := func(db *database.DB) string {
				for range 20 {
					n := serial.Add(1)
					if err := user(t.Context(), db, fmt.Sprint("u", n), fmt.Sprintf("u%d@x.test", n)); err != nil {
						return err.Error()
					}
				}
				return "ok"
			}
			done := make(chan map[string]int)
			go func() { done <- dbtest.AtOnce(4, func() string { return write(beside) }) }()
			byServer := dbtest.AtOnce(8, func() string { return write(server) })
			if besides := <-done; byServer["ok"] != 8 || besides["ok"] != 4 {
				t.Errorf("the server %v, beside it %v", byServer, besides)
			}
			for _, db := range []*database.DB{server, beside} {
				if n := dbtest.Number(t, db, `SELECT count(*) FROM portal_user`); n != 240 {
					t.Errorf("%d rows", n)
				}
			}
		})
	}
}

// The server waits for a write that was begun beside it; it does not fail.
func TestAServerWaitsForAWriteBesideIt(t *testing.T) {
	t.Parallel()
	server, beside := both(t, database.SQLite)
	inside, goOn := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 2)
	go func() {
		ended <- database.Do(t.Context(), beside, func(*database.Tx) error {
			close(inside)
			<-goOn
			return nil
		})
	}()
	<-inside
	go func() { ended <- user(t.Context(), server, "u1", "a@x.test") }()
	if _, err := database.Read(t.Context(), server, func(tx *database.Tx) (n int, err error) {
		return n, tx.QueryRow(t.Context(), `SELECT count(*) FROM portal_user`).Scan(&n)
	}); err != nil {
		t.Errorf("a read meanwhile: %v", err)
	}
	time.Sleep(300 * time.Millisecond) // the server's write has surely met the lock
	close(goOn)
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// What ends beside a server leaves the server its locks: a second one is still refused.
func TestASecondServerIsRefusedAfterACommandBeside(t *testing.T) {
	t.Parallel()
	server, beside := both(t, database.SQLite)
	if err := errors.Join(user(t.Context(), beside, "u1", "a@x.test"), beside.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := database.Open(t.Context(), "sqlite:"+server.Path, time.Now); !errors.Is(err, database.ErrInUse) {
		t.Errorf("a second server: %v", err)
	}
	if err := user(t.Context(), server, "u2", "b@x.test"); err != nil {
		t.Error(err)
	}
}

func TestBesideMakesNothing(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, database.SQLite)
	if _, err := database.Beside(t.Context(), address, time.Now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	path, _ := database.SQLitePath(address)
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("%v, %v", left, err)
	}
	db, err := database.Open(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := database.Beside(t.Context(), address, time.Now); err == nil {
		t.Error("a store without a schema is taken")
	}
	steps, err := db.Migrations(context.Background())
	if err != nil || steps[0].Applied {
		t.Errorf("%+v, %v", steps[0], err)
	}
}
