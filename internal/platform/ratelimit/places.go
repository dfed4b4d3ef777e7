package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// placeLife ends a place that nobody settles, because its process died.
	placeLife = time.Minute
	// patience bounds the wait for attempts that are still being judged.
	patience = 5 * time.Second
	// look is how often a waiting attempt looks for what other processes settled.
	look = 200 * time.Millisecond
	// runLife is how long a run is remembered after its last failure or its lock.
	runLife = 24 * time.Hour
	// longestLock bounds the doubling of locks.
	longestLock = 24 * time.Hour
)

// Counter is one of the counters that an attempt is counted by.
type Counter struct {
	Name    Name
	Subject string
}

// Places are what an attempt holds while it is judged: one in each of its
// counters, taken before the costly work, so that a hundred guesses at once are
// no more than the limit. Each is settled once, with Keep, Free or Clear; what is
// left, Release gives back. A transaction that settles several does so in the order of
// their names, and no transaction waits for another the wrong way round. One goroutine
// at a time may use it.
type Places struct {
	l       *Limiter
	attempt id.ID
	open    []Counter // in the order in which every transaction locks them
}

// errJudging says that only attempts which are still judged fill a counter.
var errJudging = errors.New("ratelimit: attempts are still being judged")

// Reserve takes a place in every counter that is on, or in none. A full or locked
// counter is fault.RateLimited with its quota. Where only attempts in judgement
// fill one, it waits for them, five seconds at most. It must not be called inside
// another write transaction.
func (l *Limiter) Reserve(ctx context.Context, counters ...Counter) (*Places, error) {
	p := &Places{l: l, attempt: id.New[id.ID](l.db.Now())}
	for _, c := range counters {
		if !l.rules[c.Name].Off() {
			p.open = append(p.open, c)
		}
	}
	slices.SortFunc(p.open, func(a, b Counter) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.stored(), b.stored()))
	})
	if len(p.open) == 0 {
		return p, nil
	}
	impatient := time.NewTimer(patience)
	defer impatient.Stop()
	for {
		settled := l.settled.wait() // before the look, so that nothing is missed
		err := p.reserve(ctx)
		if !errors.Is(err, errJudging) {
			return p, err
		}
		select {
		case <-settled:
		case <-time.After(look):
		case <-impatient.C:
			return p, refused(l.rules[p.open[0].Name], time.Second)
		case <-ctx.Done():
			return p, ctx.Err()
		}
	}
}

// reserve looks before it takes: a refusal writes nothing and locks nothing.
func (p *Places) reserve(ctx context.Context) error {
	err := database.View(ctx, p.l.db, func(tx *database.Tx) error {
		return p.each(func(c Counter) error {
			return p.l.hasRoom(ctx, tx, c, tx.QueryRow(ctx, selectCounter, string(c.Name), c.stored(), tx.Now))
		})
	})
	if err != nil {
		return err
	}
	ctx = database.Unguarded(ctx)
	return database.Do(ctx, p.l.db, func(tx *database.Tx) error {
		return p.each(func(c Counter) error {
			period := p.l.rules[c.Name].Period
			held := tx.QueryRow(ctx, holdCounter, string(c.Name), c.stored(), tx.Now, tx.Now.Add(period))
			if err := p.l.hasRoom(ctx, tx, c, held); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, insertPlace, string(c.Name), c.stored(), p.attempt, tx.Now.Add(placeLife))
			return err
		})
	})
}

