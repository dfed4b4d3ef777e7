package signingkey

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// states are the kids and states of all keys, by the time they sign from.
func states(t *testing.T, s *Service) string {
	t.Helper()
	list, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	words := []string{}
	for _, k := range list {
		words = append(words, k.ID+" "+string(k.State))
	}
	return strings.Join(words, ", ")
}

func rotate(t *testing.T, s *Service) string {
	t.Helper()
	k, err := s.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return k.ID
}

func revoke(t *testing.T, s *Service, kid string) string {
	t.Helper()
	replacement, err := s.Revoke(t.Context(), kid)
	if err != nil {
		t.Fatal(err)
	}
	return replacement
}

// published wants a kid in the key set, or not.
func published(t *testing.T, s *Service, kid string, want bool) {
	t.Helper()
	raw, err := s.JWKS(t.Context())
	if err != nil || strings.Contains(string(raw), `"`+kid+`"`) != want {
		t.Errorf("%s is in %s: want %t, %v", kid, raw, want, err)
	}
}

func TestARevokedKeyIsRefusedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		a, b := ready(t, db), ready(t, db)
		stolen := sign(t, a, claims(db.Now()))
		old := kid(t, stolen)
		for _, s := range []*Service{a, b} {
			if _, err := s.Verify(t.Context(), stolen, db.Now()); err != nil {
				t.Fatal(err)
			}
		}
		fresh := revoke(t, a, old)
		if fresh == "" || fresh == old {
			t.Fatalf("%q takes the place of %q", fresh, old)
		}
		// Both sign with the new key at once, and know each other's tokens.
		for _, s := range []*Service{a, b} {
			token := sign(t, s, claims(db.Now()))
			if kid(t, token) != fresh {
				t.Errorf("%s signs, want %s", kid(t, token), fresh)
			}
			for _, other := range []*Service{a, b} {
				if _, err := other.Verify(t.Context(), token, db.Now()); err != nil {
					t.Error(err)
				}
			}
		}
		clock.Advance(5 * time.Second)
		for _, s := range []*Service{a, b, ready(t, db)} {
			if _, err := s.Verify(t.Context(), stolen, db.Now()); !errors.Is(err, ErrInvalidToken) {
				t.Errorf("by a revoked key: %v", err)
			}
			published(t, s, old, false)
			published(t, s, fresh, true)
		}
	})
}

func TestRevokedKeysNeverComeBack(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		s := ready(t, db)
		stolen := sign(t, s, claims(db.Now()))
		fresh := revoke(t, s, kid(t, stolen))
		for _, wait := range []time.Duration{0, time.Minute, 90 * 24 * time.Hour, 24 * time.Hour} {
			clock.Advance(wait)
			again := ready(t, db) // a restart
			if strings.Contains(states(t, again), kid(t, stolen)) || !strings.Contains(states(t, again), fresh) {
				t.Errorf("keys %s", states(t, again))
			}
		}
		if _, err := s.Revoke(t.Context(), kid(t, stolen)); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("revoked twice: %v", err)
		}
		if _, err := s.Revoke(t.Context(), "2026-04-nope"); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("a kid that never was: %v", err)
		}
	})
}

func TestRevokingAKeyThatDoesNotSignMakesNone(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		s := ready(t, db)
		first := kid(t, sign(t, s, claims(db.Now())))
		next := rotate(t, s)
		if made := revoke(t, s, next); made != "" || states(t, s) != first+" signing" {
			t.Errorf("the next one: %q, %s", made, states(t, s))
		}
		second := rotate(t, s)
		clock.Advance(ahead)
		if made := revoke(t, s, first); made != "" || states(t, s) != second+" signing" {
			t.Errorf("the one before: %q, %s", made, states(t, s))
		}
	})
}

// A key that signed before is retired since the time of its successor: revoking that one
// makes the older one neither sign nor verify again.
func TestRevokingBringsNoOlderKeyBack(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		s := ready(t, db)
		first := sign(t, s, claims(db.Now()))
		second := rotate(t, s)
		clock.Advance(ahead)
		third := revoke(t, s, second)
		if want := kid(t, first) + " published, " + third + " signing"; states(t, s) != want {
			t.Errorf("%s, want %s", states(t, s), want)
		}
		clock.Advance(time.Hour)
		if want := kid(t, first) + " retired, " + third + " signing"; states(t, s) != want {
			t.Errorf("%s, want %s", states(t, s), want)
		}
		last := revoke(t, s, third)
		if want := last + " signing"; states(t, s) != want {
			t.Errorf("%s, want %s", states(t, s), want)
		}
	})
}

func TestOfRevocationsAtOnceOneWins(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s := ready(t, db)
		old := kid(t, sign(t, s, claims(db.Now())))
		got := dbtest.AtOnce(6, func() string {
			_, err := service(t, db).Revoke(t.Context(), old)
			if err == nil || errors.Is(err, ErrUnknownKey) {
				return strconv.FormatBool(err == nil)
			}
			return err.Error()
		})
		if got["true"] != 1 || got["false"] != 5 {
			t.Errorf("%v", got)
		}
		if list, err := s.List(t.Context()); err != nil || len(list) != 1 || list[0].State != Signing {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

// What servers could not open is not written, or all of them would stand still.
func TestAForeignInstallKeyChangesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s, foreign := ready(t, db), service(t, db)
		foreign.Box = boxOf(t, 'k')
		first := kid(t, sign(t, s, claims(db.Now())))
		next := rotate(t, s)
		before := states(t, s)
		if _, err := foreign.Rotate(t.Context()); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("rotate: %v", err)
		}
		if _, err := foreign.Revoke(t.Context(), first); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("revoke: %v", err)
		}
		if states(t, s) != before {
			t.Errorf("%s, before %s", states(t, s), before)
		}
		// Keys whose install key is lost can be given up, one after the other.
		revoke(t, s, next)
		fresh := revoke(t, foreign, first)
		if states(t, foreign) != fresh+" signing" {
			t.Errorf("%s", states(t, foreign))
		}
	})
}

