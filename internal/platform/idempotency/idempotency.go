// Package idempotency keeps answers for 24 hours, so that a repeated call finds its
// first answer: the table idempotency. It implements wire.Idempotency.
//
//	        Begin            a change commits             Keep
//	(none) ───────▶ claimed ────────────────▶ acted ─────────────▶ answered
//	   ▲               │                        │
//	   └───────────────┘ Free, or a minute      └──▶ lost: Free, or a minute
//	                     without renewal              without renewal
//
// A claim is renewed while its call runs. That the call acted is noted in the
// transaction of its change, which fails when the claim is no longer the call's: so a
// call acts once, whenever a process dies. Answers are sealed under the install key and
// the caller's Idempotency-Key, since some show a secret once.
package idempotency

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
)

const (
	keep = 24 * time.Hour
	// A claim that has not been renewed for so long belongs to a process that died.
	abandoned = time.Minute
	renewal   = 20 * time.Second
	// longest is how large a body may be that is kept.
	longest = 1 << 20
	// sweepBatch bounds how long one sweep transaction keeps other writers waiting.
	sweepBatch = 1000
)

// use is what answers are sealed for.
const use = "canopy idempotency v1"

// Store is safe for concurrent use.
type Store struct {
	DB    *database.DB
	Box   *secret.Box
	Log   *slog.Logger  // nil: slog.Default()
	Renew time.Duration // how often the claim of a running call is renewed; 0: each 20 s
}

// Begin implements wire.Idempotency. The primary key decides between two first
// calls.
func (s *Store) Begin(ctx context.Context, r wire.Repeat) (wire.Claim, *wire.Kept, error) {
	c := &claim{s: s, repeat: r}
	var earlier call
	err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
		c.id = id.New[id.ID](tx.Now)
		earlier = call{id: c.id}
		n, err := tx.Exec(ctx, insertClaim,
			r.Call, c.id, r.Body, tx.Now, tx.Now.Add(-keep), tx.Now.Add(-abandoned))
		if err != nil || n == 1 {
			return err
		}
		earlier, err = find(ctx, tx, r.Call)
		return err
	})
	switch {
	case err != nil:
		return nil, nil, err
	case earlier.id == c.id:
		return c, nil, nil
	case earlier.body != r.Body:
		return nil, nil, wire.ErrKeyReused
	case earlier.answer != nil:
		k, err := s.open(earlier.answer, earlier.id, r.Key)
		return nil, k, err
	case earlier.running:
		return nil, nil, wire.ErrInProgress
	}
	return nil, nil, wire.ErrAnswerLost
}

// call is what the table has of one.
type call struct {
	id      id.ID
	body    string
	answer  []byte
	running bool
}

func find(ctx context.Context, tx *database.Tx, key string) (c call, err error) {
	// What lies ahead was written before the clock was set back.
	if _, err := tx.Exec(ctx, bringBack, key, tx.Now); err != nil {
		return c, err
	}
	err = tx.QueryRow(ctx, selectCall, key, tx.Now.Add(-abandoned)).Scan(&c.id, &c.body, &c.answer, &c.running)
	return c, err
}

func (s *Store) open(sealed []byte, row id.ID, key string) (*wire.Kept, error) {
	box, err := s.Box.Derive([]byte(key), row.String(), use)
	if err != nil {
		return nil, err
	}
	plain, err := box.Open(sealed, row.String())
	if err != nil {
		return nil, wire.ErrAnswerLost.WithCause(err)
	}
	k := &wire.Kept{}
	if err := json.Unmarshal(plain, k); err != nil {
		return nil, err
	}
	return k, nil
}

func (s *Store) seal(k wire.Kept, row id.ID, key string) ([]byte, error) {
	plain, err := json.Marshal(k)
	if err != nil {
		return nil, err
	}
	box, err := s.Box.Derive([]byte(key), row.String(), use)
	if err != nil {
		return nil, err
	}
	return box.Seal(plain, row.String()), nil
}

// claim is the right of one call to act. Its id is in no other claim, so a later one of
// the same call is not taken for it.
type claim struct {
	s      *Store
	repeat wire.Repeat
	id     id.ID
	acted  atomic.Bool
}

// Acted implements wire.Claim.
func (c *claim) Acted() bool { return c.acted.Load() }

// Within implements wire.Claim.
func (c *claim) Within(ctx context.Context) (work context.Context, done func()) {
	renewing, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		task.Try(ctx, cmp.Or(c.s.Log, slog.Default()), "idempotency claim", func() { c.renew(renewing) })
	})
	return database.Guarded(ctx, c.mark), func() {
		stop()
		wg.Wait()
	}
}

// renew keeps the claim until the work ends. Where it fails for a minute the claim may
// pass on, and the work can't commit.
func (c *claim) renew(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(c.s.Renew, renewal))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_ = database.Do(ctx, c.s.DB, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, renewClaim, c.repeat.Call, c.id, tx.Now)
			return err
		})
	}
}

// mark notes in the transaction of a change that the call acts.
func (c *claim) mark(ctx context.Context, tx *database.Tx) error {
	c.acted.Store(true) // also when the commit fails: it may have come about
	return c.held(tx.Exec(ctx, markClaim, c.repeat.Call, c.id))
}

// held is ErrInProgress when no row was changed: another call has the claim.
func (c *claim) held(n int64, err error) error {
	if err == nil && n == 0 {
		return wire.ErrInProgress
	}
	return err
}

// Keep implements wire.Claim.
func (c *claim) Keep(ctx context.Context, k wire.Kept) error {
	statement, args := loseAnswer, []any{c.repeat.Call, c.id}
	if k.Size() <= longest {
		sealed, err := c.s.seal(k, c.id, c.repeat.Key)
		if err != nil {
			return err
		}
		statement, args = keepAnswer, append(args, sealed)
	}
	return database.Do(ctx, c.s.DB, func(tx *database.Tx) error { return c.held(tx.Exec(ctx, statement, args...)) })
}

// Free implements wire.Claim.
func (c *claim) Free(ctx context.Context) error {
	return database.Do(ctx, c.s.DB, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, deleteClaim, c.repeat.Call, c.id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, endClaim, c.repeat.Call, c.id)
		return err
	})
}

// Sweep deletes answers that have been kept long enough, in small transactions. It may
// run at any time.
func (s *Store) Sweep(ctx context.Context) error {
	return s.each(ctx, func(tx *database.Tx) (int64, error) {
		return tx.Exec(ctx, deleteOld, tx.Now.Add(-keep), sweepBatch)
	})
}

// Rewind has answers count from now that lie ahead: the clock was set back since. Claims
// that do, Begin brings back. It may run at any time.
func (s *Store) Rewind(ctx context.Context) error {
	return s.each(ctx, func(tx *database.Tx) (int64, error) {
		return tx.Exec(ctx, bringBackAll, tx.Now, sweepBatch)
	})
}

// each runs a batch until one is not full.
func (s *Store) each(ctx context.Context, batch func(tx *database.Tx) (int64, error)) error {
	for n := int64(sweepBatch); n >= sweepBatch; {
		var err error
		if n, err = database.Write(ctx, s.DB, batch); err != nil {
			return err
		}
	}
	return nil
}
