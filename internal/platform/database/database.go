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
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
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

	now   func() time.Time
	read  *sql.DB
	write *sql.DB
	pool  *pgxpool.Pool // of PostgreSQL, whose closing is ours: database/sql only borrows it
	lock  *os.File
	queue queue // of SQLite's writers

	indexes func() (map[string]string, error)
}

// ErrInUse says that another process has the SQLite file open.
var ErrInUse = errors.New("another canopy process is using this database")

// Open opens the store that rawURL names, "sqlite:PATH" or "postgres://…", and
// checks that it answers. now is the clock of all transactions. A second
// process on one SQLite file gets ErrInUse. Errors never hold the password.
func Open(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	if path, ok := strings.CutPrefix(rawURL, "sqlite:"); ok && path != "" {
		return openSQLite(ctx, path, now)
	}
	if strings.HasPrefix(rawURL, "postgres://") || strings.HasPrefix(rawURL, "postgresql://") {
		return openPostgres(ctx, rawURL, now)
	}
	return nil, errors.New("database URL must be sqlite:PATH or postgres://…")
}

func openSQLite(ctx context.Context, path string, now func() time.Time) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("%s: %w", path, ErrInUse)
	}
	// One writer that begins its transactions at once: waiting happens in Go's
	// queue, which is fair, and not in SQLite's busy loop, which is not.
	w, err := openFile(ctx, path, 1, "&_txlock=immediate")
	if err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r, err := openFile(ctx, path, max(4, 2*runtime.GOMAXPROCS(0)), "&_pragma=query_only(1)")
	if err != nil {
		_ = w.Close()
		_ = lock.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db := &DB{Engine: SQLite, Path: path, now: now, read: r, write: w, lock: lock}
	db.indexes = sync.OnceValues(db.uniqueIndexes)
	return db, nil
}

func openFile(ctx context.Context, path string, conns int, query string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	u.RawQuery = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)" +
		"&_pragma=mmap_size(268435456)" + query
	p, err := sql.Open("sqlite", u.String())
	if err != nil {
		return nil, err
	}
	p.SetMaxOpenConns(conns)
	p.SetMaxIdleConns(conns)
	return p, p.PingContext(ctx)
}

// Look opens a store for reading only, beside a server that is using it. On
// SQLite nothing is made that isn't there, and writes fail.
func Look(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	path, lite := strings.CutPrefix(rawURL, "sqlite:")
	if !lite {
		return Open(ctx, rawURL, now)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not exist yet; canopy serve and canopy migrate up make it", path)
	}
	p, err := openFile(ctx, path, 2, "&mode=rw&_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db := &DB{Engine: SQLite, Path: path, now: now, read: p, write: p}
	db.indexes = sync.OnceValues(db.uniqueIndexes)
	return db, nil
}

func openPostgres(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, errors.New("database URL is not a PostgreSQL connection string")
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if u, err := url.Parse(rawURL); err != nil || !u.Query().Has("pool_max_conns") {
		cfg.MaxConns = int32(4 * runtime.GOMAXPROCS(0)) //nolint:gosec // no machine has so many
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL at %s: %w", cfg.ConnConfig.Host, err)
	}
	p := stdlib.OpenDBFromPool(pool)
	if err := p.PingContext(ctx); err != nil {
		_ = p.Close()
		pool.Close()
		// pgx tells one line for each address it tried; the first says it.
		first, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), ":\n\t", ": "), "\n")
		return nil, fmt.Errorf("connect to PostgreSQL at %s:%d: %s", cfg.ConnConfig.Host, cfg.ConnConfig.Port, first)
	}
	return &DB{
		Engine: Postgres, now: now, read: p, write: p, pool: pool,
		indexes: func() (map[string]string, error) { return map[string]string{}, nil },
	}, nil
}

// Close ends all connections and frees the SQLite file for other processes.
func (db *DB) Close() error {
	err := db.read.Close()
	if db.write != db.read {
		err = errors.Join(err, db.write.Close())
	}
	if db.pool != nil {
		db.pool.Close()
	}
	if db.lock != nil {
		err = errors.Join(err, db.lock.Close())
	}
	return err
}

// Now is the store's clock, in whole microseconds of UTC.
func (db *DB) Now() time.Time { return db.now().UTC().Truncate(time.Microsecond) }

// Ping reports whether the store answers.
func (db *DB) Ping(ctx context.Context) error { return db.read.PingContext(ctx) }

// Clock is the time of the database server; of SQLite, which has none of its
// own, that of this machine.
func (db *DB) Clock(ctx context.Context) (time.Time, error) {
	if db.Engine == SQLite {
		return db.Now(), nil
	}
	var t time.Time
	err := db.read.QueryRowContext(ctx, "SELECT clock_timestamp()").Scan(&t)
	return t, err
}

// Version is the engine's own version, such as "3.53.1" or "15.18".
func (db *DB) Version(ctx context.Context) (string, error) {
	q := "SELECT sqlite_version()"
	if db.Engine == Postgres {
		q = "SHOW server_version"
	}
	var v string
	err := db.read.QueryRowContext(ctx, q).Scan(&v)
	return v, err
}

// Stats are those of the pool that serves reads.
func (db *DB) Stats() sql.DBStats { return db.read.Stats() }

// Pool is the pool of connections that write, for migrations and for benchmarks
// that need the bare store.
func (db *DB) Pool() *sql.DB { return db.write }

// Copy writes a consistent copy of the SQLite file at from to the path to, which
// must not exist, also while a server is using it (VACUUM INTO reads one
// snapshot).
func Copy(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if _, err := os.Stat(to); err == nil {
		return fmt.Errorf("%s exists already", to)
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: from}).EscapedPath()+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.ExecContext(ctx, "VACUUM INTO $1", to)
	return err
}

// uniqueIndexes maps what SQLite says of a broken unique index ("table.column,
// table.column") to the index's name, which Postgres says itself.
func (db *DB) uniqueIndexes() (map[string]string, error) {
	// The look-up outlives the call that needed it first.
	rows, err := db.read.QueryContext(context.Background(), `SELECT l.name, group_concat(t.name || '.' || i.name, ', ')
		FROM sqlite_master t JOIN pragma_index_list(t.name) l JOIN pragma_index_info(l.name) i
		WHERE t.type = 'table' AND l."unique" = 1 GROUP BY t.name, l.name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[string]string{}
	for rows.Next() {
		var name, columns string
		if err := rows.Scan(&name, &columns); err != nil {
			return nil, err
		}
		if _, named := m[columns]; !named || !strings.HasPrefix(name, "sqlite_autoindex") {
			m[columns] = name
		}
	}
	return m, rows.Err()
}

// Broken reports whether err says that the unique index of that name was about
// to be broken. Races are decided this way, never by reading first.
func (db *DB) Broken(err error, index string) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505" && pg.ConstraintName == index
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		const says = "UNIQUE constraint failed: "
		_, columns, ok := strings.Cut(lite.Error(), says)
		if !ok {
			return false
		}
		columns, _, _ = strings.Cut(columns, " (")
		names, err := db.indexes()
		return err == nil && names[columns] == index
	}
	return false
}

// Unreachable reports whether err says that the store itself can't be used: no
// connection, and for SQLite a file that is locked, read-only, or on a full or
// failing disk.
func Unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &connect):
		return true
	case errors.As(err, &lite):
		switch lite.Code() & 0xff { // the primary result code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
			sqlite3.SQLITE_CANTOPEN:
			return true
		}
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || pg.Code == "53300"
	}
	var broken *net.OpError // a connection that died while it was used
	return errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone)
}
