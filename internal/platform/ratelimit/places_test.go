package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

var attempts = ratelimit.Rules{
	ratelimit.SignIn:   {Count: 5, Period: 15 * time.Minute},
	ratelimit.SignInIP: {Count: 50, Period: 15 * time.Minute},
	ratelimit.Lock:     {Count: 10, Period: 15 * time.Minute},
}

// counters are those of an attempt at an address from an IP.
func counters(ip, email string) []ratelimit.Counter {
	return []ratelimit.Counter{
		{Name: ratelimit.SignIn, Subject: ip + " " + email},
		{Name: ratelimit.SignInIP, Subject: ip},
		{Name: ratelimit.Lock, Subject: email},
	}
}

// wrong is an attempt at dana@acme.com that fails; it gives what that did to the run.
func wrong(t *testing.T, db *database.DB, l *ratelimit.Limiter, ip string) (k ratelimit.Kept, err error) {
	t.Helper()
	places, err := l.Reserve(t.Context(), counters(ip, "dana@acme.com")...)
	if err != nil {
		return k, err
	}
	return dbtest.Write(t, db, func(tx *database.Tx) (k ratelimit.Kept, err error) {
		if k, err = places.Keep(t.Context(), tx, ratelimit.Lock); err == nil {
			_, err = places.Keep(t.Context(), tx, ratelimit.SignIn)
		}
		if err == nil {
			_, err = places.Keep(t.Context(), tx, ratelimit.SignInIP)
		}
		return k, err
	}), nil
}

// right is an attempt that succeeds.
func right(t *testing.T, db *database.DB, l *ratelimit.Limiter, ip, email string) error {
	t.Helper()
	places, err := l.Reserve(t.Context(), counters(ip, email)...)
	if err != nil {
		return err
	}
	dbtest.Do(t, db, func(tx *database.Tx) error {
		return errors.Join(
			places.Clear(t.Context(), tx, ratelimit.Lock), places.Clear(t.Context(), tx, ratelimit.SignIn),
			places.Free(t.Context(), tx, ratelimit.SignInIP))
	})
	return nil
}

func refusedFor(t *testing.T, err error) time.Duration {
	t.Helper()
	f := fault.As(err)
	if !errors.Is(err, fault.RateLimited) || f.Quota == nil {
		t.Errorf("not refused: %v", err)
		return 0
	}
	return f.RetryAfter
}

// Sixty guesses at once, of two processes, are five.
func TestGuessesAtOnceAreNoMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		two := []*ratelimit.Limiter{ratelimit.New(db, attempts), ratelimit.New(db, attempts)}
		var judged, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				_, err := wrong(t, db, two[i%2], "192.0.2.1")
				switch {
				case err == nil:
					judged.Add(1)
				case errors.Is(err, fault.RateLimited):
					refused.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if judged.Load() != 5 || refused.Load() != 55 {
			t.Errorf("%d judged, %d refused", judged.Load(), refused.Load())
		}
	})
}

// Twenty right ones at once wait for each other, and all pass.
func TestRightOnesAtOnceAllPass(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		two := []*ratelimit.Limiter{ratelimit.New(db, attempts), ratelimit.New(db, attempts)}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if err := right(t, db, two[i%2], "192.0.2.1", "dana@acme.com"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if rows, sum, text := table(t, db); sum != 0 || strings.Contains(text, "sign_in ") || rows != 1 {
			t.Errorf("something was counted: %s", text)
		}
	})
}

// A place that nobody settles, as of a process that died, is free after a minute.
func TestUnsettledPlaceEnds(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		one := ratelimit.Rules{ratelimit.SignIn: {Count: 1, Period: 15 * time.Minute}}
		l, counter := ratelimit.New(db, one), ratelimit.Counter{Name: ratelimit.SignIn, Subject: "x"}
		if _, err := l.Reserve(t.Context(), counter); err != nil {
			t.Fatal(err)
		}
		clock.Advance(59 * time.Second)
		ctx, enough := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer enough()
		if _, err := l.Reserve(ctx, counter); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("it did not wait: %v", err)
		}
		clock.Advance(2 * time.Second)
		places, err := l.Reserve(t.Context(), counter)
		if err != nil {
			t.Fatal(err)
		}
		if err := places.Release(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := l.Reserve(t.Context(), counter); err != nil {
			t.Errorf("after the release: %v", err)
		}
	})
}