func boxOf(t *testing.T, keys ...byte) *secret.Box {
	t.Helper()
	list := [][]byte{}
	for _, b := range keys {
		list = append(list, bytes.Repeat([]byte{b}, secret.KeySize))
	}
	box, err := secret.NewBox(list...)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestKeysInMemoryProveForFiveSeconds(t *testing.T) {
	t.Parallel()
	clock := &dbtest.Clock{}
	db := dbtest.Open(t, database.Postgres, clock.Now)
	s := ready(t, db)
	token := sign(t, s, claims(db.Now()))
	published(t, s, kid(t, token), true)
	dbtest.Disconnect(t, db)
	clock.Advance(4900 * time.Millisecond)
	if _, err := s.Verify(t.Context(), token, db.Now()); err != nil {
		t.Errorf("by keys of 4.9 seconds: %v", err)
	}
	clock.Advance(100 * time.Millisecond)
	for name, text := range map[string]string{
		"a good token": token,
		// Nothing says that it is wrong, either.
		"an unknown kid": forge(t, "RS256", s.known.Load().keys[0].private, "2026-04-0000", claims(db.Now())),
	} {
		_, err := s.Verify(t.Context(), text, db.Now())
		if !database.Unreachable(err) || errors.Is(err, ErrInvalidToken) {
			t.Errorf("%s, without a store: %v", name, err)
		}
	}
	// The key set proves nothing here, and serves on.
	published(t, s, kid(t, token), true)
}

// An age below zero is that of a clock which was set back: the keys are read again.
func TestAClockSetBackMakesKeysOld(t *testing.T) {
	t.Parallel()
	clock := &dbtest.Clock{}
	db := dbtest.Open(t, database.Postgres, clock.Now)
	s := ready(t, db)
	clock.Advance(3 * time.Second)
	published(t, s, s.known.Load().keys[0].ID, true)
	token := sign(t, s, claims(db.Now()))
	clock.Advance(-10 * time.Second)
	before := s.begun.Load()
	if _, err := s.Verify(t.Context(), token, db.Now()); err != nil || s.begun.Load() != before+1 {
		t.Errorf("%v after %d readings", err, s.begun.Load()-before)
	}
	clock.Advance(-10 * time.Second)
	dbtest.Disconnect(t, db)
	if _, err := s.Verify(t.Context(), token, db.Now()); !database.Unreachable(err) {
		t.Errorf("without a store: %v", err)
	}
}

func TestOneReadsForAllThatWait(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		s := ready(t, db)
		token := sign(t, s, claims(db.Now()))
		clock.Advance(maxAge)
		before := s.begun.Load()
		got := dbtest.AtOnce(50, func() string {
			_, err := s.Verify(t.Context(), token, db.Now())
			return dbtest.Outcome(err)
		})
		if read := s.begun.Load() - before; got["ok"] != 50 || read != 1 {
			t.Errorf("%v by %d readings", got, read)
		}
	})
}

// A reading that hangs ends, with an error that tells why, and so do those who wait
// for it: they take its end for theirs, or that of the next.
func TestWaitingForKeysEnds(t *testing.T) {
	t.Parallel()
	clock := &dbtest.Clock{}
	proxy := dbtest.NewProxy(t, dbtest.URL(t, database.Postgres))
	db, err := database.Open(t.Context(), proxy.URL, clock.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	s := ready(t, db)
	token := sign(t, s, claims(db.Now()))
	clock.Advance(maxAge)
	proxy.Stall()
	before := s.begun.Load()
	var slow atomic.Int64
	got := dbtest.AtOnce(20, func() string {
		_, err := s.Verify(t.Context(), token, db.Now())
		if errors.Is(err, database.ErrSlow) {
			slow.Add(1)
		}
		return strconv.FormatBool(database.Unreachable(err))
	})
	if read := s.begun.Load() - before; got["true"] != 20 || slow.Load() == 0 || read > 3 {
		t.Errorf("%v, %d slow, by %d readings", got, slow.Load(), read)
	}
	proxy.Up()
	if _, err := s.Verify(t.Context(), token, db.Now()); err != nil {
		t.Errorf("once the store answers: %v", err)
	}
}

func TestSigningKeysComeUnderTheFirstInstallKey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s := ready(t, db)
		token := sign(t, s, claims(db.Now()))
		rotate(t, s)
		// As earlier versions did.
		dbtest.Exec(t, db, `UPDATE signing_key SET private = substr(private, 13) WHERE id = $1`, kid(t, token))
		turned := service(t, db)
		turned.Box = boxOf(t, 9, 0)
		for _, done := range []int{2, 0} {
			r, err := Reseal(t.Context(), db, turned.Box)
			if err != nil || r.Done != done || r.Left != 0 || len(r.Lost) != 0 {
				t.Errorf("%+v, %v; want %d done", r, err, done)
			}
		}
		fresh := service(t, db)
		fresh.Box = boxOf(t, 9)
		for _, s := range []*Service{turned, fresh} {
			if _, err := s.Verify(t.Context(), token, db.Now()); err != nil {
				t.Error(err)
			}
		}
		if err := s.Ensure(t.Context()); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("by the old key: %v", err)
		}
	})
}
