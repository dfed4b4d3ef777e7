package dbtest

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Overtake runs then beside a transaction that has run first, commits it once
// then waits for it, and gives then's error. On PostgreSQL, then waits for a row
// that first has changed, and has read what was before; on SQLite it waits for
// its turn to write. A then that does not wait just ends.
func Overtake(t testing.TB, db *database.DB, first func(tx *database.Tx) error, then func() error) error {
	t.Helper()
	result := make(chan error, 1)
	Do(t, db, func(tx *database.Tx) error {
		if err := first(tx); err != nil {
			return err
		}
		go func() { result <- then() }()
		for range 5000 {
			if len(result) > 0 || waits(t, db) {
				return nil
			}
			time.Sleep(2 * time.Millisecond)
		}
		t.Error("what was to be overtaken neither waits nor ends")
		return nil
	})
	return <-result
}

// waits tells whether a transaction waits for another one.
func waits(t testing.TB, db *database.DB) bool {
	t.Helper()
	if db.Engine == database.SQLite {
		return db.Waiting() > 0
	}
	var n int
	err := db.Pool().QueryRowContext(t.Context(), `SELECT count(*) FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&n)
	if err != nil {
		t.Error(err)
	}
	return n > 0
}