// Where a counter has no room, none has a place.
func TestRefusedAttemptHoldsNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l := ratelimit.New(db, attempts)
		for range 5 {
			if _, err := wrong(t, db, l, "192.0.2.1"); err != nil {
				t.Fatal(err)
			}
		}
		before, _, _ := table(t, db)
		if after := refusedFor(t, right(t, db, l, "192.0.2.1", "dana@acme.com")); after > 15*time.Minute {
			t.Error(after)
		}
		after, _, _ := table(t, db)
		held := dbtest.Number(t, db, `SELECT count(*) FROM rate_place`)
		if held != 0 || before != after {
			t.Errorf("%d places, %d rows more", held, after-before)
		}
		if err := right(t, db, l, "192.0.2.2", "dana@acme.com"); err != nil {
			t.Errorf("another pair: %v", err)
		}
	})
}

// The tenth in a row locks for a quarter of an hour and each fifth after it for twice as
// long, up to a day; a lock is told to a right one, too, and ends by itself.
func TestRunLocksLongerEachTime(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		l, from := ratelimit.New(db, attempts), 0
		for _, want := range []struct {
			wrongs int
			lock   time.Duration
		}{
			{10, 15 * time.Minute},
			{5, 30 * time.Minute},
			{5, time.Hour},
			{5, 2 * time.Hour},
			{5, 4 * time.Hour},
			{5, 8 * time.Hour},
			{5, 16 * time.Hour},
			{5, 24 * time.Hour},
			{5, 24 * time.Hour},
		} {
			for n := range want.wrongs {
				from++
				k, err := wrong(t, db, l, strconv.Itoa(from))
				if err != nil || k.LockedUntil.IsZero() == (n == want.wrongs-1) {
					t.Fatalf("%d: %+v, %v", n+1, k, err)
				}
			}
			after := refusedFor(t, right(t, db, l, "elsewhere", "dana@acme.com"))
			if after > want.lock || after < want.lock-5*time.Second {
				t.Errorf("locked for %s, want %s", after, want.lock)
			}
			if err := right(t, db, l, "elsewhere", "kim@acme.com"); err != nil {
				t.Error(err)
			}
			clock.Advance(want.lock)
		}
		if err := right(t, db, l, "elsewhere", "dana@acme.com"); err != nil {
			t.Errorf("after the lock: %v", err)
		}
		for range 4 {
			if k, err := wrong(t, db, l, "192.0.2.1"); err != nil || !k.LockedUntil.IsZero() {
				t.Errorf("a right one clears nothing: %+v, %v", k, err)
			}
		}
	})
}

func TestRunIsForgottenADayAfterItsLast(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		l := ratelimit.New(db, attempts)
		nine := func(from string) {
			for n := range 9 {
				k, err := wrong(t, db, l, fmt.Sprint(from, n))
				if err != nil || !k.LockedUntil.IsZero() {
					t.Fatalf("%d: %+v, %v", n+1, k, err)
				}
			}
		}
		nine("a")
		clock.Advance(24 * time.Hour)
		nine("b")
		clock.Advance(23 * time.Hour)
		if k, err := wrong(t, db, l, "c"); err != nil || k.LockedUntil.IsZero() {
			t.Errorf("the tenth within a day: %+v, %v", k, err)
		}
	})
}

// Thirty guesses at once from as many IPs: ten are judged, and one of them locks.
func TestGuessesAtOnceLockOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		l := ratelimit.New(db, attempts)
		var judged, locks atomic.Int64
		var wg sync.WaitGroup
		for n := range 30 {
			wg.Go(func() {
				k, err := wrong(t, db, l, strconv.Itoa(n))
				if err == nil {
					judged.Add(1)
				}
				if !k.LockedUntil.IsZero() {
					locks.Add(1)
				}
			})
		}
		wg.Wait()
		if judged.Load() != 10 || locks.Load() != 1 {
			t.Errorf("%d judged, %d locks", judged.Load(), locks.Load())
		}
	})
}
