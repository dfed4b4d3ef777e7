package ratelimit

import (
	"context"
	"errors"
	"maps"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// Limiter counts under a set of rules. It holds no counters itself and is safe
// for concurrent use. A limit that is off never refuses and writes nothing.
type Limiter struct {
	db      *database.DB
	rules   Rules
	settled bell
}

// New makes a limiter. It keeps a copy of rules.
func New(db *database.DB, rules Rules) *Limiter {
	l := &Limiter{db: db, rules: maps.Clone(fixed)}
	maps.Copy(l.rules, rules)
	return l
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
	n, err := tx.Exec(ctx, raiseCounter, string(name), stored(name, subject), tx.Now.Add(rule.Period), tx.Now, rule.Count)
	if err != nil || n > 0 {
		return err
	}
	if err := l.check(ctx, tx, name, subject, rule); err != nil {
		return err
	}
	// The full window that stopped the count is locked by it, so it is
	// still there; if it weren't, refusing would be the safe side.
	return refused(rule, rule.Period)
}

// Limited reports whether a limit is in force.
func (l *Limiter) Limited(name Name) bool { return !l.rules[name].Off() }

// Take is Count in a transaction of its own. It must not be called inside
// another write transaction.
func (l *Limiter) Take(ctx context.Context, name Name, subject string) error {
	if l.rules[name].Off() {
		return nil
	}
	ctx = database.Unguarded(ctx)
	return database.Do(ctx, l.db, func(tx *database.Tx) error { return l.Count(ctx, tx, name, subject) })
}

// Reset forgets what was counted for a subject.
func (l *Limiter) Reset(ctx context.Context, tx *database.Tx, name Name, subject string) error {
	if l.rules[name].Off() {
		return nil
	}
	_, err := tx.Exec(ctx, forgetCounter, string(name), stored(name, subject))
	return err
}

// sweepBatch bounds how long one sweep transaction keeps other writers waiting.
const sweepBatch = 1000

// Sweep deletes the windows and places that have ended, in small transactions. They
// count nothing, so it is only for tidiness and may run at any time.
func (l *Limiter) Sweep(ctx context.Context) error {
	for _, statement := range []string{deleteEndedCounters, deleteEndedPlaces} {
		n := int64(sweepBatch)
		for n >= sweepBatch {
			var err error
			n, err = database.Write(ctx, l.db, func(tx *database.Tx) (int64, error) {
				return tx.Exec(ctx, statement, tx.Now, sweepBatch)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

const (
	// raiseCounter changes no row when the open window holds the limit already.
	raiseCounter = `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, $3, 1)
		ON CONFLICT (name, subject) DO UPDATE SET
			count = CASE WHEN rate_count.ends_at <= $4 THEN 1 ELSE rate_count.count + 1 END,
			ends_at = CASE WHEN rate_count.ends_at <= $4 THEN excluded.ends_at ELSE rate_count.ends_at END
		WHERE rate_count.ends_at <= $4 OR rate_count.count < $5`

	deleteEndedCounters = `DELETE FROM rate_count WHERE ends_at <= $1 AND (name, subject) IN
		(SELECT name, subject FROM rate_count WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)`

	deleteEndedPlaces = `DELETE FROM rate_place WHERE (name, subject, attempt) IN
		(SELECT name, subject, attempt FROM rate_place WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)`
)

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
	// Further ahead it can only lie where the clock was set back just now (Rewind).
	return refused(rule, min(endsAt.Sub(tx.Now), rule.Period))
}

func refused(rule Rule, reset time.Duration) error {
	return fault.RateLimited.WithQuota(fault.Quota{Limit: rule.Count, Reset: reset})
}

// stored is what the table shows of a subject.
func stored(name Name, subject string) string { return secret.Hash(string(name) + ":" + subject) }
