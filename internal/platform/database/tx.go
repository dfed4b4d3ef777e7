package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	sqlite3 "modernc.org/sqlite/lib"
)

// Tx is one transaction. Its Now is read once, at its start, so that all it
// writes bears one instant. A Tx belongs to one goroutine.
type Tx struct {
	Now time.Time
	DB  *DB
	tx  querier

	end      time.Time    // of the call; zero: it takes its time
	over     func() error // why the call has ended, if it has
	writes   bool         // and has not ended
	after    []func()
	closings []closing
	group    *group // of SQLite, while it writes
	wrote    []*atomic.Uint64
	spoiled  bool // it has broken its group
}

// querier is what runs statements: a transaction of database/sql, or a connection
// whose transaction is ours.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// ErrNoRows is what Row.Scan gives where the query found nothing.
var ErrNoRows = sql.ErrNoRows

// callTime is how long one call of Write or Read may take, and a write of SQLite may
// wait for its turn before that. Then it fails with ErrSlow.
const callTime = 10 * time.Second

type longKey struct{}

// Long lets the calls that are made with it take as long as they need: exports,
// streams, large writes, sweeps. On SQLite other writers wait for such a one.
func Long(ctx context.Context) context.Context { return context.WithValue(ctx, longKey{}, true) }

func long(ctx context.Context) bool { return ctx.Value(longKey{}) != nil }

// limited gives a call its end.
func (db *DB) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	if long(ctx) {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, db.callTime)
}

// within gives the transaction the end of its call.
func (tx *Tx) within(ctx context.Context) (context.Context, context.CancelFunc) {
	limit, cancel := tx.DB.limited(ctx)
	tx.end, _ = limit.Deadline()
	tx.over = limit.Err
	return limit, cancel
}

// slow tells an end that was ours from the caller's own.
func slow(ctx context.Context, err error) error {
	ended := errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) || liteCode(err) == sqlite3.SQLITE_INTERRUPT
	if ended && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrSlow, err)
	}
	return err
}

// Write runs fn in a transaction that commits when fn gives no error and leaves
// nothing behind when it does. fn may run again: on PostgreSQL after a deadlock or
// serialization failure, on SQLite after the failure of another with which it
// shared a commit. So it changes nothing but the store.
func Write[T any](ctx context.Context, db *DB, fn func(*Tx) (T, error)) (T, error) {
	v, err := write(ctx, db, guarded(ctx, fn))
	db.remember(err)
	return v, err
}

func write[T any](ctx context.Context, db *DB, fn func(*Tx) (T, error)) (T, error) {
	for attempt := 1; ; attempt++ {
		tx := &Tx{DB: db, writes: true}
		var v T
		var err error
		if db.Engine == SQLite {
			v, err = together(ctx, tx, attempt > 1 || long(ctx), fn)
		} else {
			v, err = run(ctx, tx, db.write, &sql.TxOptions{Isolation: sql.LevelReadCommitted}, fn)
		}
		if err == nil {
			if db.committed != nil {
				db.committed(ctx, tx)
			}
			for _, after := range tx.after {
				after()
			}
			return v, nil
		}
		if attempt == 5 || !again(err, attempt) {
			return v, err
		}
	}
}

