package idempotency_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/idempotency"
	"canopy.dev/canopy/internal/platform/wire"
)

var answer = wire.Kept{Status: 201, Body: []byte(`{"token":"shown-once"}`)}

func each(t *testing.T, fn func(t *testing.T, s *idempotency.Store, clock *dbtest.Clock)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		fn(t, &idempotency.Store{DB: db, Box: box(t, 0)}, clock)
	})
}

// box seals under an install key of equal bytes.
func box(t *testing.T, b byte) *secret.Box {
	t.Helper()
	sealed, err := secret.NewBox(bytes.Repeat([]byte{b}, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// begin claims a scope and tells how that went: "first", "kept" with the answer,
// or an error.
func begin(t *testing.T, s *idempotency.Store, scope, body string) (string, wire.Kept) {
	t.Helper()
	k, found, err := s.Begin(t.Context(), scope, body, "key")
	switch {
	case err != nil:
		if found {
			t.Error("found, and an error")
		}
		return dbtest.Outcome(err), k
	case found:
		return "kept", k
	}
	return "first", k
}

func expect(t *testing.T, s *idempotency.Store, scope, body, want string) {
	t.Helper()
	if got, _ := begin(t, s, scope, body); got != want {
		t.Errorf("%s with %s: %s, want %s", scope, body, got, want)
	}
}

func finish(t *testing.T, s *idempotency.Store, scope string, k wire.Kept) {
	t.Helper()
	if err := s.Finish(t.Context(), scope, "key", k); err != nil {
		t.Fatal(err)
	}
}

func TestRepeatFindsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *idempotency.Store, _ *dbtest.Clock) {
		expect(t, s, "a", "body", "first")
		expect(t, s, "a", "body", "idempotency.in_progress")
		expect(t, s, "a", "other", "idempotency.key_reused")
		expect(t, s, "b", "body", "first")
		finish(t, s, "a", answer)
		for range 2 {
			got, k := begin(t, s, "a", "body")
			if diff := cmp.Diff(answer, k); got != "kept" || diff != "" {
				t.Errorf("%s\n%s", got, diff)
			}
		}
		expect(t, s, "a", "other", "idempotency.key_reused")
		expect(t, s, "b", "body", "idempotency.in_progress")
		refused := wire.Kept{Status: 409, Body: []byte{}, Fault: &wire.KeptFault{
			Kind: fault.Conflict, Code: "x.y", Message: "No", Details: []string{"a"}, Data: jsontext.Value(`{"id":"7"}`),
		}}
		finish(t, s, "b", refused)
		if _, k := begin(t, s, "b", "body"); !cmp.Equal(refused, k) {
			t.Error(cmp.Diff(refused, k))
		}
	})
}

func TestOneOfManyFirstCalls(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *idempotency.Store, _ *dbtest.Clock) {
		got := dbtest.AtOnce(20, func() string {
			got, _ := begin(t, s, "a", "body")
			return got
		})
		if diff := cmp.Diff(map[string]int{"first": 1, "idempotency.in_progress": 19}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A claim that was never settled is free after two minutes; an answer after a day.
func TestClaimsAndAnswersGrowOld(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *idempotency.Store, clock *dbtest.Clock) {
		expect(t, s, "a", "body", "first")
		clock.Advance(2*time.Minute - time.Second)
		expect(t, s, "a", "body", "idempotency.in_progress")
		clock.Advance(time.Second)
		expect(t, s, "a", "other", "first")
		finish(t, s, "a", answer)
		clock.Advance(24*time.Hour - time.Second)
		expect(t, s, "a", "other", "kept")
		clock.Advance(time.Second)
		expect(t, s, "a", "body", "first")
	})
}

func TestForgetFreesAClaimAndKeepsAnAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *idempotency.Store, _ *dbtest.Clock) {
		forget := func() {
			t.Helper()
			if err := s.Forget(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, s, "a", "body", "first")
		expect(t, s, "b", "body", "first")
		forget()
		expect(t, s, "a", "other", "first")
		expect(t, s, "b", "body", "idempotency.in_progress")
		finish(t, s, "a", answer)
		forget()
		expect(t, s, "a", "other", "kept")
	})
}

// What lies in the store opens for the caller's key in its scope, under the
// install key, and shows nothing.
func TestAnswersAreSealed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *idempotency.Store, _ *dbtest.Clock) {
		expect(t, s, "a", "body", "first")
		expect(t, s, "b", "body", "first")
		finish(t, s, "a", answer)
		finish(t, s, "b", answer)
		raw := dbtest.Write(t, s.DB, func(tx *database.Tx) (raw []byte, err error) {
			return raw, tx.QueryRow(t.Context(), `SELECT answer FROM idempotency WHERE key = 'a'`).Scan(&raw)
		})
		if len(raw) == 0 || bytes.Contains(raw, []byte("shown-once")) {
			t.Errorf("%q", raw)
		}
		stranger := &idempotency.Store{DB: s.DB, Box: box(t, 1)}
		for name, try := range map[string]func() error{
			"another key": func() error { _, _, err := s.Begin(t.Context(), "a", "body", "another"); return err },
			"another install": func() error {
				_, _, err := stranger.Begin(t.Context(), "a", "body", "key")
				return err
			},
		} {
			if err := try(); !errors.Is(err, secret.ErrSealed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		dbtest.Exec(t, s.DB, `UPDATE idempotency SET answer = $1 WHERE key = 'b'`, raw)
		if _, _, err := s.Begin(t.Context(), "b", "body", "key"); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("an answer was moved to another scope: %v", err)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, s *idempotency.Store, clock *dbtest.Clock) {
		expect(t, s, "old", "body", "first")
		finish(t, s, "old", answer)
		clock.Advance(time.Hour)
		expect(t, s, "young", "body", "first")
		finish(t, s, "young", answer)
		clock.Advance(23 * time.Hour)
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM idempotency`); n != 1 {
			t.Errorf("%d rows", n)
		}
		expect(t, s, "young", "body", "kept")
	})
}
