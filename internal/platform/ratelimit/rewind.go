package ratelimit

import (
	"context"
	"maps"
	"slices"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Rewind has windows, locks and places that lie beyond their own length count from now:
// the clock was set back since they began. It finds nothing, and writes nothing, while
// the clock goes on, and may run at any time.
func (l *Limiter) Rewind(ctx context.Context) error {
	for _, name := range slices.Sorted(maps.Keys(l.rules)) {
		if l.rules[name].Off() {
			continue
		}
		rewind := l.rewindWindows
		if name.isRun() {
			rewind = l.rewindRuns
		}
		if err := rewind(ctx, name); err != nil {
			return err
		}
	}
	return database.Do(ctx, l.db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, rewindPlaces, tx.Now.Add(placeLife))
		return err
	})
}

func (l *Limiter) rewindWindows(ctx context.Context, name Name) error {
	for n := int64(sweepBatch); n >= sweepBatch; {
		var err error
		n, err = database.Write(ctx, l.db, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, rewindWindows, string(name), tx.Now.Add(l.rules[name].Period), sweepBatch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// run is what the table has of one.
type run struct {
	subject             string
	count               int
	endsAt, lockedUntil time.Time
}

// rewindRuns goes through the runs that last for longer than an unlocked one: each lock
// has a length of its own.
func (l *Limiter) rewindRuns(ctx context.Context, name Name) error {
	for after, more := "", true; more; {
		err := database.Do(ctx, l.db, func(tx *database.Tx) error {
			runs, err := database.All(ctx, tx, scanRun, selectLongRuns, string(name), after, tx.Now.Add(runLife), sweepBatch)
			if err != nil {
				return err
			}
			more = len(runs) == sweepBatch
			for _, r := range runs {
				after = r.subject
				lock, end := r.lockedUntil, tx.Now.Add(runLife)
				if !lock.IsZero() {
					if longest := tx.Now.Add(lockLife(l.rules[name], r.count)); lock.After(longest) {
						lock = longest
					}
					end = lock.Add(runLife)
				}
				if !end.Before(r.endsAt) {
					continue
				}
				if _, err := tx.Exec(ctx, rewindRun, string(name), r.subject, lock, end, r.endsAt); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func scanRun(row database.Scanner) (r run, err error) {
	err = row.Scan(&r.subject, &r.count, &r.endsAt, &r.lockedUntil)
	return r, err
}

const (
	rewindWindows = `UPDATE rate_count SET ends_at = $2 WHERE name = $1 AND ends_at > $2 AND subject IN
		(SELECT subject FROM rate_count WHERE name = $1 AND ends_at > $2 LIMIT $3)`

	selectLongRuns = `SELECT subject, count, ends_at, locked_until FROM rate_count
		WHERE name = $1 AND subject > $2 AND ends_at > $3 ORDER BY subject LIMIT $4`

	rewindRun = `UPDATE rate_count SET locked_until = $3, ends_at = $4
		WHERE name = $1 AND subject = $2 AND ends_at = $5`

	rewindPlaces = `UPDATE rate_place SET expires_at = $1 WHERE expires_at > $1`
)
