package portaluser_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
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

// who is the user of an address, if it is Dana's.
func (g guessing) who(email string) (u portaluser.User, known bool) {
	if email == g.dana.Email {
		return g.dana, true
	}
	return portaluser.User{}, false
}

// fail is a wrong password for an address from an IP; false when it is refused.
func (g guessing) fail(ip, email string) bool {
	g.t.Helper()
	attempt, err := g.Guard.Begin(g.t.Context(), portaltest.Guest(ip), email)
	if g.refused(err) {
		return false
	}
	defer attempt.Close(g.t.Context())
	u, known := g.who(email)
	which, _, err := attempt.Judge(g.t.Context(), "Wrong-Horse-7", u.PasswordHash)
	if which >= 0 || err != nil {
		g.t.Error(which, err)
	}
	if err := attempt.Wrong(g.t.Context(), u, known); err != nil {
		g.t.Error(err)
	}
	return true
}

// pass is the right password of Dana from an IP; false when it is refused.
func (g guessing) pass(ip string) bool {
	g.t.Helper()
	return g.settle(ip, (*portaluser.Attempt).Right)
}

func (g guessing) settle(ip string, how func(*portaluser.Attempt, context.Context, *database.Tx) error) bool {
	g.t.Helper()
	attempt, err := g.Guard.Begin(g.t.Context(), portaltest.Guest(ip), g.dana.Email)
	if g.refused(err) {
		return false
	}
	defer attempt.Close(g.t.Context())
	dbtest.Do(g.t, g.DB, func(tx *database.Tx) error { return how(attempt, g.t.Context(), tx) })
	return true
}

// throttled reports whether an attempt is refused, and begins none that is not.
func (g guessing) throttled(ip, email string) bool {
	g.t.Helper()
	attempt, err := g.Guard.Begin(g.t.Context(), portaltest.Guest(ip), email)
	if g.refused(err) {
		return true
	}
	attempt.Close(g.t.Context())
	return false
}

func (g guessing) refused(err error) bool {
	g.t.Helper()
	if err == nil {
		return false
	}
	f := fault.As(err)
	if !errors.Is(err, portaluser.ErrTooManyAttempts) || f.Quota == nil || f.RetryAfter <= 0 {
		g.t.Errorf("%+v", err)
	}
	return true
}

// told is what was recorded since the last time.
func (g guessing) told() (list []string) {
	g.t.Helper()
	for _, r := range eventtest.Take(g.t, g.DB) {
		list = append(list, r.Action+r.Metadata)
	}
	return list
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
		if diff := cmp.Diff([]string{
			`user.login.failed{"reason":"throttled","ip_address":"192.0.2.1"}`,
			`user.login.failed{"reason":"wrong_password","ip_address":"192.0.2.1"}`,
		}, g.told()); diff != "" {
			t.Error(diff)
		}
		if g.fail("192.0.2.1", g.dana.Email) || g.pass("192.0.2.1") {
			t.Error("a sixth is judged")
		}
		if g.throttled("192.0.2.2", g.dana.Email) || g.throttled("192.0.2.1", "kim@acme.com") {
			t.Error("another pair")
		}
		if told := g.told(); told != nil {
			t.Errorf("the window was told twice: %s", told)
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
		for n := range 12 {
			if !g.fail("192.0.2.1", g.dana.Email) || !g.pass("192.0.2.1") {
				t.Fatalf("round %d is refused", n)
			}
		}
		for range 5 {
			g.fail("192.0.2.2", "kim@acme.com")
		}
		if !g.throttled("192.0.2.2", "kim@acme.com") {
			t.Error("another pair was forgotten")
		}
	})
}

// A right password that opens nothing clears the pair, and costs the IP a place.
func TestFailuresOfAnIPThrottleTheIP(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for n := range 48 {
			if !g.fail("192.0.2.1", fmt.Sprintf("p%d@acme.com", n)) {
				t.Fatalf("after %d", n)
			}
		}
		if !g.settle("192.0.2.1", (*portaluser.Attempt).Useless) || !g.settle("192.0.2.1", (*portaluser.Attempt).Unproven) {
			t.Error("after 48")
		}
		if !g.throttled("192.0.2.1", g.dana.Email) || !g.throttled("192.0.2.1", "kim@acme.com") {
			t.Error("not after fifty")
		}
		if g.throttled("192.0.2.2", g.dana.Email) {
			t.Error("another IP")
		}
		g.Clock.Advance(15 * time.Minute)
		if !g.pass("192.0.2.1") {
			t.Error("after the window")
		}
	})
}

