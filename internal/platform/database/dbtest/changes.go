package dbtest

import (
	"context"
	"testing"

	"canopy.dev/canopy/internal/platform/database"
)

// Changes runs fn in a transaction and gives the number of rows that it has inserted,
// updated and deleted, as the engine counts them, with those that are written at its end.
func Changes(t testing.TB, db *database.DB, fn func(tx *database.Tx) error) int {
	t.Helper()
	query := `SELECT total_changes()`
	if db.Engine == database.Postgres {
		query = `SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
			+ pg_stat_get_xact_tuples_deleted(oid)) FROM pg_class WHERE relkind = 'r'`
	}
	var before, after int
	Do(t, db, func(tx *database.Tx) error {
		if err := tx.QueryRow(t.Context(), query).Scan(&before); err != nil {
			return err
		}
		database.Collect(tx, func() *count { return &count{query, &after} })
		return fn(tx)
	})
	return after - before
}

// count reads how many rows were changed when all else is written.
type count struct {
	query string
	into  *int
}

// Turn implements database.Last.
func (*count) Turn() int { return 1000 }

// Close implements database.Closing.
func (c *count) Close(ctx context.Context, tx *database.Tx) error {
	return tx.QueryRow(ctx, c.query).Scan(c.into)
}
