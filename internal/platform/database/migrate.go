package database

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Migration is one step of the schema.
type Migration struct {
	Version int64
	Name    string
	Applied bool
}

func (db *DB) provider() (*goose.Provider, error) {
	dir, err := fs.Sub(migrations, "migrations/"+string(db.Engine))
	if err != nil {
		return nil, err
	}
	if db.Engine == SQLite {
		return goose.NewProvider(goose.DialectSQLite3, db.write, dir)
	}
	return goose.NewProvider(goose.DialectPostgres, db.write, dir)
}

// Migrate brings the schema up to this binary's version; nothing is done, and
// nobody waited for, when it is there. Of several replicas one migrates and the
// others wait for it. A store that a newer binary has migrated is refused by name.
func (db *DB) Migrate(ctx context.Context) error {
	steps, err := db.Migrations(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(steps, func(m Migration) bool { return !m.Applied }) {
		return nil
	}
	return db.alone(ctx, func(p *goose.Provider) error {
		return db.up(ctx, p, math.MaxInt64)
	})
}

// MigrateTo moves the schema down or up to a version; 0 is the empty store.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	return db.alone(ctx, func(p *goose.Provider) error {
		current, err := p.GetDBVersion(ctx)
		switch {
		case err != nil:
			return err
		case version < current:
			_, err = p.DownTo(ctx, version)
		case version > current:
			err = db.up(ctx, p, version)
		}
		return err
	})
}

// Migrations lists the steps this binary knows, oldest first, and whether the
// store has them. It takes no lock and changes nothing. A newer store is an error,
// as for Migrate.
func (db *DB) Migrations(ctx context.Context) ([]Migration, error) {
	list, err := knownMigrations(db.Engine)
	if err != nil {
		return nil, err
	}
	limit, cancel := db.limited(ctx)
	defer cancel()
	applied, err := appliedVersions(limit, db.read, db.Engine)
	if err != nil {
		return nil, slow(ctx, err)
	}
	if len(applied) > 0 {
		if err := refuseNewer(slices.Max(applied), list); err != nil {
			return nil, err
		}
	}
	for i := range list {
		list[i].Applied = slices.Contains(applied, list[i].Version)
	}
	return list, nil
}

// UpToDate says what keeps the store from being of this binary's version, or nil. It
// takes no lock and changes nothing.
func (db *DB) UpToDate(ctx context.Context) error {
	steps, err := db.Migrations(ctx)
	if err != nil {
		return err
	}
	for _, m := range steps {
		if !m.Applied {
			return fmt.Errorf("migration %d is pending; run canopy migrate up", m.Version)
		}
	}
	return nil
}

// knownMigrations are those of this binary, oldest first.
func knownMigrations(engine Engine) ([]Migration, error) {
	entries, err := migrations.ReadDir("migrations/" + string(engine))
	if err != nil {
		return nil, err
	}
	list := make([]Migration, len(entries))
	for i, e := range entries {
		version, err := goose.NumericComponent(e.Name())
		if err != nil {
			return nil, err
		}
		list[i] = Migration{Version: version, Name: e.Name()}
	}
	return list, nil
}

// appliedVersions are those that a store says it has, in no order.
func appliedVersions(ctx context.Context, db querier, engine Engine) ([]int64, error) {
	q := "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'goose_db_version')"
	if engine == Postgres {
		q = "SELECT to_regclass('goose_db_version') IS NOT NULL"
	}
	var there bool
	if err := db.QueryRowContext(ctx, q).Scan(&there); err != nil || !there {
		return nil, err
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied AND version_id > 0")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []int64
	for rows.Next() {
		var v int64
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

func refuseNewer(current int64, known []Migration) error {
	if newest := known[len(known)-1].Version; current > newest {
		return fmt.Errorf("the database is at migration %d, this binary knows only up to %d: "+
			"start the newer canopy that made it", current, newest)
	}
	return nil
}

// alone runs fn while no other replica does. PostgreSQL's lock is one of a
// transaction, which holds behind a pooler too; it is free as soon as its holder is
// done or dies.
func (db *DB) alone(ctx context.Context, fn func(*goose.Provider) error) (err error) {
	p, err := db.provider()
	if err != nil {
		return err
	}
	if db.Engine == SQLite {
		return fn(p) // one process has the file
	}
	waiting, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	conn, err := patiently(waiting, func(ctx context.Context) (*pgx.Conn, error) {
		return pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
	})
	if err != nil {
		return err
	}
	defer func() {
		// The call may be over; the lock is to go all the same.
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, undone := conn.Exec(end, "ROLLBACK")
		err = errors.Join(err, undone, conn.Close(end))
	}()
	if err := lockMigrations(waiting, conn); err != nil {
		return fmt.Errorf("wait for the replica that migrates: %w", err)
	}
	return fn(p)
}

// lockMigrations begins a transaction that holds the lock. Who waits holds no
// session of the server meanwhile: behind a pooler they may be few, and the one that
// migrates needs another.
func lockMigrations(ctx context.Context, conn *pgx.Conn) error {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		for _, statement := range []string{
			"BEGIN", "SET LOCAL statement_timeout = 0", "SET LOCAL idle_in_transaction_session_timeout = 0",
		} {
			if _, err := conn.Exec(ctx, statement); err != nil {
				return err
			}
		}
		// The lock that earlier versions hold as one of their session.
		var ours bool
		err := conn.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", lock.DefaultLockID).Scan(&ours)
		if err != nil || ours {
			return err
		}
		if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