// A lock is told once, is alike for an address that nobody has, compares nothing and
// ends by itself.
func TestTenthOfARunLocks(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for _, c := range []struct {
			email    string
			resource id.ID
		}{{g.dana.Email, g.dana.ID.Any()}, {"nobody@acme.com", id.ID{}}} {
			for n := range 10 {
				if g.throttled("192.0.2.200", c.email) {
					t.Fatalf("locked after %d", n)
				}
				g.fail(fmt.Sprintf("192.0.2.%d", n), c.email)
			}
			rows := eventtest.Take(t, g.DB)
			locks := slices.DeleteFunc(rows, func(r eventtest.Row) bool { return r.Action != "user.locked" })
			if len(locks) != 1 || locks[0].Severity != "warning" || locks[0].ResourceID != c.resource ||
				!strings.HasPrefix(locks[0].Metadata, `{"locked_until":"20`) {
				t.Errorf("%+v", locks)
			}
			before := g.Hasher.Done()
			if !g.throttled("192.0.2.99", c.email) || g.fail("192.0.2.100", c.email) {
				t.Error("not locked")
			}
			if g.Hasher.Done() != before || g.told() != nil {
				t.Error("a locked address is compared or told of")
			}
		}
		if g.pass("192.0.2.99") {
			t.Error("the right password passes a lock")
		}
		g.Clock.Advance(15 * time.Minute)
		if !g.pass("192.0.2.99") {
			t.Error("locked after fifteen minutes")
		}
	})
}

// Whoever has proved the address by mail gets in.
func TestUnlock(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for n := range 10 {
			g.fail(fmt.Sprintf("192.0.2.%d", n), g.dana.Email)
		}
		dbtest.Do(t, g.DB, func(tx *database.Tx) error { return g.Guard.Unlock(t.Context(), tx, g.dana.Email) })
		if !g.pass("192.0.2.99") {
			t.Error("still locked")
		}
	})
}

// An attempt that ends for a reason of ours counts nowhere.
func TestClosedAttemptCountsNowhere(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for range 60 {
			if g.throttled("192.0.2.1", g.dana.Email) {
				t.Fatal("refused")
			}
		}
		if n := dbtest.Number(t, g.DB, `SELECT count(*) FROM rate_place`); n != 0 {
			t.Errorf("%d places are held", n)
		}
	})
}

// A guess counts, though its caller hangs up while it is judged.
func TestWhoHangsUpIsCounted(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for range 5 {
			ctx, hangUp := context.WithCancel(t.Context())
			attempt, err := g.Guard.Begin(ctx, portaltest.Guest("192.0.2.1"), g.dana.Email)
			if err != nil {
				t.Fatal(err)
			}
			hangUp()
			if err := attempt.Wrong(ctx, g.dana, true); err != nil {
				t.Error(err)
			}
			attempt.Close(ctx)
		}
		if !g.throttled("192.0.2.1", g.dana.Email) {
			t.Error("not counted")
		}
	})
}

// An IPv6 client has a /64 of addresses and one place.
func TestAnIPv6NetworkIsOneClient(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		for n := range 5 {
			by := portaltest.Guest(fmt.Sprintf("2001:db8::%d", n))
			by.Request.Network = "2001:db8::/64"
			attempt, err := g.Guard.Begin(t.Context(), by, g.dana.Email)
			if err != nil {
				t.Fatal(err)
			}
			if err := attempt.Wrong(t.Context(), g.dana, true); err != nil {
				t.Error(err)
			}
		}
		by := portaltest.Guest("2001:db8::99")
		by.Request.Network = "2001:db8::/64"
		if _, err := g.Guard.Begin(t.Context(), by, g.dana.Email); !g.refused(err) {
			t.Error("a sixth address of the network is judged")
		}
	})
}

// A password for a sign-up counts by pair and IP as any other, and the lock is no part of
// it: strangers can't keep an owner from proving an address, and guesses there lock
// nobody.
func TestUnprovenAttemptsLeaveTheLockAlone(t *testing.T) {
	t.Parallel()
	eachGuessing(t, func(t *testing.T, g guessing) {
		const email = "new@acme.com"
		fail := func(ip string) bool {
			attempt, err := g.Guard.BeginUnproven(t.Context(), portaltest.Guest(ip), email)
			if g.refused(err) {
				return false
			}
			defer attempt.Close(t.Context())
			if err := attempt.Wrong(t.Context(), portaluser.User{}, false); err != nil {
				t.Error(err)
			}
			return true
		}
		for n := range 10 {
			if !fail(fmt.Sprintf("192.0.2.%d", n)) {
				t.Fatalf("%d refused", n)
			}
		}
		want := slices.Repeat([]string{`user.login.failed{"reason":"wrong_password","ip_address":"192.0.2.`}, 10)
		got := g.told()
		for i := range got {
			got[i] = got[i][:max(0, len(got[i])-3)]
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if g.throttled("192.0.2.99", email) {
			t.Error("guesses at a sign-up lock the address")
		}
		for n := range 10 {
			g.fail(fmt.Sprintf("198.51.100.%d", n), email)
		}
		if !g.throttled("192.0.2.99", email) || !fail("192.0.2.99") {
			t.Error("the lock is asked, or not there")
		}
		for range 4 {
			fail("192.0.2.99")
		}
		if fail("192.0.2.99") || !g.throttled("192.0.2.99", email) {
			t.Error("the pair is not counted")
		}
	})
}
