package dbtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Template is a migrated database that is made once for each engine and copied
// for each test: a copy takes milliseconds, migrating does not. It is safe for
// concurrent use.
type Template struct {
	lite     func() ([]byte, error) // the file of SQLite
	postgres func() (string, error) // the name of the database
}

var (
	plain  = NewTemplate(func(context.Context, *database.DB) error { return nil })
	serial atomic.Int64
)

// NewTemplate gives a template that holds what prepare has written.
func NewTemplate(prepare func(context.Context, *database.DB) error) *Template {
	fill := func(url string) error {
		ctx := context.Background()
		db, err := database.Open(ctx, url, time.Now)
		if err != nil {
			return err
		}
		return errors.Join(db.Migrate(ctx), prepare(ctx, db), db.Close())
	}
	return &Template{
		lite: sync.OnceValues(func() ([]byte, error) {
			dir, err := os.MkdirTemp("", "canopy-template-*")
			if err != nil {
				return nil, err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			made, whole := filepath.Join(dir, "made.db"), filepath.Join(dir, "whole.db")
			if err := fill("sqlite:" + made); err != nil {
				return nil, err
			}
			if err := database.Copy(context.Background(), made, whole); err != nil {
				return nil, err
			}
			return os.ReadFile(whole)
		}),
		postgres: sync.OnceValues(func() (string, error) {
			base, err := server()
			if err != nil {
				return "", err
			}
			name := newName("template")
			if err := admin("CREATE DATABASE " + name); err != nil {
				return "", err
			}
			return name, fill(named(base, name))
		}),
	}
}

// Open gives a copy of the template that is gone after the test.
func (tp *Template) Open(t testing.TB, engine database.Engine, now func() time.Time) *database.DB {
	t.Helper()
	var url string
	if engine == database.SQLite {
		url = tp.copySQLite(t)
	} else {
		url = tp.copyPostgres(t)
	}
	db, err := database.Open(t.Context(), url, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if engine == database.SQLite {
		// Like fsync=off of scripts/test: no test outlives a power cut. The one
		// connection that writes keeps the setting.
		if _, err := db.Pool().ExecContext(t.Context(), "PRAGMA synchronous = OFF"); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func (tp *Template) copySQLite(t testing.TB) (url string) {
	t.Helper()
	raw, err := tp.lite()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "canopy.db")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

func (tp *Template) copyPostgres(t testing.TB) (url string) {
	t.Helper()
	template, err := tp.postgres()
	if err != nil {
		t.Fatal(err)
	}
	name := newName("test")
	if err := admin("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	base, err := server()
	if err != nil {
		t.Fatal(err)
	}
	return named(base, name)
}

// newName is the name of a database that no other process of this server's
// tests uses.
func newName(kind string) string {
	return fmt.Sprintf("canopy_%s_%d_%d_%d", kind, os.Getpid(), started, serial.Add(1))
}

var started = time.Now().UnixMilli()

// server is the address of the PostgreSQL server.
func server() (string, error) {
	base := os.Getenv("CANOPY_TEST_POSTGRES")
	if base == "" {
		return "", errors.New("no PostgreSQL for the tests: run scripts/test, or set CANOPY_TEST_POSTGRES")
	}
	return base, nil
}

// connections is how many one test's database may take. Eight are enough to race
// for a row; 8 packages with 8 tests each stay below the max_connections of
// scripts/postgres.
const connections = "8"

// named is the address of another database of the server.
func named(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path = "/" + name
	query := u.Query()
	query.Set("pool_max_conns", connections)
	u.RawQuery = query.Encode()
	return u.String()
}

// control is the connection that makes and drops databases.
var control = sync.OnceValues(func() (*sql.DB, error) {
	base, err := server()
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("pgx", base)
	if err == nil {
		db.SetMaxOpenConns(2)
	}
	return db, err
})

func admin(statement string) error {
	db, err := control()
	if err != nil {
		return err
	}
	if _, err := db.ExecContext(context.Background(), statement); err != nil {
		name, _, _ := strings.Cut(statement, " WITH")
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
