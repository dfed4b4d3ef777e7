package database

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// patience is how long a write waits for others that may take their time.
const patience = 2 * time.Minute

// ErrCrowded says that a write has waited for others for as long as it may. Nothing was
// changed, and it may be repeated.
var ErrCrowded = errors.New("another write is taking long")

// turns are the keys that somebody of this process writes under now.
type turns struct {
	mu    sync.Mutex
	taken map[string]*turn
}

type turn struct {
	free   chan struct{} // holds one while nobody has it
	people int           // who has it, or waits for it
}

// Turn waits until nobody else of this process has the key; free hands it on. So of those
// who would wait in the store for one lock only one holds a connection. On SQLite, whose
// writers have a queue already, it waits for nobody. The error is ctx's, or ErrCrowded
// after two minutes.
func (db *DB) Turn(ctx context.Context, key string) (free func(), err error) {
	if db.Engine == SQLite {
		return func() {}, nil
	}
	t := db.turns.join(key)
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; db.turns.leave(key, t) }, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-late.C:
		err = ErrCrowded
	}
	db.turns.leave(key, t)
	return nil, err
}

func (ts *turns) join(key string) *turn {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.taken == nil {
		ts.taken = map[string]*turn{}
	}
	t := ts.taken[key]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		ts.taken[key] = t
	}
	t.people++
	return t
}

func (ts *turns) leave(key string, t *turn) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t.people--; t.people == 0 {
		delete(ts.taken, key)
	}
}

// Lock asks for one row and, on PostgreSQL, holds it until the transaction ends, so that
// others who ask so wait; rows that refer to it can be written meanwhile (FOR NO KEY
// UPDATE). Another writer of the row that holds it longer than a call may take makes the
// row's Scan fail with ErrSlow.
func (tx *Tx) Lock(ctx context.Context, query string, args ...any) Row {
	if tx.DB.Engine == Postgres {
		query += " FOR NO KEY UPDATE"
	}
	return tx.QueryRow(ctx, query, args...)
}

// soon is how long LockSoon waits.
const soon = "100ms"

// LockSoon is Lock for who holds rows already that others wait for: it waits a tenth of a
// second only. Then its Scan gives an error that is Held, and the transaction is over.
func (tx *Tx) LockSoon(ctx context.Context, query string, args ...any) Row {
	if tx.DB.Engine != Postgres {
		return tx.Lock(ctx, query, args...)
	}
	if _, err := tx.Exec(ctx, `SET LOCAL lock_timeout = '`+soon+`'`); err != nil {
		return Row{err: err}
	}
	row := tx.Lock(ctx, query, args...)
	row.after = func() error {
		_, err := tx.Exec(ctx, `SET LOCAL lock_timeout = 0`)
		return err
	}
	return row
}

// Held reports whether err says that another writer holds what LockSoon was to lock.
func Held(err error) bool {
	pg, is := errors.AsType[*pgconn.PgError](err)
	return is && pg.Code == "55P03" // lock_not_available
}

// TrySoon is Turn for who has turns already that others wait for: false after a tenth of a
// second.
func (db *DB) TrySoon(ctx context.Context, key string) (free func(), had bool, err error) {
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	free, err = db.Turn(short, key)
	if err != nil && ctx.Err() == nil && short.Err() != nil {
		return nil, false, nil
	}
	return free, err == nil, err
}

// Patiently runs a write again that has waited for another's lock in vain (ErrSlow), for
// two minutes in all; then it is ErrCrowded. locked tells whether the lock was had, in
// which case it is not the lock that was waited for.
func Patiently(ctx context.Context, locked *bool, write func() error) error {
	end := time.Now().Add(patience)
	for {
		*locked = false
		err := write()
		if err == nil || *locked || !errors.Is(err, ErrSlow) || ctx.Err() != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: %w", ErrCrowded, err)
		}
	}
}
