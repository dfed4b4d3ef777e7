package database_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3/lock"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// schema is everything that the migrations made, as the engine tells it, but for what no
// statement depends on: the order of columns, and defaults, without which a column that
// must not be null can't come back.
func schema(t *testing.T, db *database.DB) []string {
	t.Helper()
	q := `SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c."notnull" || ' ' || c.pk
			FROM sqlite_master m JOIN pragma_table_info(m.name) c
			WHERE m.type = 'table' AND m.name NOT LIKE '%goose%' AND m.name NOT LIKE 'sqlite%'
		UNION ALL SELECT m.name || '.' || f."from" || ' ' || f."table" || '.' || f."to" || ' ' || f.on_delete
			FROM sqlite_master m JOIN pragma_foreign_key_list(m.name) f
			WHERE m.type = 'table' AND m.name NOT LIKE '%goose%'
		UNION ALL SELECT COALESCE(sql, name) FROM sqlite_master
			WHERE type <> 'table' AND tbl_name NOT LIKE '%goose%' AND tbl_name NOT LIKE 'sqlite%' ORDER BY 1`
	if db.Engine == database.Postgres {
		q = `SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' ||
					COALESCE(collation_name, '')
				FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '%goose%'
			UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename NOT LIKE '%goose%'
			UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
				WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text NOT LIKE '%goose%' ORDER BY 1`
	}
	list, err := database.Read(t.Context(), db, func(tx *database.Tx) ([]string, error) {
		return database.All(t.Context(), tx, func(row database.Scanner) (s string, err error) { return s, row.Scan(&s) }, q)
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestMigrationsGoUpDownUp(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		newest := schema(t, db)
		if len(newest) < 20 {
			t.Fatalf("the schema has only %d parts", len(newest))
		}
		steps, err := db.Migrations(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		at := func(step int) []string {
			version := int64(0)
			if step > 0 {
				version = steps[step-1].Version
			}
			if err := db.MigrateTo(t.Context(), version); err != nil {
				t.Fatal(err)
			}
			return schema(t, db)
		}
		if left := at(0); len(left) != 0 {
			t.Errorf("down leaves %v", left)
		}
		// Each step's way back is exact.
		for step := 1; step <= len(steps); step++ {
			before, after := at(step-1), at(step)
			if diff := cmp.Diff(before, at(step-1)); diff != "" {
				t.Errorf("%s, up and down:\n%s", steps[step-1].Name, diff)
			}
			if diff := cmp.Diff(after, at(step)); diff != "" {
				t.Errorf("%s, up, down and up:\n%s", steps[step-1].Name, diff)
			}
		}
		if diff := cmp.Diff(newest, schema(t, db)); diff != "" {
			t.Errorf("up again is another schema:\n%s", diff)
		}
		if steps, err = db.Migrations(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if !s.Applied {
				t.Errorf("%s is not applied", s.Name)
			}
		}
	})
}

// TestEnginesHaveTheSameTables: one SQL text serves both, so the columns agree.
func TestEnginesHaveTheSameTables(t *testing.T) {
	t.Parallel()
	columns := map[database.Engine][]string{}
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		q := `SELECT m.name || '.' || c.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'
			AND m.name NOT LIKE '%goose%' AND m.name NOT LIKE 'sqlite%' ORDER BY m.name || '.' || c.name`
		if db.Engine == database.Postgres {
			q = `SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'
				AND table_name NOT LIKE '%goose%' ORDER BY (table_name || '.' || column_name) COLLATE "C"`
		}
		list, err := database.Read(t.Context(), db, func(tx *database.Tx) ([]string, error) {
			return database.All(t.Context(), tx, func(row database.Scanner) (s string, err error) { return s, row.Scan(&s) }, q)
		})
		if err != nil {
			t.Fatal(err)
		}
		columns[db.Engine] = list
	})
	if diff := cmp.Diff(columns[database.SQLite], columns[database.Postgres]); diff != "" {
		t.Errorf("-sqlite +postgres:\n%s", diff)
	}
}

