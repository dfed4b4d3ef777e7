package database

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"
)

const (
	// troubleTime is how long a store that could not write counts as one that can't,
	// unless a write has succeeded since.
	troubleTime = 10 * time.Second
	// leastSpace is what must be free beside a SQLite file: a write of some pages
	// may fail where the one that is tried finds room.
	leastSpace = 1 << 20
)

// trouble is the last failure to write.
type trouble struct {
	err error
	at  time.Time
}

// TryWrite writes to the store and says why it can't: a full disk, a store that only
// reads, no answer. Where a long write is under way it takes that for an answer.
func (db *DB) TryWrite(ctx context.Context) error {
	if t := db.trouble.Load(); t != nil && db.Now().Sub(t.at).Abs() < troubleTime {
		return fmt.Errorf("a write has just failed: %w", t.err)
	}
	// The table of migrations is the one that this package has.
	const onPostgres = `UPDATE goose_db_version SET tstamp = tstamp WHERE id = (SELECT max(id) FROM goose_db_version)`
	statement := onPostgres
	if db.Engine == SQLite {
		if db.queue.goesLong() {
			return nil
		}
		if err := db.space(); err != nil {
			return err
		}
		// SQLite sees through a row that stays as it is; this number serves nothing else.
		statement = fmt.Sprintf("PRAGMA user_version = %d", db.Now().Unix()&0x7fffffff)
	}
	_, err := write(ctx, db, func(tx *Tx) (int64, error) { return tx.Exec(ctx, statement) })
	return err
}

// space looks how much is free on the SQLite file's disk.
func (db *DB) space() error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(db.Path), &s); err != nil {
		return fmt.Errorf("look for free space: %w", err)
	}
	if free := s.Bavail * uint64(s.Bsize); free < leastSpace { //nolint:gosec // no block has a size below 0
		return fmt.Errorf("the disk is full: %d bytes are left", free)
	}
	return nil
}

// remember keeps what the last write says of the store.
func (db *DB) remember(err error) {
	switch {
	case err == nil:
		if db.trouble.Load() != nil {
			db.trouble.Store(nil)
		}
	case unfit(err):
		db.trouble.Store(&trouble{err, db.Now()})
	}
}

// unfit reports whether err says that the store can't be written to, whatever the
// write.
func unfit(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == readOnly || pg.Code == "53100" || pg.Code == "58030"
	}
	switch liteCode(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return false
}

// Resample has PostgreSQL look at tables anew: after a write of many rows it would guess how
// many there are until autovacuum comes by, and read lists in ways that suit few. SQLite
// guesses nothing.
func (db *DB) Resample(ctx context.Context, tables ...string) error {
	if db.Engine == SQLite {
		return nil
	}
	for _, table := range tables {
		if _, err := db.write.ExecContext(ctx, "ANALYZE "+table); err != nil {
			return slow(ctx, err)
		}
	}
	return nil
}
