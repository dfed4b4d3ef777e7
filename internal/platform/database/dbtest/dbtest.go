// Package dbtest gives tests real databases: each subtest its own, empty and
// migrated, on SQLite and on PostgreSQL. The PostgreSQL server is the one that
// CANOPY_TEST_POSTGRES names; scripts/test starts one. Without it a test fails
// and says so: nothing is skipped.
package dbtest

import (
	"context"
	"database/sql"
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

// Each runs fn as the subtests "sqlite" and "postgres".
func Each(t *testing.T, fn func(t *testing.T, db *database.DB)) {
	t.Helper()
	EachAt(t, time.Now, fn)
}

// EachAt is Each with a clock.
func EachAt(t *testing.T, now func() time.Time, fn func(t *testing.T, db *database.DB)) {
	t.Helper()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) { fn(t, Open(t, engine, now)) })
	}
}

// Open gives an empty, migrated database that is gone after the test.
func Open(t testing.TB, engine database.Engine, now func() time.Time) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), URL(t, engine), now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

var (
	template     = sync.OnceValues(makeTemplate)
	serial       atomic.Int64
	templateName = fmt.Sprintf("canopy_template_%d", os.Getpid())
)

// URL gives the address of a database that is gone after the test: an empty file
// for SQLite, a migrated copy for PostgreSQL, where migrating each time is slow.
func URL(t testing.TB, engine database.Engine) string {
	t.Helper()
	if engine == database.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "canopy.db")
	}
	base, err := template()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("canopy_%d_%d", os.Getpid(), serial.Add(1))
	if err := admin(base, "CREATE DATABASE "+name+" TEMPLATE "+templateName); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin(base, "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	return named(base, name)
}

// Disconnect makes a PostgreSQL database of Open unreachable: its connections
// end and no new one is let in.
func Disconnect(t testing.TB, db *database.DB) {
	t.Helper()
	base, err := template()
	if err != nil {
		t.Fatal(err)
	}
	var name string
	if err := db.Pool().QueryRowContext(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"ALTER DATABASE " + name + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'",
	} {
		if err := admin(base, statement); err != nil {
			t.Fatal(err)
		}
	}
}

func makeTemplate() (string, error) {
	base := os.Getenv("CANOPY_TEST_POSTGRES")
	if base == "" {
		return "", fmt.Errorf("no PostgreSQL for the tests: run scripts/test, or set CANOPY_TEST_POSTGRES")
	}
	if err := admin(base, "CREATE DATABASE "+templateName); err != nil && !strings.Contains(err.Error(), "already exists") {
		return "", err
	}
	ctx := context.Background()
	db, err := database.Open(ctx, named(base, templateName), time.Now)
	if err != nil {
		return "", err
	}
	defer db.Close()
	return base, db.Migrate(ctx)
}

func named(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Path = "/" + name
	return u.String()
}

func admin(base, statement string) error {
	db, err := sql.Open("pgx", base)
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Exec(statement)
	return err
}
