package database_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestKeptStatements: one that is being read can be asked again inside, one that was
// left half-read or cancelled starts afresh, a schema that changes is seen, and more
// of them than are kept work too.
func TestKeptStatements(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.SQLite, time.Now)
	for i := range 5 {
		if err := user(ctx, db, fmt.Sprintf("u%d", i), fmt.Sprintf("u%d@x.test", i)); err != nil {
			t.Fatal(err)
		}
	}
	const list = `SELECT id FROM portal_user WHERE id >= $1 ORDER BY id`
	one := func(s database.Scanner) (id string, err error) { return id, s.Scan(&id) }
	err := database.Do(ctx, db, func(tx *database.Tx) error {
		pairs := 0
		err := tx.Query(ctx, func(row database.Scanner) error {
			if _, err := one(row); err != nil {
				return err
			}
			inner, err := database.All(ctx, tx, one, list, "u3")
			pairs += len(inner)
			return err
		}, list, "u1")
		if err != nil || pairs != 8 {
			t.Errorf("%d pairs, %v", pairs, err)
		}
		_ = tx.Query(ctx, func(database.Scanner) error { return context.Canceled }, list, "u0")
		if all, err := database.All(ctx, tx, one, list, "u0"); err != nil || len(all) != 5 || all[0] != "u0" {
			t.Errorf("%v, %v", all, err)
		}
		for i := range 600 {
			var n int
			if err := tx.QueryRow(ctx, fmt.Sprintf("SELECT %d", i)).Scan(&n); err != nil || n != i {
				t.Errorf("%d is %d, %v", i, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const star = `SELECT * FROM changing` //nolint:unqueryvet // what changes is the point
	for i, change := range []string{
		`CREATE TABLE changing (a TEXT)`, `INSERT INTO changing VALUES ('x')`,
		`ALTER TABLE changing ADD COLUMN b TEXT DEFAULT 'y'`,
	} {
		err := database.Do(ctx, db, func(tx *database.Tx) error { _, err := tx.Exec(ctx, change); return err })
		if err != nil {
			t.Fatal(err)
		}
		var a, b string
		into := []any{&a, &b}[:1+i/2]
		err = database.View(ctx, db, func(tx *database.Tx) error { return tx.QueryRow(ctx, star).Scan(into...) })
		if i > 0 && (err != nil || a != "x" || i == 2 && b != "y") {
			t.Errorf("after %s: %q %q %v", change, a, b, err)
		}
	}
}
