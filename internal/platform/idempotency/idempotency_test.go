package idempotency_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"strconv"
	"sync"
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

var answer = wire.Kept{Status: 201, ETag: `"1"`, Body: []byte(`{"token":"shown-once"}`)}

// bench is a store under test, as one process has it.
type bench struct {
	*testing.T
	s     *idempotency.Store
	clock *dbtest.Clock
}

func each(t *testing.T, fn func(b bench)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		fn(bench{t, &idempotency.Store{DB: db, Box: box(t, 0)}, clock})
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

func repeat(call, body string) wire.Repeat { return wire.Repeat{Call: call, Body: body, Key: "key"} }

// begin claims a call and tells how that went: "first", "kept", or the code of a fault.
func (b bench) begin(call, body string) (string, wire.Claim, *wire.Kept) {
	b.Helper()
	c, k, err := b.s.Begin(b.Context(), repeat(call, body))
	switch {
	case (err != nil) == (c != nil || k != nil) || c != nil && k != nil:
		b.Errorf("a claim %v, an answer %v, an error %v", c, k, err)
	case err != nil:
		return dbtest.Outcome(err), nil, nil
	case k != nil:
		return "kept", nil, k
	}
	return "first", c, nil
}

func (b bench) expect(call, body, want string) {
	b.Helper()
	if got, _, _ := b.begin(call, body); got != want {
		b.Errorf("%s with %s: %s, want %s", call, body, got, want)
	}
}

func (b bench) claim(call, body string) wire.Claim {
	b.Helper()
	got, c, _ := b.begin(call, body)
	if c == nil {
		b.Fatalf("%s with %s: %s, want first", call, body, got)
	}
	return c
}

func (b bench) keep(c wire.Claim, k wire.Kept) {
	b.Helper()
	if err := c.Keep(b.Context(), k); err != nil {
		b.Fatal(err)
	}
}

func (b bench) free(c wire.Claim) {
	b.Helper()
	if err := c.Free(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// act changes something under the claim: it adds a row of that name.
func (b bench) act(c wire.Claim, name string) error {
	work, done := c.Within(b.Context())
	defer done()
	return database.Do(work, b.s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(work, `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ('x', $1, 0, 0)`, name)
		return err
	})
}

func (b bench) acted() int { return dbtest.Number(b, b.s.DB, `SELECT count(*) FROM rate_count`) }

func (b bench) mustAct(c wire.Claim, name string) {
	b.Helper()
	if err := b.act(c, name); err != nil {
		b.Fatal(err)
	}
}

func TestRepeatFindsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		first, other := b.claim("a", "body"), b.claim("b", "body")
		b.expect("a", "body", "idempotency.in_progress")
		b.expect("a", "other", "idempotency.key_reused")
		b.mustAct(first, "a")
		b.expect("a", "body", "idempotency.in_progress")
		b.keep(first, answer)
		for range 2 {
			got, _, k := b.begin("a", "body")
			if diff := cmp.Diff(&answer, k); got != "kept" || diff != "" {
				b.Errorf("%s\n%s", got, diff)
			}
		}
		b.expect("a", "other", "idempotency.key_reused")
		b.expect("b", "body", "idempotency.in_progress")
		refused := wire.Kept{Status: 409, Body: []byte{}, Fault: &wire.KeptFault{
			Kind: fault.Conflict, Code: "x.y", Message: "No", Details: []string{"a"}, Data: jsontext.Value(`{"id":"7"}`),
		}}
		b.keep(other, refused)
		if _, _, k := b.begin("b", "body"); !cmp.Equal(&refused, k) {
			b.Error(cmp.Diff(&refused, k))
		}
	})
}

func TestOneOfManyFirstCalls(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		got := dbtest.AtOnce(20, func() string {
			got, _, _ := b.begin("a", "body")
			return got
		})
		if diff := cmp.Diff(map[string]int{"first": 1, "idempotency.in_progress": 19}, got); diff != "" {
			b.Error(diff)
		}
	})
}

// TestDeadCallThatActed: a process that dies after the commit and before the answer is
// kept leaves a call that no repeat does again, from the minute on in which its claim
// ends.
func TestDeadCallThatActed(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.mustAct(b.claim("a", "body"), "a")
		b.expect("a", "body", "idempotency.in_progress")
		b.clock.Advance(time.Minute)
		b.expect("a", "body", "idempotency.answer_lost")
		b.expect("a", "other", "idempotency.key_reused")
		b.clock.Advance(24*time.Hour - 2*time.Minute)
		b.expect("a", "body", "idempotency.answer_lost")
		b.clock.Advance(time.Minute)
		b.expect("a", "body", "first")
	})
}

