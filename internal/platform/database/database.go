// Package database is the one door to the store: SQLite in a file, or
// PostgreSQL 15 and later. It opens, migrates, runs transactions, and translates
// what the drivers say. It knows no table; rooms keep their own SQL.
//
//	Write(ctx, db, func(tx *Tx) …)   all or nothing; on SQLite in turns
//	Read(ctx, db, func(tx *Tx) …)    one consistent view
//
// One SQL text serves both engines: $N placeholders, times as integer
// microseconds since 1970 (time.Time in arguments and Scan is converted here),
// ids and enums as text.
package database

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Engine names the kind of store.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// DB is an open store. It is safe for concurrent use.
type DB struct {
	Engine Engine
	Path   string // of the SQLite file, else ""

	now      func() time.Time
	callTime time.Duration // see the constant
	read     *sql.DB
	write    *sql.DB
	pool     *pgxpool.Pool // of PostgreSQL, whose closing is ours: database/sql only borrows it
	proof    *sql.DB       // for Prove; nil on SQLite, where read serves
	proofs   *pgxpool.Pool // what proof borrows
	pooled   bool          // a pooler gives each transaction another session
	locks    []*os.File
	queue    queue // of SQLite's writers
	writes   writes
	turns    turns // of PostgreSQL's writers

	committed func(context.Context, *Tx) // see OnCommit

	trouble  atomic.Pointer[trouble]
	warnings []string
	indexes  func() (map[string]string, error)
}

// OnCommit has fn told of every transaction that wrote, after its commit and before its
// call returns; the context is that of the call. It is for one listener, which is named
// before the store is used.
func (db *DB) OnCommit(fn func(context.Context, *Tx)) { db.committed = fn }

// ErrInUse says that another process has the SQLite file open.
var ErrInUse = errors.New("another canopy process is using this database")

// Open opens the store that rawURL names, "sqlite:PATH" or "postgres://…", and
// checks that it answers. now is the clock of all transactions. A second
// process on one SQLite file gets ErrInUse, by whatever path it comes. Errors never
// hold the password.
func Open(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	t, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if t.engine == SQLite {
		return openSQLite(ctx, t.path, now)
	}
	return openPostgres(ctx, rawURL, now)
}

// Look opens a store for reading only, beside a server that is using it. On
// SQLite nothing is made that isn't there, and writes fail.
func Look(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	t, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	if t.engine == SQLite {
		return lookSQLite(ctx, t.path, now)
	}
	return openPostgres(ctx, rawURL, now)
}

// Beside opens a store for reading and for short writes, beside servers that are using
// it. On SQLite their locks keep both from harm: the file's own, which writers of two
// processes take in turn. Nothing is made that isn't there, and nothing is migrated: a
// store of another version than this binary's is refused.
func Beside(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	t, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	open := openPostgres
	if t.engine == SQLite {
		open, rawURL = besideSQLite, t.path
	}
	db, err := open(ctx, rawURL, now)
	if err != nil {
		return nil, err
	}
	if err := db.UpToDate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// Streams is how many long reads at once leave other calls enough connections, 8 at most.
func (db *DB) Streams() int {
	if db.pool == nil {
		return streamConns
	}
	return max(1, min(streamConns, int(db.pool.Config().MaxConns)/2))
}

// closeTime is how long calls get that are under way when the store is closed.
const closeTime = 3 * time.Second

// ErrStillInUse says that calls did not end while the store was being closed: their
// connections end with the process.
var ErrStillInUse = errors.New("the database is closed while calls are under way")

// Close ends all connections and frees the SQLite file for other processes. It waits for
// calls under way, three seconds at most: then it is ErrStillInUse.
func (db *DB) Close() error {
	closed := make(chan error, 1)
	go func() { closed <- db.close() }()
	late := time.NewTimer(closeTime)
	defer late.Stop()
	select {
	case err := <-closed:
		return err
	case <-late.C:
		return ErrStillInUse
	}
}

func (db *DB) close() error {
	var err error
	if db.read != nil {
		err = db.read.Close()
	}
	if db.write != nil && db.write != db.read {
		err = errors.Join(err, db.write.Close())
	}
	if db.proofs != nil {
		err = errors.Join(err, db.proof.Close())
		db.proofs.Close()
	}
	if db.pool != nil {
		db.pool.Close()
	}
	for _, lock := range db.locks {
		err = errors.Join(err, lock.Close())
	}
	return err
}

// Warnings are what Open found that does not keep the store from its work and that
// whoever runs it should mend, a line each.
func (db *DB) Warnings() []string { return db.warnings }

// Now is the store's clock, in whole microseconds of UTC.
func (db *DB) Now() time.Time { return db.now().UTC().Truncate(time.Microsecond) }

// Ping reports whether the store answers.
func (db *DB) Ping(ctx context.Context) error {
	limit, cancel := db.limited(ctx)
	defer cancel()
	return slow(ctx, db.read.PingContext(limit))
}

// Clock is the time of the database server; of SQLite, which has none of its
// own, that of this machine.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	if db.Engine == SQLite {
		return db.Now(), nil
	}
	limit, cancel := db.limited(ctx)
	defer cancel()
	var t time.Time
	err := db.read.QueryRowContext(limit, "SELECT clock_timestamp()").Scan(&t)
	return t, slow(ctx, err)
}

// Version is the engine's own version, such as "3.53.1" or "15.18".
func (db *DB) Version(ctx context.Context) (string, error) {
	q := "SELECT sqlite_version()"
	if db.Engine == Postgres {
		q = "SHOW server_version"
	}
	limit, cancel := db.limited(ctx)
	defer cancel()
	var v string
	err := db.read.QueryRowContext(limit, q).Scan(&v)
	return v, slow(ctx, err)
}

// Stats are those of the pool that serves reads.
func (db *DB) Stats() sql.DBStats { return db.read.Stats() }

// Pool is the pool of connections that write, for migrations and for benchmarks
// that need the bare store.
func (db *DB) Pool() *sql.DB { return db.write }
