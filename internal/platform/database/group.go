package database

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// SQLite has one writer at a time, and the costly part of a write is the disk's
// word that it holds it. So writers that wait for each other share a commit: the
// transaction is handed from one to the next, each in a savepoint of its own, and
// the last in the row commits for all. None is answered before that.

const (
	// groupSize and groupTime bound how long the first of a group waits for the
	// last.
	groupSize = 64
	groupTime = 5 * time.Millisecond
)

// queue is the row of writers before the one connection that writes. Whoever holds
// its turn hands it on; no goroutine of its own is needed.
type queue struct {
	mu      sync.Mutex
	hold    time.Duration // instead of groupTime, where not zero
	busy    bool          // somebody has the turn
	long    bool          // who has it may take as long as it needs
	waiting []*writer
}

type writer struct {
	alone bool        // it shares its commit with nobody
	turn  chan *group // nil: begin one
}

// group is a transaction that writers share. Only who has the turn touches it; err
// is for all once done is closed.
type group struct {
	conn   *sql.Conn
	late   *time.Timer // fires when nobody may join any more
	alone  bool
	joined int   // writers that have had their turn
	broken error // SQLite has undone all of it by itself, for this reason
	wrote  []*atomic.Uint64

	done chan struct{}
	err  error
}

// lostError says that a transaction was undone for what another in its group did:
// it may be run again.
type lostError struct{ cause error }

func (e *lostError) Error() string { return e.cause.Error() }
func (e *lostError) Unwrap() error { return e.cause }

// enter waits for the turn. It gives the group to join, or none when one is to be
// begun.
func (db *DB) enter(ctx context.Context, alone bool) (*group, error) {
	q := &db.queue
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	q.mu.Lock()
	if !q.busy {
		q.busy = true
		q.mu.Unlock()
		return nil, nil //nolint:nilnil // no group is the answer
	}
	w := &writer{alone, make(chan *group, 1)}
	q.waiting = append(q.waiting, w)
	q.mu.Unlock()
	end := time.NewTimer(db.callTime)
	defer end.Stop()
	began := time.Now()
	late := error(nil)
	for late == nil {
		select {
		case g := <-w.turn:
			return g, nil
		case <-ctx.Done():
			late = ctx.Err()
		case <-end.C:
			switch {
			case long(ctx), q.goesLong() && time.Since(began) < patience:
				end.Reset(db.callTime)
				continue
			case q.goesLong():
				late = ErrCrowded
				continue
			}
			late = fmt.Errorf("%w: other writers are before it", ErrSlow)
		}
	}
	q.mu.Lock()
	at := slices.Index(q.waiting, w)
	if at >= 0 {
		q.waiting = slices.Delete(q.waiting, at, at+1)
	}
	q.mu.Unlock()
	if at < 0 { // the turn came all the same
		q.pass(ctx, <-w.turn)
	}
	return nil, late
}

// Waiting is the number of SQLite's writers that wait for their turn now.
func (db *DB) Waiting() int {
	db.queue.mu.Lock()
	defer db.queue.mu.Unlock()
	return len(db.queue.waiting)
}

// goesLong reports whether who has the turn may take as long as it needs.
func (q *queue) goesLong() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.long
}

// pass hands the turn on: to the next who may join the group, else to the next
// after the group has been committed.
func (q *queue) pass(ctx context.Context, g *group) {
	if g != nil {
		q.mu.Lock()
		var next *writer
		if g.goesOn() && len(q.waiting) > 0 && !q.waiting[0].alone {
			next = q.shift()
		}
		q.mu.Unlock()
		if next != nil {
			next.turn <- g
			return
		}
		g.end(ctx)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.busy = false
		return
	}
	q.shift().turn <- nil
}

// note keeps whether who has the turn may take its time.
func (q *queue) note(long bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.long = long
}

func (q *queue) shift() *writer {
	next := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	return next
}

// together runs fn in a transaction that may be shared.
func together[T any](ctx context.Context, tx *Tx, alone bool, fn func(*Tx) (T, error)) (T, error) {
	var zero T
	q := &tx.DB.queue
	g, err := tx.DB.enter(ctx, alone)
	if err != nil {
		return zero, err
	}
	if g == nil {
		if g, err = tx.DB.begin(ctx, alone); err != nil {
			q.pass(ctx, nil)
			return zero, err
		}
	}
	v, err := join(ctx, tx, g, fn)
	err = slow(ctx, err)
	if err != nil && tx.spoiled {
		return zero, err
	}
	// What failed may have seen what the others wrote, so it too waits for them.
	<-g.done
	if g.err != nil {
		err = g.err
	}
	if err != nil {
		return zero, err
	}
	return v, nil
}