// TestDeadCallThatDidNothing is free after a minute, also one whose change was undone.
func TestDeadCallThatDidNothing(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		work, done := b.claim("a", "body").Within(b.Context())
		refused := errors.New("refused")
		if err := database.Do(work, b.s.DB, func(*database.Tx) error { return refused }); !errors.Is(err, refused) {
			b.Error(err)
		}
		if err := database.View(work, b.s.DB, func(*database.Tx) error { return nil }); err != nil {
			b.Error(err)
		}
		done()
		b.clock.Advance(time.Minute - time.Second)
		b.expect("a", "body", "idempotency.in_progress")
		b.clock.Advance(time.Second)
		b.expect("a", "other", "first")
	})
}

// TestLostClaimCannotCommit: a call that slept for a minute, while another process took
// its claim, leaves nothing behind and does not touch the other's claim.
func TestLostClaimCannotCommit(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		slept := b.claim("a", "body")
		b.clock.Advance(time.Minute)
		other := bench{b.T, &idempotency.Store{DB: b.s.DB, Box: box(b.T, 0)}, b.clock}
		second := other.claim("a", "body")
		if err := b.act(slept, "slept"); !errors.Is(err, wire.ErrInProgress) || b.acted() != 0 {
			b.Errorf("it committed: %v, %d", err, b.acted())
		}
		if err := slept.Keep(b.Context(), answer); !errors.Is(err, wire.ErrInProgress) {
			b.Errorf("it kept its answer: %v", err)
		}
		b.free(slept)
		b.expect("a", "body", "idempotency.in_progress")
		other.mustAct(second, "second")
		other.keep(second, answer)
		if err := b.act(slept, "slept"); !errors.Is(err, wire.ErrInProgress) || b.acted() != 1 {
			b.Errorf("it committed: %v, %d", err, b.acted())
		}
		b.expect("a", "body", "kept")
	})
}

// TestClaimPassesOnOrItsCallCommits: of a call that commits after a minute's sleep and of
// one that takes its claim just then, one acts.
func TestClaimPassesOnOrItsCallCommits(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		for i := range 20 {
			key := "k" + strconv.Itoa(i)
			slept := b.claim(key, "body")
			b.clock.Advance(time.Minute)
			var wg sync.WaitGroup
			var err error
			var got string
			wg.Go(func() { err = b.act(slept, key) })
			wg.Go(func() { got, _, _ = b.begin(key, "body") })
			wg.Wait()
			if (err == nil) == (got == "first") {
				b.Errorf("the one that slept: %v, the repeat: %s", err, got)
			}
		}
	})
}

// TestClaimIsRenewedWhileItsCallRuns, and no longer.
func TestClaimIsRenewedWhileItsCallRuns(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.s.Renew = time.Millisecond
		c := b.claim("a", "body")
		renewed := func() int { return dbtest.Number(b, b.s.DB, `SELECT renewed_at FROM idempotency`) }
		work, done := c.Within(b.Context())
		for range 5 {
			b.clock.Advance(40 * time.Second)
			for now := int(b.clock.Now().UnixMicro()); renewed() < now && b.Context().Err() == nil; {
				time.Sleep(time.Millisecond)
			}
			b.expect("a", "body", "idempotency.in_progress")
		}
		done()
		if work.Err() != nil {
			b.Error("the work was ended")
		}
		b.clock.Advance(time.Minute)
		b.expect("a", "body", "first")

		ended, end := context.WithCancel(b.Context())
		_, done = b.claim("b", "body").Within(ended)
		end()
		done()
		b.clock.Advance(time.Minute)
		b.expect("b", "body", "first")
	})
}

// TestFree: a repeat may act after a call that did nothing, and not after one that did.
func TestFree(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		idle, busy := b.claim("a", "body"), b.claim("b", "body")
		b.mustAct(busy, "b")
		b.free(idle)
		b.free(busy)
		b.expect("b", "body", "idempotency.answer_lost")
		again := b.claim("a", "other")
		b.free(idle) // not its claim any more
		b.expect("a", "other", "idempotency.in_progress")
		b.keep(again, answer)
		b.free(again)
		b.expect("a", "other", "kept")
	})
}

func TestAnswersGrowOld(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.keep(b.claim("a", "body"), answer)
		b.clock.Advance(24*time.Hour - time.Second)
		b.expect("a", "body", "kept")
		b.clock.Advance(time.Second)
		b.expect("a", "other", "first")
	})
}

// TestLargeAnswersAreNotKept: a body of 1 MiB is, one of a byte more is lost.
func TestLargeAnswersAreNotKept(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		larger := make([]byte, 1<<20+1)
		large := larger[1:]
		b.keep(b.claim("a", "body"), wire.Kept{Status: 200, Body: large})
		b.keep(b.claim("b", "body"), wire.Kept{Status: 200, Body: larger})
		b.keep(b.claim("c", "body"), wire.Kept{Fault: &wire.KeptFault{Data: larger}})
		if _, _, k := b.begin("a", "body"); k == nil || !bytes.Equal(k.Body, large) {
			b.Error("1 MiB was not kept")
		}
		b.expect("b", "body", "idempotency.answer_lost")
		b.expect("c", "body", "idempotency.answer_lost")
		if n := dbtest.Number(b, b.s.DB, `SELECT count(*) FROM idempotency WHERE answer IS NOT NULL`); n != 1 {
			b.Errorf("%d are kept", n)
		}
	})
}