// again reports whether err says nothing of the transaction itself, which may do
// better when it runs once more.
func again(err error, attempt int) bool {
	if _, lost := errors.AsType[*lostError](err); lost {
		return true
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	// A server that only reads may do so on this one connection.
	return pg.Code == "40001" || pg.Code == "40P01" || pg.Code == readOnly && attempt == 1
}

// Do is Write for work that has no result but its error.
func Do(ctx context.Context, db *DB, fn func(*Tx) error) error {
	_, err := Write(ctx, db, func(tx *Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	return err
}

// Read runs fn on one consistent view of the store; fn can't write.
func Read[T any](ctx context.Context, db *DB, fn func(*Tx) (T, error)) (T, error) {
	var opts *sql.TxOptions
	if db.Engine == Postgres {
		opts = &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
	}
	return run(ctx, &Tx{DB: db}, db.read, opts, fn)
}

// Ask runs fn on what is committed now, for a question of one statement: it is consistent
// by itself, and saves PostgreSQL the two round trips of a transaction. fn can't write.
func Ask[T any](ctx context.Context, db *DB, fn func(*Tx) (T, error)) (v T, err error) {
	return ask(ctx, &Tx{DB: db, tx: db.read, Now: db.Now()}, fn)
}

// Prove is Ask on a connection of its own, which others neither use up nor wait for: for
// short questions that many calls stand on, one at a time.
func Prove[T any](ctx context.Context, db *DB, fn func(*Tx) (T, error)) (v T, err error) {
	return ask(ctx, &Tx{DB: db, tx: cmp.Or(db.proof, db.read), Now: db.Now()}, fn)
}

func ask[T any](ctx context.Context, tx *Tx, fn func(*Tx) (T, error)) (v T, err error) {
	db := tx.DB
	limit, cancel := tx.within(ctx)
	defer cancel()
	v, err = fn(tx)
	if err != nil && db.pool != nil && stale(err) && ctx.Err() == nil {
		db.heal(err) // as run does: nothing has been done yet
		v, err = fn(tx)
	}
	if err = slow(ctx, err); err != nil && db.pool != nil {
		db.heal(err)
	}
	if err != nil && limit.Err() != nil && ctx.Err() == nil && !errors.Is(err, ErrSlow) {
		err = fmt.Errorf("%w: %w", ErrSlow, err)
	}
	return v, err
}

// View is Read for work that gathers its results itself.
func View(ctx context.Context, db *DB, fn func(*Tx) error) error {
	_, err := Read(ctx, db, func(tx *Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	return err
}

func run[T any](
	ctx context.Context, tx *Tx, pool *sql.DB, opts *sql.TxOptions, fn func(*Tx) (T, error),
) (v T, err error) {
	limit, cancel := tx.within(ctx)
	defer cancel()
	defer func() {
		if err = slow(ctx, err); err != nil && tx.DB.pool != nil {
			tx.DB.heal(err)
		}
	}()
	var zero T
	began, err := pool.BeginTx(limit, opts)
	if err != nil && tx.DB.pool != nil && stale(err) && ctx.Err() == nil {
		// Nothing has been done yet, and a connection that died while it was idle
		// says nothing of a new one.
		tx.DB.pool.Reset()
		began, err = pool.BeginTx(limit, opts)
	}
	if err != nil {
		return zero, err
	}
	tx.tx = began
	// After a commit this does nothing; after an error or a panic it undoes all.
	defer func() {
		_ = began.Rollback()
		tx.writes = false
	}()
	tx.Now = tx.DB.Now()
	v, err = fn(tx)
	if err == nil {
		err = began.Commit()
	}
	if errors.Is(err, sql.ErrTxDone) && limit.Err() != nil {
		// database/sql ends a cancelled call's transaction by itself, and the next
		// statement hears of the end alone.
		err = limit.Err()
	}
	if err != nil {
		return zero, err
	}
	return v, nil
}

// AfterCommit has fn run once the transaction has committed: after those given
// before it, in the goroutine of Write or Do, before that returns. It never runs
// when the transaction fails, also not when only its commit does, and a repeated
// transaction begins without any. fn must not use the Tx; it may begin a new
// transaction. It can't fail any more, so it is for hints such as waking a
// worker: a process that dies here never runs it. Calling AfterCommit in a Read,
// or after the transaction has ended, panics.
func (tx *Tx) AfterCommit(fn func()) {
	if !tx.writes {
		panic("database: AfterCommit needs a transaction that writes and has not ended")
	}
	tx.after = append(tx.after, fn)
}

// statement gives the context of a statement, which ends with the call's time. A
// shared transaction is looked after between its statements: none of them is
// interrupted.
func (tx *Tx) statement(ctx context.Context) (context.Context, context.CancelFunc, error) {
	if tx.group != nil {
		switch {
		case tx.group.broken != nil:
			return nil, nil, tx.group.broken // what came now would be on its own
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		}
		return context.WithoutCancel(ctx), func() {}, tx.over()
	}
	if tx.end.IsZero() {
		return ctx, func() {}, nil
	}
	ctx, cancel := context.WithDeadline(ctx, tx.end)
	return ctx, cancel, nil
}

// Exec runs a statement and gives the number of rows it changed.
func (tx *Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, done, err := tx.statement(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	tx.changed(query)
	res, err := tx.tx.ExecContext(ctx, query, tx.stored(args)...)
	if err != nil {
		tx.note(err)
		return 0, err
	}
	return res.RowsAffected()
}

// Row is the first row of a query, or none.
type Row struct {
	row  *sql.Row
	tx   *Tx
	done context.CancelFunc
	err  error

	after func() error // follows a row that was read; may be nil
}

// QueryRow asks for one row.
func (tx *Tx) QueryRow(ctx context.Context, query string, args ...any) Row {
	ctx, done, err := tx.statement(ctx)
	if err != nil {
		return Row{err: err}
	}
	tx.changed(query)
	return Row{row: tx.tx.QueryRowContext(ctx, query, tx.stored(args)...), tx: tx, done: done}
}

// Scan reads the row's columns; ErrNoRows where there is no row. *time.Time and
// **time.Time take instants, the latter NULL as nil.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.done()
	err := r.row.Scan(scanned(dest)...)
	r.tx.note(err)
	if err == nil && r.after != nil {
		err = r.after()
	}
	return err
}

// Scanner is a row that can be read: Row, or the row that Query is at.
type Scanner interface{ Scan(dest ...any) error }

// Query asks for rows and hands each to fn, until fn gives an error.
func (tx *Tx) Query(ctx context.Context, fn func(Scanner) error, query string, args ...any) error {
	bound, done, err := tx.statement(ctx)
	if err != nil {
		return err
	}
	defer done()
	tx.changed(query)
	rows, err := tx.tx.QueryContext(bound, query, tx.stored(args)...)
	if err != nil {
		tx.note(err)
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := fn(scanRows{rows}); err != nil {
			return err
		}
	}
	tx.note(rows.Err())
	return rows.Err()
}

// Borrowed takes a text that is only good until the next row, without a copy of its own:
// for those who read very many rows.
type Borrowed = sql.RawBytes

// All asks for rows and gathers what one makes of each; never nil.
func All[T any](ctx context.Context, tx *Tx, one func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	list := []T{}
	err := tx.Query(ctx, func(s Scanner) error {
		v, err := one(s)
		list = append(list, v)
		return err
	}, query, args...)
	return list, err
}

type scanRows struct{ *sql.Rows }

func (r scanRows) Scan(dest ...any) error { return r.Rows.Scan(scanned(dest)...) }

// PlanAnew has, as a query's first argument, PostgreSQL plan it for its very
// arguments. Without it a query that came a few times is planned once for all
// arguments, which suits most, and not a list whose best plan depends on how much
// is found. It takes no placeholder of the query.
var PlanAnew any = planAnew{}

type planAnew struct{}

// stored turns instants into microseconds.
func (tx *Tx) stored(args []any) []any {
	if len(args) > 0 && args[0] == PlanAnew {
		if args = args[1:]; tx.DB.Engine == Postgres {
			return append([]any{pgx.QueryExecModeExec}, tx.stored(args)...)
		}
	}
	for i, a := range args {
		switch t := a.(type) {
		case time.Time:
			if t.IsZero() {
				args[i] = nil
			} else {
				args[i] = t.UnixMicro()
			}
		case *time.Time:
			if t == nil {
				args[i] = nil
			} else {
				args[i] = t.UnixMicro()
			}
		case bool:
			args[i] = 0
			if t {
				args[i] = 1
			}
		}
	}
	return args
}

func scanned(dest []any) []any {
	for i, d := range dest {
		switch p := d.(type) {
		case *time.Time:
			dest[i] = instant{func(t *time.Time) {
				*p = time.Time{}
				if t != nil {
					*p = *t
				}
			}}
		case **time.Time:
			dest[i] = instant{func(t *time.Time) { *p = t }}
		}
	}
	return dest
}

type instant struct{ set func(*time.Time) }

// Scan implements sql.Scanner for a column of microseconds.
func (i instant) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		i.set(nil)
	case int64:
		t := time.UnixMicro(v).UTC()
		i.set(&t)
	default:
		return errors.New("database: an instant must be stored as integer microseconds")
	}
	return nil
}
