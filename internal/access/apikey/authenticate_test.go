package apikey_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

func TestPrincipalOfAKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		ends := clock.Now().Add(time.Hour).Truncate(time.Millisecond)
		k, value := w.make(until(scoped("audit.view", "rbac.view_roles"), ends))
		want := principal.Key{
			Actor: principal.Actor{Kind: principal.KindAPIKey, ID: k.ID.Any(), Label: "Backend"},
			KeyID: k.ID, Environment: w.in, Scopes: []permission.Key{"audit.view", "rbac.view_roles"}, ExpiresAt: ends,
		}
		want.Environment.Application.Account.Slug = "acme"
		for range 2 { // read, then remembered
			if diff := cmp.Diff(want, w.by(value)); diff != "" {
				t.Error(diff)
			}
		}
		_, all := w.make(full())
		for _, p := range permission.System() {
			is := p == permission.AuditView || p == permission.RolesView
			if w.by(value).Holds(p) != is || !w.by(all).Holds(p) {
				t.Errorf("%s: %t, and with full access %t", p, w.by(value).Holds(p), w.by(all).Holds(p))
			}
		}
		for _, p := range []permission.Key{permission.UserView, permission.AccountManage, "lease.view", ""} {
			if w.by(all).Holds(p) {
				t.Errorf("a key holds %q", p)
			}
		}
	})
}

// TestScopesOfTheCatalogueOpenNothing: a custom permission is a scope like any other, and no
// right of the server's own, whatever its name.
func TestScopesOfTheCatalogueOpenNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		for _, key := range []string{"lease.view", "user.view", "account.manage"} {
			w.permit(key)
			_, value := w.make(scoped(key))
			if k := w.by(value); k.Holds(permission.Key(key)) || !cmp.Equal(k.Scopes, []permission.Key{permission.Key(key)}) {
				t.Errorf("%s opens something, or is not kept: %v", key, k.Scopes)
			}
		}
	})
}

// TestEndsForTheNextCallOfEveryProcess: both have the key in memory, one ends it, and the
// next call of either is refused.
func TestEndsForTheNextCallOfEveryProcess(t *testing.T) {
	t.Parallel()
	twice(t, func(t *testing.T, a, b world) {
		apps := &application.Service{DB: a.DB, Parts: parts}
		for what, end := range map[string]func(w *world, k apikey.Key) error{
			"disabled": func(_ *world, k apikey.Key) error { a.setActive(k.ID, false); return nil },
			"rotated":  func(_ *world, k apikey.Key) error { a.rotate(k.ID); return nil },
			"deleted":  func(_ *world, k apikey.Key) error { a.delete(k.ID); return nil },
			"of a deleted Environment": func(w *world, _ apikey.Key) error {
				return apps.DeleteEnvironment(t.Context(), alex.Actor, w.in)
			},
		} {
			a, b := a, b
			if what == "of a deleted Environment" {
				a.in, b.in = a.other, a.other
			}
			k, value := a.make(full())
			if !a.is(value) || !b.is(value) {
				t.Fatal("the key is no good")
			}
			if err := end(&a, k); err != nil {
				t.Fatal(err)
			}
			if b.is(value) || a.is(value) {
				t.Errorf("a key that is %s is admitted", what)
			}
		}
		_, value := a.make(full())
		k, next := a.make(full())
		a.setActive(k.ID, false)
		if b.is(next) {
			t.Error("a disabled key is admitted")
		}
		if a.setActive(k.ID, true); !b.is(next) {
			t.Error("a key that was switched on is refused")
		}
		if next = a.rotate(k.ID); !b.is(next) || !a.is(value) {
			t.Error("a key's new value is refused, or another key's")
		}
		second := application.Draft{Name: "Second"}
		if _, err := apps.Add(t.Context(), alex.Actor, a.in.Application.Account, second); err != nil {
			t.Fatal(err)
		}
		if err := apps.Delete(t.Context(), alex.Actor, a.in.Application); err != nil {
			t.Fatal(err)
		}
		if b.is(value) || b.is(next) || a.is(value) {
			t.Error("a key of a deleted Application is admitted")
		}
	})
}

