package ratelimit

import (
	"context"
	"errors"
	"maps"
	"math"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// Limiter counts under a set of rules. It holds no counters itself and is safe
// for concurrent use. A limit that is off never refuses and writes nothing.
type Limiter struct {
	db    *database.DB
	rules Rules
}

// New makes a limiter. It keeps a copy of rules.
func New(db *database.DB, rules Rules) *Limiter { return &Limiter{db, maps.Clone(rules)} }

// Limit is the count that name allows in a window; math.MaxInt when it is off.
func (l *Limiter) Limit(name Name) int {
	if r := l.rules[name]; !r.Off() {
		return r.Count
	}
	return math.MaxInt
}

// Count counts one for a subject, in the caller's transaction. When that would
// exceed the limit, nothing is counted and the error is fault.RateLimited with
// its quota. Parallel calls are counted one by one: never more than the limit
// pass in a window.
func (l *Limiter) Count(ctx context.Context, tx *database.Tx, name Name, subject string) error {
	rule := l.rules[name]
	if rule.Off() {
		return nil
	}
	_, err := l.raise(ctx, tx, name, subject, rule.Count)
	if errors.Is(err, database.ErrNoRows) {
		if err := l.check(ctx, tx, name, subject, rule); err != nil {
			return err
		}
		// The full window that stopped the count is locked by it, so it is
		// still there; if it weren't, refusing would be the safe side.
		return refused(rule, rule.Period)
	}
	return err
}

// Take is Count in a transaction of its own. It must not be called inside
// another write transaction.
func (l *Limiter) Take(ctx context.Context, name Name, subject string) error {
	if l.rules[name].Off() {
		return nil
	}
	return database.Do(ctx, l.db, func(tx *database.Tx) error { return l.Count(ctx, tx, name, subject) })
}

// Check refuses with fault.RateLimited when the subject's limit is reached. It
// counts nothing.
func (l *Limiter) Check(ctx context.Context, name Name, subject string) error {
	rule := l.rules[name]
	if rule.Off() {
		return nil
	}
	_, err := database.Read(ctx, l.db, func(tx *database.Tx) (struct{}, error) {
		return struct{}{}, l.check(ctx, tx, name, subject, rule)
	})
	return err
}

// Fail counts one without refusing and gives the count of the window, this one
// included: for failures, which Check looks at before the next try. It is 0 when
// the limit is off.
func (l *Limiter) Fail(ctx context.Context, tx *database.Tx, name Name, subject string) (count int, err error) {
	if l.rules[name].Off() {
		return 0, nil
	}
	return l.raise(ctx, tx, name, subject, math.MaxInt32)
}

// Reset forgets what was counted for a subject.
func (l *Limiter) Reset(ctx context.Context, tx *database.Tx, name Name, subject string) error {
	if l.rules[name].Off() {
		return nil
	}
	_, err := tx.Exec(ctx, `DELETE FROM rate_count WHERE name = $1 AND subject = $2`, string(name), stored(name, subject))
	return err
}

// sweepBatch bounds how long one sweep transaction keeps other writers waiting.
const sweepBatch = 1000

// Sweep deletes the windows that have ended, in small transactions. Ended
// windows count nothing, so it is only for tidiness and may run at any time.
func (l *Limiter) Sweep(ctx context.Context) error {
	for {
		n, err := database.Write(ctx, l.db, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, `DELETE FROM rate_count WHERE ends_at <= $1 AND (name, subject) IN
				(SELECT name, subject FROM rate_count WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)`, tx.Now, sweepBatch)
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}

// raise counts one in the open window or opens a new one; ErrNoRows when the
// open window holds limit already.
func (l *Limiter) raise(
	ctx context.Context, tx *database.Tx, name Name, subject string, limit int,
) (count int, err error) {
	err = tx.QueryRow(ctx, `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, $3, 1)
		ON CONFLICT (name, subject) DO UPDATE SET
			count = CASE WHEN rate_count.ends_at <= $4 THEN 1 ELSE rate_count.count + 1 END,
			ends_at = CASE WHEN rate_count.ends_at <= $4 THEN excluded.ends_at ELSE rate_count.ends_at END
		WHERE rate_count.ends_at <= $4 OR rate_count.count < $5
		RETURNING count`, string(name), stored(name, subject), tx.Now.Add(l.rules[name].Period), tx.Now, limit).Scan(&count)
	return count, err
}

func (l *Limiter) check(ctx context.Context, tx *database.Tx, name Name, subject string, rule Rule) error {
	var count int
	var endsAt time.Time
	err := tx.QueryRow(ctx, `SELECT count, ends_at FROM rate_count WHERE name = $1 AND subject = $2 AND ends_at > $3`,
		string(name), stored(name, subject), tx.Now).Scan(&count, &endsAt)
	if errors.Is(err, database.ErrNoRows) || err == nil && count < rule.Count {
		return nil
	}
	if err != nil {
		return err
	}
	return refused(rule, endsAt.Sub(tx.Now))
}

func refused(rule Rule, reset time.Duration) error {
	return fault.RateLimited.WithQuota(fault.Quota{Limit: rule.Count, Reset: reset})
}

// stored is what the table shows of a subject.
func stored(name Name, subject string) string { return secret.Hash(string(name) + ":" + subject) }
