package database_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// oldPlaces writes n Accounts as earlier versions did, each with one Application of the
// given name and two Environments.
func oldPlaces(ctx context.Context, db *database.DB, n int, name string) error {
	return database.Do(ctx, db, func(tx *database.Tx) error {
		for i := range n {
			at := fmt.Sprintf("%06d", i)
			for _, statement := range []string{
				`INSERT INTO account (id, name, settings, plan, version, created_at, updated_at)
					VALUES ('acc' || CAST($1 AS TEXT), $2, '{}', 'free', 1, 0, 0)`,
				`INSERT INTO application
					(id, account_id, name, slug, settings, default_environment_id, version, created_at, updated_at)
					VALUES ('app' || CAST($1 AS TEXT), 'acc' || CAST($1 AS TEXT), $2, 'desk', '{}',
						'dev' || CAST($1 AS TEXT), 1, 0, 0)`,
				`INSERT INTO environment
					(id, account_id, application_id, name, slug, access_model, version, created_at, updated_at)
					SELECT slug || CAST($1 AS TEXT), 'acc' || CAST($1 AS TEXT), 'app' || CAST($1 AS TEXT), $2, slug, 'flat', 1, 0, 0
					FROM (SELECT 'dev' AS slug UNION ALL SELECT 'live') AS both_of_them`,
			} {
				if _, err := tx.Exec(ctx, statement, at, name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// seeded counts what every Environment and Account must have exactly once.
func seeded(t *testing.T, db *database.DB, accounts int) {
	t.Helper()
	for query, want := range map[string]int{
		`SELECT count(*) FROM revision r JOIN account a ON a.id = r.scope_id AND a.id = r.account_id
			WHERE r.revision = 1 AND r.tree_revision = 1 AND r.stamp = r.tree_stamp AND length(r.stamp) = 16`: accounts,
		`SELECT count(DISTINCT stamp) FROM revision`: 3 * accounts,
		`SELECT count(*) FROM revision r JOIN environment e
			ON e.id = r.scope_id AND e.account_id = r.account_id`: 2 * accounts,
		`SELECT count(*) FROM node n JOIN environment e ON e.id = n.environment_id
			WHERE n.parent_id IS NULL AND n.node_type = 'root' AND n.status = 'active'`: 2 * accounts,
		`SELECT count(*) FROM node`:              2 * accounts,
		`SELECT count(*) FROM tally WHERE n = 1`: 2 * accounts * 3,
		`SELECT count(*) FROM role`:              2 * accounts,
		`SELECT count(*) FROM (SELECT e.id FROM environment e JOIN permission p ON p.environment_id = e.id
			JOIN role_permission rp ON rp.permission_id = p.id AND rp.environment_id = e.id
			JOIN role r ON r.id = rp.role_id AND r.environment_id = e.id AND r.system_key = 'platform_admin'
			WHERE p.source = 'system' GROUP BY e.id HAVING count(*) = 16) AS whole`: 2 * accounts,
		`SELECT count(*) FROM permission`:           2 * accounts * 16,
		`SELECT count(DISTINCT id) FROM permission`: 2 * accounts * 16,
	} {
		if n := dbtest.Number(t, db, query); n != want {
			t.Errorf("%d, want %d: %s", n, want, query)
		}
	}
}

// A store of an earlier version, several batches of it: each Environment gets its root, its
// permissions and its role, once, also when the step comes again.
func TestOldEnvironmentsAreSeeded(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		const accounts = 2*database.SeedBatch + 3
		if err := db.MigrateTo(t.Context(), database.SeedStep-2); err != nil {
			t.Fatal(err)
		}
		if err := oldPlaces(t.Context(), db, accounts, "Lease Déſk"); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		seeded(t, db, accounts)
		if n := dbtest.Number(t, db, `SELECT count(*) FROM node WHERE name = 'Lease Déſk' AND name_fold = 'lease désk'
			AND slug = 'lease-desk' AND version = 1 AND child_count = 0 AND metadata = '{}' AND created_at = updated_at
			AND description IS NULL AND deleted_at IS NULL`); n != 2*accounts {
			t.Errorf("%d roots are as they should be", n)
		}
		for _, step := range []int64{database.SeedStep - 1, database.SeedStep - 2} {
			if err := db.MigrateTo(t.Context(), step); err != nil {
				t.Fatal(err)
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			seeded(t, db, accounts)
		}
	})
}

// An Application whose name makes no slug gives its roots one all the same.
func TestOldRootsHaveASlug(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		if err := db.MigrateTo(t.Context(), database.SeedStep-2); err != nil {
			t.Fatal(err)
		}
		if err := oldPlaces(t.Context(), db, 1, "デスク"); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM node WHERE slug = 'root'`); n != 2 {
			t.Errorf("%d roots have it", n)
		}
	})
}

// Seeding that was broken off is begun again, and writes nothing twice.
func TestSeedBrokenOffIsRepeated(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		const accounts = database.SeedBatch
		if err := db.MigrateTo(t.Context(), database.SeedStep-2); err != nil {
			t.Fatal(err)
		}
		if err := oldPlaces(t.Context(), db, accounts, "Desk"); err != nil {
			t.Fatal(err)
		}
		if err := db.MigrateTo(t.Context(), database.SeedStep-1); err != nil {
			t.Fatal(err)
		}
		refuse := `CREATE TRIGGER refuse BEFORE INSERT ON tally WHEN new.environment_id = 'live000007'
			BEGIN SELECT RAISE(ABORT, 'broken off'); END`
		allow := `DROP TRIGGER refuse`
		if db.Engine == database.Postgres {
			refuse = `ALTER TABLE tally ADD CONSTRAINT refuse CHECK (environment_id <> 'live000007')`
			allow = `ALTER TABLE tally DROP CONSTRAINT refuse`
		}
		if _, err := db.Pool().ExecContext(t.Context(), refuse); err != nil {
			t.Fatal(err)
		}
		err := db.Migrate(t.Context())
		if err == nil || !strings.Contains(err.Error(), "write the contents of Environments") {
			t.Fatalf("%v", err)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM node`); n != accounts {
			t.Errorf("%d Environments of whole batches have a root, want %d", n, accounts)
		}
		if _, err := db.Pool().ExecContext(t.Context(), allow); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		seeded(t, db, accounts)
	})
}
