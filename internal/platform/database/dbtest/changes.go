package dbtest

import (
	"testing"

	"canopy.dev/canopy/internal/platform/database"
)

// Changes runs fn in a transaction and gives the number of rows that it has inserted,
// updated and deleted, as the engine counts them.
func Changes(t testing.TB, db *database.DB, fn func(tx *database.Tx) error) int {
	t.Helper()
	query := `SELECT total_changes()`
	if db.Engine == database.Postgres {
		query = `SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
			+ pg_stat_get_xact_tuples_deleted(oid)) FROM pg_class WHERE relkind = 'r'`
	}
	return Write(t, db, func(tx *database.Tx) (int, error) {
		var before, after int
		if err := tx.QueryRow(t.Context(), query).Scan(&before); err != nil {
			return 0, err
		}
		if err := fn(tx); err != nil {
			return 0, err
		}
		err := tx.QueryRow(t.Context(), query).Scan(&after)
		return after - before, err
	})
}
