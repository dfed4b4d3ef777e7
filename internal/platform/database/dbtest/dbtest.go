// Package dbtest gives tests real databases: each subtest its own, empty and
// migrated, on SQLite and on PostgreSQL. The PostgreSQL server is the one that
// CANOPY_TEST_POSTGRES names; scripts/test starts one. Without it a test fails
// and says so: nothing is skipped.
package dbtest

import (
	"path/filepath"
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
	return plain.Open(t, engine, now)
}

// URL gives the address of a database that is gone after the test: of SQLite one
// that does not exist yet, of PostgreSQL a migrated one.
func URL(t testing.TB, engine database.Engine) string {
	t.Helper()
	if engine == database.SQLite {
		return "sqlite:" + filepath.Join(t.TempDir(), "canopy.db")
	}
	return plain.copyPostgres(t)
}

// Disconnect makes a PostgreSQL database of Open unreachable: its connections
// end and no new one is let in.
func Disconnect(t testing.TB, db *database.DB) {
	t.Helper()
	var name string
	if err := db.Pool().QueryRowContext(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"ALTER DATABASE " + name + " ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '" + name + "'",
	} {
		if err := admin(statement); err != nil {
			t.Fatal(err)
		}
	}
}
