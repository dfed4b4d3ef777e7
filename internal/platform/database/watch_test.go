package database_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func TestWatchTellsOfWritesToItsTables(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	ctx := t.Context()
	watch := db.Watch("portal_user", "account")
	for _, c := range []struct {
		statement string
		tells     bool
	}{
		{`INSERT INTO portal_user (id, email, first_name, last_name, name_fold, password_hash, password_changed_at,
			created_at) VALUES ('u', 'a@x.test', '', '', '', '', 0, 0)`, true},
		{`UPDATE portal_user SET first_name = 'A' WHERE id = 'u' RETURNING id`, true},
		{`SELECT count(*) FROM portal_user`, false},
		{"\n\tDELETE FROM rate_count", false},
		{`UPDATE application SET name = 'x'`, false},
		{`INSERT INTO account(id) SELECT 'x' WHERE 1 = 0`, true},
		{`WITH gone AS (SELECT 1) DELETE FROM portal_user WHERE id = 'x'`, true},
		{`delete from portal_user`, true},
	} {
		before := watch.Version()
		if _, err := database.Write(ctx, db, func(tx *database.Tx) (int, error) {
			n := 0
			err := tx.Query(ctx, func(database.Scanner) error { n++; return nil }, c.statement)
			if watch.Version() != before {
				t.Errorf("%s is told of before its commit", c.statement)
			}
			return n, err
		}); err != nil {
			t.Errorf("%s: %v", c.statement, err)
		}
		if (watch.Version() != before) != c.tells {
			t.Errorf("%s: told %t", c.statement, !c.tells)
		}
	}
	before, refused := watch.Version(), errors.New("no")
	err := database.Do(ctx, db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM account`)
		return errors.Join(err, refused)
	})
	if !errors.Is(err, refused) || watch.Version() != before {
		t.Errorf("what was undone is told of, or %v", err)
	}
}

// TestNothingIsDeletedBehindAWatch: a cascade changes a table that no statement names.
// Only tables that nobody watches may be at its end, or whose parent is watched with them:
// whoever watches environment watches application, too.
func TestNothingIsDeletedBehindAWatch(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	unwatched := []string{
		"api_key_use", "audit_view", "environment", "portal_browser", "portal_session_used", "resume_state",
		"role_permission",
	}
	err := database.View(t.Context(), db, func(tx *database.Tx) error {
		return tx.Query(t.Context(), func(s database.Scanner) error {
			var child, parent string
			err := s.Scan(&child, &parent)
			if !slices.Contains(unwatched, child) {
				t.Errorf("%s goes with %s: see to it that whoever watches the one watches the other", child, parent)
			}
			return err
		}, `SELECT m.name, f."table" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f
			WHERE m.type = 'table' AND f.on_delete NOT IN ('NO ACTION', 'RESTRICT')
			UNION SELECT tbl_name, 'a trigger' FROM sqlite_schema WHERE type = 'trigger'`)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPostgreSQLIsNotWatched(t *testing.T) {
	t.Parallel()
	if db := dbtest.Open(t, database.Postgres, time.Now); db.Watch("account") != nil {
		t.Error("others write too")
	}
}