func (p *Places) each(fn func(c Counter) error) error {
	for _, c := range p.open {
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}

// hasRoom is nil when a counter, whose row is given, lets one more attempt be judged.
// When the row is locked, so is the answer.
func (l *Limiter) hasRoom(ctx context.Context, tx *database.Tx, c Counter, row database.Row) error {
	rule := l.rules[c.Name]
	var count, judged int
	var endsAt, lockedUntil time.Time
	if err := row.Scan(&count, &endsAt, &lockedUntil); err != nil && !errors.Is(err, database.ErrNoRows) {
		return err
	}
	if err := tx.QueryRow(ctx, countPlaces, string(c.Name), c.stored(), tx.Now).Scan(&judged); err != nil {
		return err
	}
	limit := rule.Count
	if c.Name.isRun() {
		limit = nextLock(rule.Count, count)
	}
	switch {
	case tx.Now.Before(lockedUntil):
		return refused(rule, min(lockedUntil.Sub(tx.Now), lockLife(rule, count)))
	case count >= limit:
		return refused(rule, min(endsAt.Sub(tx.Now), rule.Period))
	case count+judged >= limit:
		return errJudging
	}
	return nil
}

// Kept is what a failure made of its counter.
type Kept struct {
	Filled      bool      // it was the last that the window allows
	LockedUntil time.Time // of a run that it locked, else zero
	Run         int       // how many failures in a row a run has; 0 for what is none
}

// Keep turns the place into a failure that stays counted. A counter that is off,
// or of which the attempt holds no place, is left alone.
func (p *Places) Keep(ctx context.Context, tx *database.Tx, name Name) (k Kept, err error) {
	c, held, err := p.settle(ctx, tx, name)
	if err != nil || !held {
		return k, err
	}
	rule := p.l.rules[name]
	if !name.isRun() {
		var count int
		err = tx.QueryRow(ctx, keepCounter, string(name), c.stored(), tx.Now, tx.Now.Add(rule.Period)).Scan(&count)
		return Kept{Filled: count == rule.Count}, err
	}
	err = tx.QueryRow(ctx, lengthenRun, string(name), c.stored(), tx.Now, tx.Now.Add(runLife)).Scan(&k.Run)
	if err != nil || nextLock(rule.Count, k.Run-1) != k.Run {
		return k, err
	}
	k.LockedUntil = tx.Now.Add(lockLife(rule, k.Run))
	_, err = tx.Exec(ctx, lockRun, string(name), c.stored(), k.LockedUntil, k.LockedUntil.Add(runLife))
	return k, err
}

// Free gives the place back and leaves what was counted before.
func (p *Places) Free(ctx context.Context, tx *database.Tx, name Name) error {
	_, _, err := p.settle(ctx, tx, name)
	return err
}

// Clear gives the place back and forgets what was counted before; places of other
// attempts stay.
func (p *Places) Clear(ctx context.Context, tx *database.Tx, name Name) error {
	c, held, err := p.settle(ctx, tx, name)
	if err != nil || !held {
		return err
	}
	_, err = tx.Exec(ctx, forgetCounter, string(name), c.stored())
	return err
}

// Release gives back every place that is not settled: of an attempt which was
// refused before it was judged.
func (p *Places) Release(ctx context.Context) error {
	if len(p.open) == 0 {
		return nil
	}
	ctx = database.Unguarded(ctx)
	return database.Do(ctx, p.l.db, func(tx *database.Tx) error {
		return p.each(func(c Counter) error { return p.Free(ctx, tx, c.Name) })
	})
}

func (p *Places) settle(ctx context.Context, tx *database.Tx, name Name) (c Counter, held bool, err error) {
	at := slices.IndexFunc(p.open, func(c Counter) bool { return c.Name == name })
	if at < 0 {
		return c, false, nil
	}
	c = p.open[at]
	if _, err = tx.Exec(ctx, deletePlace, string(name), c.stored(), p.attempt); err != nil {
		return c, false, err
	}
	tx.AfterCommit(func() {
		p.open = slices.DeleteFunc(p.open, func(o Counter) bool { return o == c })
		p.l.settled.tell()
	})
	return c, true, nil
}

func (c Counter) stored() string { return stored(c.Name, c.Subject) }

// isRun says that a name counts failures in a row, the last of which locks, and
// not those of a window.
func (n Name) isRun() bool { return n == Lock }

// nextLock is the length at which a run locks next: first is the rule's count, and
// each half as many after it.
func nextLock(first, run int) int {
	if run < first {
		return first
	}
	step := max(1, first/2)
	return first + ((run-first)/step+1)*step
}

// lockLife is the rule's period at the first lock of a run, and twice as long at each
// further one, up to a day.
func lockLife(rule Rule, run int) time.Duration {
	life := rule.Period
	for at := rule.Count; at < run && life < longestLock; at = nextLock(rule.Count, at) {
		life *= 2
	}
	return max(rule.Period, min(life, longestLock))
}

// bell wakes all who wait for it.
type bell struct {
	mu sync.Mutex
	c  chan struct{}
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c == nil {
		b.c = make(chan struct{})
	}
	return b.c
}

func (b *bell) tell() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.c != nil {
		close(b.c)
		b.c = nil
	}
}

const (
	selectCounter = `SELECT count, ends_at, locked_until FROM rate_count
		WHERE name = $1 AND subject = $2 AND ends_at > $3`

	holdCounter = `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, $4, 0)
		ON CONFLICT (name, subject) DO UPDATE SET
			count = CASE WHEN rate_count.ends_at <= $3 THEN 0 ELSE rate_count.count END,
			ends_at = CASE WHEN rate_count.ends_at <= $3 THEN excluded.ends_at ELSE rate_count.ends_at END,
			locked_until = CASE WHEN rate_count.ends_at <= $3 THEN NULL ELSE rate_count.locked_until END
		RETURNING count, ends_at, locked_until`

	keepCounter = `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, $4, 1)
		ON CONFLICT (name, subject) DO UPDATE SET
			count = CASE WHEN rate_count.ends_at <= $3 THEN 1 ELSE rate_count.count + 1 END,
			ends_at = CASE WHEN rate_count.ends_at <= $3 OR rate_count.count = 0
				THEN excluded.ends_at ELSE rate_count.ends_at END
		RETURNING count`

	lengthenRun = `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ($1, $2, $4, 1)
		ON CONFLICT (name, subject) DO UPDATE SET
			count = CASE WHEN rate_count.ends_at <= $3 THEN 1 ELSE rate_count.count + 1 END,
			ends_at = excluded.ends_at, locked_until = NULL
		RETURNING count`

	lockRun = `UPDATE rate_count SET locked_until = $3, ends_at = $4 WHERE name = $1 AND subject = $2`

	forgetCounter = `DELETE FROM rate_count WHERE name = $1 AND subject = $2`

	insertPlace = `INSERT INTO rate_place (name, subject, attempt, expires_at) VALUES ($1, $2, $3, $4)`

	countPlaces = `SELECT count(*) FROM rate_place WHERE name = $1 AND subject = $2 AND expires_at > $3`

	deletePlace = `DELETE FROM rate_place WHERE name = $1 AND subject = $2 AND attempt = $3`
)
