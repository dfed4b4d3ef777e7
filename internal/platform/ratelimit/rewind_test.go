package ratelimit_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

func rewind(t *testing.T, l *ratelimit.Limiter) {
	t.Helper()
	if err := l.Rewind(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestClockSetBackEndsWindowsInTheirTime, and no earlier.
func TestClockSetBackEndsWindowsInTheirTime(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		l := ratelimit.New(db, rules)
		take := func() error { return l.Take(t.Context(), ratelimit.Link, "192.0.2.1") }
		for range 3 {
			if err := take(); err != nil {
				t.Fatal(err)
			}
		}
		rewind(t, l)
		clock.Advance(30 * time.Second)
		rewind(t, l)
		if wait := refusedFor(t, take()); wait > 30*time.Second {
			t.Errorf("a clock that goes on: refused for %s", wait)
		}
		clock.Advance(-time.Hour)
		rewind(t, l)
		if wait := refusedFor(t, take()); wait > time.Minute || wait < 59*time.Second {
			t.Errorf("refused for %s", wait)
		}
		clock.Advance(time.Minute)
		if err := take(); err != nil {
			t.Errorf("after a minute: %v", err)
		}
	})
}

// TestClockSetBackEndsLocksInTheirTime, each in its own.
func TestClockSetBackEndsLocksInTheirTime(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		l := ratelimit.New(db, attempts)
		guess := 0
		lock := func(failures int) {
			t.Helper()
			for range failures {
				guess++
				if _, err := wrong(t, db, l, fmt.Sprintf("192.0.2.%d", guess)); err != nil {
					t.Fatal(err)
				}
			}
		}
		refused := func(longest time.Duration) {
			t.Helper()
			err := right(t, db, l, "198.51.100.1", "dana@acme.com")
			if wait := refusedFor(t, err); wait > longest || wait < longest-time.Second {
				t.Errorf("locked for %s, want %s", wait, longest)
			}
		}
		lock(10)
		clock.Advance(-time.Hour)
		rewind(t, l)
		refused(15 * time.Minute)
		clock.Advance(15 * time.Minute)
		lock(5)
		clock.Advance(10 * time.Minute)
		rewind(t, l)
		refused(20 * time.Minute) // of half an hour: a clock that goes on changes nothing
		clock.Advance(-24 * time.Hour)
		rewind(t, l)
		refused(30 * time.Minute)
		clock.Advance(30 * time.Minute)
		if err := right(t, db, l, "198.51.100.1", "dana@acme.com"); err != nil {
			t.Errorf("after the lock: %v", err)
		}
	})
}

// TestClockSetBackForgetsRunsInTheirTime: a run is remembered for a day.
func TestClockSetBackForgetsRunsInTheirTime(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		l := ratelimit.New(db, attempts)
		for i := range 9 {
			if _, err := wrong(t, db, l, fmt.Sprintf("192.0.2.%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		clock.Advance(-time.Hour)
		rewind(t, l)
		clock.Advance(24 * time.Hour)
		if k, err := wrong(t, db, l, "192.0.2.99"); err != nil || !k.LockedUntil.IsZero() {
			t.Errorf("%+v, %v: the run before a day still counts", k, err)
		}
	})
}

// TestClockSetBackEndsPlacesInTheirTime: of an attempt whose process died.
func TestClockSetBackEndsPlacesInTheirTime(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		one := ratelimit.Rules{ratelimit.SignIn: {Count: 1, Period: 15 * time.Minute}}
		l := ratelimit.New(db, one)
		pair := ratelimit.Counter{Name: ratelimit.SignIn, Subject: "192.0.2.1 dana@acme.com"}
		if _, err := l.Reserve(t.Context(), pair); err != nil {
			t.Fatal(err)
		}
		clock.Advance(-time.Hour)
		rewind(t, l)
		clock.Advance(time.Minute)
		if _, err := l.Reserve(t.Context(), pair); err != nil {
			t.Errorf("a dead attempt's place holds: %v", errors.Is(err, fault.RateLimited))
		}
	})
}