func TestANewerStoreIsRefusedByName(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		applied := "1"
		if db.Engine == database.Postgres {
			applied = "true"
		}
		_, err := db.Pool().ExecContext(t.Context(),
			`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, `+applied+`)`)
		if err != nil {
			t.Fatal(err)
		}
		_, listed := db.Migrations(t.Context())
		for what, err := range map[string]error{"migrate": db.Migrate(t.Context()), "list": listed} {
			if err == nil || !strings.Contains(err.Error(), "99999") {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestCopyIsOneMoment: while a writer adds pairs, a copy holds whole pairs only,
// and it opens as a store of its own.
func TestCopyIsOneMoment(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.SQLite, time.Now)
	pair := func(n int64) error {
		return database.Do(ctx, db, func(tx *database.Tx) error {
			for _, half := range []string{"left", "right"} {
				_, err := tx.Exec(ctx, `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, 0, 1)`,
					half, n)
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	var written atomic.Int64
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := pair(written.Add(1)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for written.Load() < 20 {
		time.Sleep(time.Millisecond)
	}
	copied := filepath.Join(t.TempDir(), "copy.db")
	before := written.Load() - 1 // the last may still be on its way
	err := database.Copy(ctx, db.Path, copied)
	close(stop)
	if failed := <-stopped; failed != nil || err != nil {
		t.Fatal(failed, err)
	}
	if err := database.Copy(ctx, db.Path, copied); err == nil {
		t.Error("a copy overwrites what is there")
	}
	restored := filepath.Join(t.TempDir(), "restored.db")
	if err := database.Copy(ctx, copied, restored); err != nil {
		t.Fatal(err)
	}
	raw, err := sql.Open("sqlite", restored)
	if err != nil {
		t.Fatal(err)
	}
	var verdict string
	if err := raw.QueryRowContext(ctx, `PRAGMA integrity_check`).Scan(&verdict); err != nil || verdict != "ok" {
		t.Errorf("integrity_check: %s %v", verdict, err)
	}
	if err := raw.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := database.Open(ctx, "sqlite:"+restored, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if err := again.Migrate(ctx); err != nil {
		t.Errorf("the copy is not at this version: %v", err)
	}
	left := count(t, again, `rate_count WHERE name = 'left'`)
	right := count(t, again, `rate_count WHERE name = 'right'`)
	if left != right || int64(left) < before {
		t.Errorf("the copy holds %d left and %d right halves, at least %d pairs were answered before", left, right, before)
	}
}

// TestTheStateOfMigrationsWaitsForNobody: while a replica migrates, others can ask
// how far the store is, and start when there is nothing to do.
func TestTheStateOfMigrationsWaitsForNobody(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.Postgres, time.Now)
	tx, err := db.Pool().BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, lock.DefaultLockID); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Migrations(ctx); err != nil {
		t.Errorf("migrations: %v", err)
	}
	if err := db.Migrate(ctx); err != nil {
		t.Errorf("migrate: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
}

// TestReplicasThatStartTogetherMigrateOnce: each finds the store migrated, and none
// has got into another's way.
func TestReplicasThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	address := dbtest.URL(t, database.Postgres)
	open := func() *database.DB {
		db, err := database.Open(ctx, address, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	first := open()
	if err := first.MigrateTo(ctx, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Pool().ExecContext(ctx, `DROP TABLE goose_db_version`); err != nil {
		t.Fatal(err)
	}
	replicas := make([]*database.DB, 5)
	for i := range replicas {
		replicas[i] = open()
	}
	var wg sync.WaitGroup
	for _, db := range replicas {
		wg.Go(func() {
			if err := db.Migrate(ctx); err != nil {
				t.Error(err)
			}
			steps, err := db.Migrations(ctx)
			if err != nil {
				t.Error(err)
			}
			for _, s := range steps {
				if !s.Applied {
					t.Errorf("%s is not applied", s.Name)
				}
			}
		})
	}
	wg.Wait()
}

func TestAnEmptyStoreHasNoMigrations(t *testing.T) {
	t.Parallel()
	db, err := database.Open(t.Context(), dbtest.URL(t, database.SQLite), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	steps, err := db.Migrations(t.Context())
	if err != nil || len(steps) == 0 || steps[0].Applied {
		t.Errorf("%v, %v", steps, err)
	}
}
