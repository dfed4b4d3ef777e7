package portaluser_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// guessing is a portal with one user, whose password is guessed.
type guessing struct {
	*portaltest.Portal
	t    *testing.T
	dana portaluser.User
}

func eachGuessing(t *testing.T, fn func(t *testing.T, g guessing)) {
	t.Helper()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		g := guessing{p, t, p.Person("dana@acme.com")}
		_ = eventtest.Take(t, p.DB)
		fn(t, g)
	})
}

// fail notes a wrong password for an address from an IP.
func (g guessing) fail(ip, email string) {
	g.t.Helper()
	u := portaluser.User{}
	if email == g.dana.Email {
		u = g.dana
	}
	err := g.Guard.Failed(g.t.Context(), portaltest.Guest(ip), u, email == g.dana.Email, email)
	if err != nil {
		g.t.Error(err)
	}
}

// pass notes a right password of Dana from an IP.
func (g guessing) pass(ip string) {
	g.t.Helper()
	now := g.User(g.dana.Email)
	dbtest.Do(g.t, g.DB, func(tx *database.Tx) error {
		return g.Guard.Passed(g.t.Context(), tx, portaltest.Guest(ip), now)
	})
}

func (g guessing) throttled(ip, email string) bool {
	g.t.Helper()
	err := g.Guard.Throttled(g.t.Context(), portaltest.Guest(ip), email)
	if err == nil {
		return false
	}
	f := fault.As(err)
	if !errors.Is(err, portaluser.ErrTooManyAttempts) || f.Quota == nil || f.RetryAfter <= 0 ||
		f.RetryAfter > 15*time.Minute {
		g.t.Errorf("%+v", err)
	}
	return true
}

func TestFailuresOfAPairThrottleThePair(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for range 4 {
			g.fail("192.0.2.1", g.dana.Email)
		}
		if g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("after four")
		}
		_ = eventtest.Take(t, g.DB)
		g.fail("192.0.2.1", g.dana.Email)
		var told []string
		for _, r := range eventtest.Take(t, g.DB) {
			told = append(told, r.Action+r.Metadata)
		}
		if diff := cmp.Diff([]string{
			`user.login.failed{"reason":"throttled","ip_address":"192.0.2.1"}`,
			`user.login.failed{"reason":"wrong_password","ip_address":"192.0.2.1"}`,
		}, told); diff != "" {
			t.Error(diff)
		}
		if !g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("not after five")
		}
		if g.throttled("192.0.2.2", g.dana.Email) || g.throttled("192.0.2.1", "kim@acme.com") {
			t.Error("another pair")
		}
		g.fail("192.0.2.1", g.dana.Email)
		if got := eventtest.Actions(t, g.DB); got != "user.login.failed" {
			t.Errorf("the window was told twice: %s", got)
		}
		g.Clock.Advance(15 * time.Minute)
		if g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("after the window")
		}
	})
}

func TestRightPasswordForgetsThePairAndTheRun(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for range 5 {
			g.fail("192.0.2.1", g.dana.Email)
			g.fail("192.0.2.2", g.dana.Email)
			g.fail("192.0.2.2", "kim@acme.com")
			g.pass("192.0.2.1")
		}
		if n := g.User(g.dana.Email).WrongPasswords; n != 0 {
			t.Errorf("a run of %d", n)
		}
		if g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("the pair that passed")
		}
		if !g.throttled("192.0.2.2", g.dana.Email) || !g.throttled("192.0.2.2", "kim@acme.com") {
			t.Error("another pair was forgotten")
		}
	})
}

func TestFailuresOfAnIPThrottleTheIP(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for n := range 50 {
			if g.throttled("192.0.2.1", g.dana.Email) {
				t.Fatalf("after %d", n)
			}
			g.fail("192.0.2.1", fmt.Sprintf("p%d@acme.com", n))
		}
		g.pass("192.0.2.1") // one good password makes no good IP
		if !g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("not after fifty")
		}
		if g.throttled("192.0.2.2", g.dana.Email) {
			t.Error("another IP")
		}
		g.Clock.Advance(15 * time.Minute)
		if g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("after the window")
		}
	})
}

func TestTenthOfARunLocks(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		tenFrom := func(first int) {
			for n := range 10 {
				if u := g.User(g.dana.Email); u.Locked(g.DB.Now()) {
					t.Fatalf("locked after %d", n)
				}
				g.fail(fmt.Sprintf("192.0.2.%d", first+n), g.dana.Email)
			}
		}
		tenFrom(1)
		locked := g.User(g.dana.Email)
		if left := locked.LockedUntil.Sub(g.DB.Now()); left < 14*time.Minute || left > 15*time.Minute {
			t.Errorf("locked for %s", left)
		}
		rows := eventtest.Take(t, g.DB)
		if len(rows) != 11 || rows[9].Action != "user.locked" || rows[9].Severity != "warning" ||
			rows[9].Metadata != `{"locked_until":"`+locked.LockedUntil.Format(time.RFC3339)+`"}` {
			t.Errorf("%+v", rows)
		}

		g.Clock.Advance(10 * time.Minute)
		g.fail("192.0.2.99", g.dana.Email)
		if u := g.User(g.dana.Email); u.LockedUntil != locked.LockedUntil || u.WrongPasswords != 10 {
			t.Errorf("a wrong password prolongs the lock: %+v", u)
		}
		if got := eventtest.Actions(t, g.DB); got != "user.login.failed" {
			t.Error(got)
		}

		g.Clock.Advance(5 * time.Minute)
		if g.User(g.dana.Email).Locked(g.DB.Now()) {
			t.Error("locked after fifteen minutes")
		}
		tenFrom(101) // after a lock it takes ten again
		if !g.User(g.dana.Email).Locked(g.DB.Now()) {
			t.Error("the second run does not lock")
		}
		g.pass("192.0.2.1")
		if u := g.User(g.dana.Email); u.WrongPasswords != 0 || !u.LockedUntil.IsZero() {
			t.Errorf("a right password clears nothing: %+v", u)
		}
	})
}

func TestParallelGuessesAllCount(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		ips := make(chan string, 30)
		for n := range 30 {
			ips <- fmt.Sprintf("192.0.2.%d", n)
		}
		guess := func() string { g.fail(<-ips, g.dana.Email); return "" }
		dbtest.AtOnce(9, guess)
		if u := g.User(g.dana.Email); u.WrongPasswords != 9 || u.Locked(g.DB.Now()) {
			t.Errorf("after nine: %+v", u)
		}
		dbtest.AtOnce(20, guess)
		if u := g.User(g.dana.Email); u.WrongPasswords != 10 || !u.Locked(g.DB.Now()) {
			t.Errorf("after thirty: %+v", u)
		}
		locks := 0
		for _, r := range eventtest.Take(t, g.DB) {
			if r.Action == "user.locked" {
				locks++
			}
		}
		if locks != 1 {
			t.Errorf("locked %d times", locks)
		}
	})
}

// A password is compared with something, whether there is a user or not.
func TestMatches(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for _, c := range []struct {
			known    bool
			password string
			want     bool
		}{{true, portaltest.Password, true}, {true, "Wrong-Horse-7", false}, {false, portaltest.Password, false}} {
			before := g.Hasher.Done()
			ok, outdated, err := g.Guard.Matches(t.Context(), g.dana, c.known, c.password)
			if ok != c.want || outdated || err != nil || g.Hasher.Done() != before+1 {
				t.Errorf("%+v: %v, %v, %v after %d hashes", c, ok, outdated, err, g.Hasher.Done()-before)
			}
		}
	})
}