// join takes a turn in the group and hands it on, also when fn panics.
func join[T any](ctx context.Context, tx *Tx, g *group, fn func(*Tx) (T, error)) (v T, err error) {
	kept, first := false, g.joined == 0
	g.joined++
	tx.tx, tx.group = g.conn, g
	_, cancel := tx.within(ctx)
	tx.DB.queue.note(long(ctx))
	defer func() {
		cancel()
		tx.writes = false
		tx.DB.queue.note(false)
		if !kept {
			g.undo(ctx, first)
		}
		tx.DB.queue.pass(ctx, g)
	}()
	if !first {
		if err := g.do(ctx, "SAVEPOINT member"); err != nil {
			tx.note(err)
			return v, err
		}
	}
	tx.Now = tx.DB.Now()
	v, err = fn(tx)
	switch {
	case g.broken != nil:
		return v, g.broken // also when fn has swallowed it
	case err != nil:
		return v, err
	case tx.over() != nil:
		return v, tx.over()
	case !first:
		if err := g.do(ctx, "RELEASE member"); err != nil {
			tx.note(err)
			return v, err
		}
	}
	kept = true
	g.wrote = append(g.wrote, tx.wrote...)
	return v, nil
}

func (db *DB) begin(ctx context.Context, alone bool) (*group, error) {
	conn, err := db.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	late := time.NewTimer(cmp.Or(db.queue.hold, groupTime))
	g := &group{conn: conn, late: late, alone: alone, done: make(chan struct{})}
	if err := g.do(ctx, "BEGIN IMMEDIATE"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return g, nil
}

// do runs a statement that no call's end interrupts: SQLite would undo the
// transaction of all.
func (g *group) do(ctx context.Context, statement string) error {
	_, err := g.conn.ExecContext(context.WithoutCancel(ctx), statement)
	return err
}

func (g *group) goesOn() bool {
	select {
	case <-g.late.C:
		return false
	default:
		return g.conn != nil && g.broken == nil && !g.alone && g.joined < groupSize
	}
}

// undo takes back what the current writer did.
func (g *group) undo(ctx context.Context, first bool) {
	switch {
	case g.broken != nil: // end does it
	case first:
		g.rollback(ctx)
	default:
		if err := errors.Join(g.do(ctx, "ROLLBACK TO member"), g.do(ctx, "RELEASE member")); err != nil {
			g.broken = err
		}
	}
}

// rollback ends the transaction without a trace.
func (g *group) rollback(ctx context.Context) {
	if g.do(ctx, "ROLLBACK") != nil {
		// It may be over already, or not: the connection is not used again.
		_ = g.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	_ = g.conn.Close()
	g.conn = nil
}

// end commits for all, and tells them.
func (g *group) end(ctx context.Context) {
	defer close(g.done)
	g.late.Stop()
	switch {
	case g.conn == nil: // the first has failed, and was alone
		return
	case g.broken != nil:
		g.err = &lostError{g.broken}
		g.rollback(ctx)
		return
	}
	// Also when the commit fails: it may have come about all the same.
	defer func() {
		for _, n := range g.wrote {
			n.Add(1)
		}
	}()
	if g.err = g.do(ctx, "COMMIT"); g.err != nil {
		// A constraint that is checked at the end was broken by one of them.
		if g.joined > 1 && liteCode(g.err) == sqlite3.SQLITE_CONSTRAINT {
			g.err = &lostError{g.err}
		}
		g.rollback(ctx)
		return
	}
	_ = g.conn.Close() // only gives it back
}

// note looks whether err is one after which SQLite undoes the whole transaction,
// or may have (https://www.sqlite.org/lang_transaction.html).
func (tx *Tx) note(err error) {
	if tx.group == nil || err == nil {
		return
	}
	switch liteCode(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
		sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT:
		tx.group.broken, tx.spoiled = err, true
	}
}

// liteCode is the primary result code of SQLite in err, or 0.
func liteCode(err error) int {
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return lite.Code() & 0xff
	}
	return sqlite3.SQLITE_OK
}