// TestNoCallAfterTheEndIsAdmitted: of a burst on another process, no call that began after
// the end was answered gets in, and every one before it does.
func TestNoCallAfterTheEndIsAdmitted(t *testing.T) {
	t.Parallel()
	twice(t, func(t *testing.T, a, b world) {
		for i := range 8 {
			k, value := a.make(full())
			var beginning, ended atomic.Bool
			var calls atomic.Int64
			got := dbtest.AtOnce(5, func() string {
				if calls.Add(1) == 1 {
					for calls.Load() < 100 && !t.Failed() {
						time.Sleep(100 * time.Microsecond)
					}
					beginning.Store(true)
					if i%2 == 0 {
						a.setActive(k.ID, false)
					} else {
						a.rotate(k.ID)
					}
					ended.Store(true)
					return "ok"
				}
				for after := 0; after < 20; {
					over := ended.Load()
					is, began := b.is(value), beginning.Load()
					calls.Add(1)
					switch {
					case over && is:
						return "a call after the end was admitted"
					case !is && !began:
						return "a call before the end was refused"
					case over:
						after++
					}
				}
				return "ok"
			})
			if diff := cmp.Diff(map[string]int{"ok": 5}, got); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// TestRenamedEnvironmentIsSeen by every process.
func TestRenamedEnvironmentIsSeen(t *testing.T) {
	t.Parallel()
	twice(t, func(t *testing.T, a, b world) {
		_, value := a.make(full())
		_ = b.by(value)
		slug := "dev"
		places := &environment.Service{DB: a.DB}
		_, err := places.Update(t.Context(), alex.Actor, a.in, environment.Change{Slug: &slug}, 0,
			func(e environment.Environment) any { return e })
		if err != nil {
			t.Fatal(err)
		}
		if got := b.by(value).Environment.Slug; got != "dev" {
			t.Errorf("its Environment is called %s", got)
		}
	})
}

// TestExpiryIsJudgedByTheClock: at each call, also for a key in memory, and for one whose
// clock was set back.
func TestExpiryIsJudgedByTheClock(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			var now atomic.Pointer[time.Time]
			set := func(at time.Time) { now.Store(&at) }
			ends := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
			set(ends.Add(-time.Hour))
			w := newWorld(t, dbtest.Open(t, engine, func() time.Time { return *now.Load() }))
			_, value := w.make(until(full(), ends))
			for _, c := range []struct {
				at time.Duration
				is bool
			}{
				{-time.Hour, true},
				{-time.Millisecond, true},
				{0, false},
				{-time.Microsecond, true},
				{24 * time.Hour, false},
				{-time.Minute, true},
				{0, false},
			} {
				set(ends.Add(c.at))
				if w.is(value) != c.is {
					t.Errorf("%s after it ends: %t", c.at, !c.is)
				}
			}
		})
	}
}

// TestNoOtherSpellingIsAKey: what is nearly a key is none.
func TestNoOtherSpellingIsAKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		_, value := w.make(full())
		if len(value) != 69 || !strings.HasPrefix(value, "cnpy_") || strings.Trim(value[5:], "0123456789abcdef") != "" {
			t.Errorf("%q", value)
		}
		odd := []string{
			"", " ", value + " ", " " + value, value + "\x00", strings.ToUpper(value), value[5:], "cnpy_", secret.Hash(value),
			value + "0", "cnpz_" + value[5:], strings.Repeat(value, 1000), "\xff" + value, secret.NewAPIKey().Reveal(),
		}
		for i := range value {
			odd = append(odd, value[:i])
		}
		for _, other := range odd {
			if w.is(other) {
				t.Errorf("%q is admitted", other)
			}
		}
		if !w.is(value) {
			t.Error("the key itself is refused")
		}
	})
}

// TestStrangersFillNoMemory: values that are no live key's are not kept, and live keys stay.
func TestStrangersFillNoMemory(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		off, value := w.make(full())
		_, live := w.make(full())
		w.setActive(off.ID, false)
		if !w.is(live) {
			t.Fatal("the key is no good")
		}
		for i := range 50 {
			if w.is(fmt.Sprintf("cnpy_%064x", i)) || w.is(value) {
				t.Error("admitted")
			}
		}
		if n := w.Kept(); n != 1 {
			t.Errorf("%d are in memory", n)
		}
	})
}

// TestUnreachableStoreIsNoRefusal: who can't prove that a key is good does not say that it
// is bad.
func TestUnreachableStoreIsNoRefusal(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, database.Postgres, time.Now))
	_, value := w.make(full())
	_ = w.by(value)
	dbtest.Disconnect(t, w.DB)
	for what, key := range map[string]string{"in memory": value, "unknown": secret.NewAPIKey().Reveal()} {
		_, err := w.Authenticate(t.Context(), key)
		if errors.Is(err, signingkey.ErrInvalidToken) || !database.Unreachable(err) {
			t.Errorf("a key that is %s: %v", what, err)
		}
	}
}