// TestAnswersAreSealed: what lies in the store opens for the caller's key in its row,
// under the install key, and shows nothing.
func TestAnswersAreSealed(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.keep(b.claim("a", "body"), answer)
		b.keep(b.claim("b", "body"), answer)
		var raw []byte
		var row string
		dbtest.Do(b, b.s.DB, func(tx *database.Tx) error {
			return tx.QueryRow(b.Context(), `SELECT id, answer FROM idempotency WHERE key = 'a'`).Scan(&row, &raw)
		})
		if len(raw) == 0 || bytes.Contains(raw, []byte("shown-once")) {
			b.Errorf("%q", raw)
		}
		stranger := bench{b.T, &idempotency.Store{DB: b.s.DB, Box: box(b.T, 1)}, b.clock}
		stranger.expect("a", "body", "idempotency.answer_lost")
		guess := wire.Repeat{Call: "a", Body: "body", Key: "another"}
		if _, _, err := b.s.Begin(b.Context(), guess); !errors.Is(err, wire.ErrAnswerLost) {
			b.Errorf("another key: %v", err)
		}
		if _, err := box(b.T, 0).Open(raw, row); !errors.Is(err, secret.ErrSealed) {
			b.Errorf("the install key alone: %v", err)
		}
		dbtest.Exec(b, b.s.DB, `UPDATE idempotency SET answer = $1 WHERE key = 'b'`, raw)
		b.expect("b", "body", "idempotency.answer_lost")
		b.expect("a", "body", "kept")
	})
}

// TestAnswersOpenAsTheSpecificationSays, with nothing of ours: AES-256-GCM under
// HKDF-SHA256 of the install key and the Idempotency-Key, with the row's id.
func TestAnswersOpenAsTheSpecificationSays(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.keep(b.claim("a", "body"), answer)
		var raw []byte
		var row string
		dbtest.Do(b, b.s.DB, func(tx *database.Tx) error {
			return tx.QueryRow(b.Context(), `SELECT id, answer FROM idempotency`).Scan(&row, &raw)
		})
		input := append(make([]byte, secret.KeySize), "key"...)
		key, err := hkdf.Key(sha256.New, input, []byte(row), "canopy idempotency v1", 32)
		if err != nil {
			b.Fatal(err)
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			b.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		body := bytes.TrimPrefix(raw, box(b.T, 0).Head()) // which names the install key
		if len(body) == len(raw) {
			b.Error("it names no install key")
		}
		plain, err := gcm.Open(nil, body[:12], body[12:], []byte(row))
		if err != nil || !bytes.Contains(plain, []byte(`"status":201`)) {
			b.Errorf("%s %v", plain, err)
		}
	})
}

// TestClockSetBack: what was claimed or kept counts as of now then, and lasts no longer
// than its own time.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.keep(b.claim("kept", "body"), answer)
		b.keep(b.claim("untouched", "body"), answer)
		_ = b.claim("idle", "body")
		b.mustAct(b.claim("acted", "body"), "acted")
		b.clock.Advance(-time.Hour)
		if err := b.s.Rewind(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.expect("kept", "body", "kept")
		b.expect("idle", "body", "idempotency.in_progress")
		b.expect("acted", "body", "idempotency.in_progress")
		b.clock.Advance(time.Minute)
		b.expect("acted", "body", "idempotency.answer_lost")
		b.expect("idle", "body", "first")
		b.clock.Advance(24*time.Hour - time.Minute)
		b.expect("untouched", "body", "first")
		b.expect("kept", "body", "first")
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.keep(b.claim("old", "body"), answer)
		b.clock.Advance(time.Hour)
		b.keep(b.claim("young", "body"), answer)
		b.clock.Advance(23 * time.Hour)
		dbtest.Do(b, b.s.DB, func(tx *database.Tx) error { // more than one batch of it
			_, err := tx.Exec(b.Context(), `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
				INSERT INTO idempotency (key, id, body_hash, acted, created_at)
				SELECT 'k' || i, 'x', '', 1, $1 FROM n`, tx.Now.Add(-25*time.Hour))
			return err
		})
		if err := b.s.Sweep(b.Context()); err != nil {
			b.Fatal(err)
		}
		if n := dbtest.Number(b, b.s.DB, `SELECT count(*) FROM idempotency`); n != 1 {
			b.Errorf("%d rows", n)
		}
		b.expect("young", "body", "kept")
	})
}
