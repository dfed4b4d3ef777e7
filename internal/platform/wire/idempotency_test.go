package wire_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/idempotency"
	"canopy.dev/canopy/internal/platform/wire"
)

// mortal is a store whose process dies, while dying is set, once a call has been done:
// nothing of its claim is settled.
type mortal struct {
	wire.Idempotency
	dying bool
}

func (m *mortal) Begin(ctx context.Context, r wire.Repeat) (wire.Claim, *wire.Kept, error) {
	c, k, err := m.Idempotency.Begin(ctx, r)
	if c != nil {
		c = mortalClaim{c, m}
	}
	return c, k, err
}

type mortalClaim struct {
	wire.Claim
	of *mortal
}

var errDied = errors.New("the process has died")

func (c mortalClaim) Keep(ctx context.Context, k wire.Kept) error {
	if c.of.dying {
		return errDied
	}
	return c.Claim.Keep(ctx, k)
}

func (c mortalClaim) Free(ctx context.Context) error {
	if c.of.dying {
		return errDied
	}
	return c.Claim.Free(ctx)
}

// maker has routes that make things, each of which is a row of the store.
type maker struct {
	t     *testing.T
	db    *database.DB
	clock *dbtest.Clock
	rt    *wire.Router
	store *mortal
	calls int
	rows  int
	work  func(ctx context.Context, c *wire.Call) (string, error) // of the next calls
}

func eachMaker(t *testing.T, fn func(m *maker)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		fn(newMaker(t, db, clock))
	})
}

func newMaker(t *testing.T, db *database.DB, clock *dbtest.Clock) *maker {
	t.Helper()
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	m := &maker{t: t, db: db, clock: clock, store: &mortal{Idempotency: &idempotency.Store{DB: db, Box: box}}}
	m.work = m.make
	m.rt = newRouter(func(conf *wire.Config) { conf.Idempotency = m.store })
	for _, path := range []string{"/things", "/others"} {
		wire.Handle(m.rt.Users(path, thingTag), wire.Route{
			Method: http.MethodPost, ID: "create" + path, Summary: "Create", About: "Makes one.", Idempotent: true,
			Status: http.StatusCreated, ETag: true, Faults: []*fault.Error{errTaken},
		}, func(ctx context.Context, c *wire.Call, _ principal.User, _ thing) (wire.Data[string], error) {
			m.calls++
			c.SetVersion(m.calls)
			return wire.Of(m.work(ctx, c))
		})
	}
	return m
}

// make is what any handler does: it writes with the context that it got.
func (m *maker) make(ctx context.Context, _ *wire.Call) (string, error) {
	m.rows++
	name := strconv.Itoa(m.rows)
	return name, database.Do(ctx, m.db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ('thing', $1, 0, 0)`, name)
		return err
	})
}

func (m *maker) made() int { return dbtest.Number(m.t, m.db, `SELECT count(*) FROM rate_count`) }

// then is work that makes a thing and then fails.
func (m *maker) then(err error) func(context.Context, *wire.Call) (string, error) {
	return func(ctx context.Context, c *wire.Call) (string, error) {
		if _, err := m.make(ctx, c); err != nil {
			return "", err
		}
		return "", err
	}
}

// instead is work that makes nothing and fails.
func instead(err error) func(context.Context, *wire.Call) (string, error) {
	return func(context.Context, *wire.Call) (string, error) { return "", err }
}

func (m *maker) post(key, body string, header ...string) answer {
	m.t.Helper()
	return m.to("/things", key, body, header...)
}

func (m *maker) to(path, key, body string, header ...string) answer {
	m.t.Helper()
	header = append([]string{"Authorization", "Bearer owner", "Idempotency-Key", key}, header...)
	return ask(m.t, m.rt, http.MethodPost, path, body, header...)
}

const rope = `{"name":"rope"}`

// TestRepeatsActOnce: the second of two equal calls gets the answer of the first, with
// its version, be it a success or a refusal.
func TestRepeatsActOnce(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		replayed := func(a answer) string { return a.Header().Get("Idempotency-Replayed") }
		first, again := m.post("a", rope), m.post("a", rope)
		if first.Code != 201 || again.Code != 201 || first.Body.String() != again.Body.String() || m.made() != 1 {
			t.Errorf("%d %s, then %d %s, made %d", first.Code, first.Body, again.Code, again.Body, m.made())
		}
		if replayed(first) != "" || replayed(again) != "true" || again.Header().Get("ETag") != `"1"` {
			t.Errorf("%v, then %v", first.Header(), again.Header())
		}
		a := m.post("a", `{"name":"y"}`)
		if a.Code != 422 || a.code != "idempotency.key_reused" || replayed(a) != "" {
			t.Errorf("another body: %d %s", a.Code, a.Body)
		}
		for _, key := range []string{"with space", "é", string(make([]byte, 256)), strings.Repeat("k", 256)} {
			if a := m.post(key, rope); a.code != "validation" {
				t.Errorf("the key %q: %d %s", key, a.Code, a.Body)
			}
		}
		if a := m.post("", rope); a.code != "validation" {
			t.Errorf("an empty key: %d %s", a.Code, a.Body)
		}
		if a := m.post(strings.Repeat("k", 255), rope); a.Code != 201 {
			t.Errorf("a long key: %d %s", a.Code, a.Body)
		}
	})
}

// TestSuccessThatChangedNothingIsNotKept: a bulk call of bad rows, say, whose answers would
// fill the store.
func TestSuccessThatChangedNothingIsNotKept(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		m.work = instead(nil)
		first := m.post("a", rope)
		again := m.post("a", rope)
		if first.Code != 201 || again.Code != 201 || m.calls != 2 {
			t.Errorf("%d, then %d, in %d calls", first.Code, again.Code, m.calls)
		}
		if n := dbtest.Number(t, m.db, `SELECT count(*) FROM idempotency`); n != 0 {
			t.Errorf("%d are kept", n)
		}
	})
}

// TestWhatIsKept of each class of answers, where nothing was changed before: a repeat is
// told the same, or acts.
func TestWhatIsKept(t *testing.T) {
	t.Parallel()
	kinds := map[*fault.Error]bool{
		fault.Validation: false, errInvalid: false, fault.RateLimited: false, fault.Unknown: false, fault.Busy: false,
		fault.PermissionDenied: true, errNoThing: true, errTaken: true,
		fault.New(fault.Gone, "things.gone", "Gone"):                true,
		fault.New(fault.Unprocessable, "things.strange", "Strange"): true,
	}
	eachMaker(t, func(m *maker) {
		for f, kept := range kinds {
			m.work = instead(f.WithData(map[string]int{"n": 7}))
			first := m.post(f.Code, rope)
			m.work = m.make
			again := m.post(f.Code, rope)
			if first.code != f.Code || kept != (again.code == f.Code) || kept == (again.Code == 201) {
				t.Errorf("%d %s, then %d %s", first.Code, first.Body, again.Code, again.Body)
			}
			if kept && (again.Code != first.Code || !strings.Contains(again.Body.String(), `"data":{"n":7}`) ||
				again.Header().Get("Idempotency-Replayed") != "true") {
				t.Errorf("kept as %d %v %s", again.Code, again.Header(), again.Body)
			}
		}
		m.work = instead(errors.New("anything"))
		first := m.post("any", rope)
		m.work = m.make
		if again := m.post("any", rope); first.Code != 500 || again.Code != 201 {
			t.Errorf("%d %s, then %d %s", first.Code, first.Body, again.Code, again.Body)
		}
		m.work = func(context.Context, *wire.Call) (string, error) { panic("in the middle") }
		first = m.post("panic", rope)
		m.work = m.make
		if again := m.post("panic", rope); first.Code != 500 || again.Code != 201 {
			t.Errorf("%d %s, then %d %s", first.Code, first.Body, again.Code, again.Body)
		}
		if n := dbtest.Number(t, m.db, `SELECT count(*) FROM idempotency WHERE answer IS NULL`); n != 0 {
			t.Errorf("%d rows of calls that keep nothing", n)
		}
	})
}

// TestWhatFailsAfterItActedIsLost: an answer that is not kept does not let a repeat act
// where the call had changed something by then.
func TestWhatFailsAfterItActedIsLost(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		ends := map[string]func(context.Context, *wire.Call) (string, error){
			"400": m.then(fault.Validation), "401": m.then(errInvalid), "429": m.then(fault.RateLimited),
			"500": m.then(errors.New("anything")), "503": m.then(fault.Busy),
			"panic": func(ctx context.Context, c *wire.Call) (string, error) {
				_, err := m.make(ctx, c)
				panic(err)
			},
			"1MiB+1": func(ctx context.Context, c *wire.Call) (string, error) {
				_, err := m.make(ctx, c)
				return strings.Repeat("x", 1<<20+1-len(`{"data":""}`)), err
			},
		}
		for name, work := range ends {
			m.work = work
			before := m.made()
			m.post(name, rope)
			m.work = m.make
			if a := m.post(name, rope); a.code != "idempotency.answer_lost" || a.Code != 409 || m.made() != before+1 {
				t.Errorf("%s, then %d %s, made %d", name, a.Code, a.Body, m.made()-before)
			}
		}
		m.work = func(ctx context.Context, c *wire.Call) (string, error) {
			_, err := m.make(ctx, c)
			return strings.Repeat("x", 1<<20-len(`{"data":""}`)), err
		}
		if first, again := m.post("1MiB", rope), m.post("1MiB", rope); again.Code != 201 ||
			again.Body.String() != first.Body.String() {
			t.Errorf("1 MiB: %d", again.Code)
		}
	})
}

// TestProcessDiesBeforeTheAnswerIsKept: whatever a route that is declared Idempotent
// writes with its context is noted, though its handler does nothing for that.
func TestProcessDiesBeforeTheAnswerIsKept(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		books := func(ctx context.Context, _ *wire.Call) (string, error) {
			return "", database.Do(database.Unguarded(ctx), m.db, func(*database.Tx) error { return nil })
		}
		for name, end := range map[string]struct {
			work  func(context.Context, *wire.Call) (string, error)
			again string
		}{
			"acted":             {m.make, "idempotency.answer_lost"},
			"acted-then-failed": {m.then(fault.Busy), "idempotency.answer_lost"},
			"refused":           {instead(errTaken), ""},
			"counted-only":      {books, ""},
		} {
			m.work, m.store.dying = end.work, true
			first := m.post(name, rope)
			m.work, m.store.dying = m.make, false
			before := m.made()
			if a := m.post(name, rope); a.code != "idempotency.in_progress" || a.Header().Get("Retry-After") != "1" {
				t.Errorf("%s: %d, then %d %s", name, first.Code, a.Code, a.Body)
			}
			m.clock.Advance(time.Minute)
			a := m.post(name, rope)
			if a.code != end.again || end.again != "" && m.made() != before {
				t.Errorf("%s: %d, then %d %s", name, first.Code, a.Code, a.Body)
			}
		}
	})
}

// TestCallOfSeveralTransactions: one that dies after some of them is not done again.
func TestCallOfSeveralTransactions(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		m.store.dying = true
		m.work = func(ctx context.Context, c *wire.Call) (string, error) {
			for range 3 {
				if _, err := m.make(ctx, c); err != nil {
					return "", err
				}
			}
			return "", errDied
		}
		m.post("a", rope)
		m.store.dying = false
		m.clock.Advance(time.Minute)
		if a := m.post("a", rope); a.code != "idempotency.answer_lost" || m.made() != 3 {
			t.Errorf("%d %s, made %d", a.Code, a.Body, m.made())
		}
	})
}

// TestAnswerThatCannotBeKept is given all the same: the call is done.
func TestAnswerThatCannotBeKept(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		m.store.dying = true
		if a := m.post("a", rope); a.Code != 201 {
			t.Errorf("%d %s", a.Code, a.Body)
		}
	})
}

// TestCallThatLostItsClaim: a call that slept while another took its claim commits
// nothing, and is told that the other runs, whatever its handler makes of that.
func TestCallThatLostItsClaim(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		for _, name := range []string{"passed-on", "swallowed", "ignored"} {
			before := m.made()
			m.work = func(ctx context.Context, c *wire.Call) (string, error) {
				m.clock.Advance(time.Minute)
				m.work = m.make
				if a := m.post(name, rope); a.Code != 201 {
					t.Errorf("the second: %d %s", a.Code, a.Body)
				}
				_, err := m.make(ctx, c)
				switch name {
				case "swallowed":
					return "", errTaken
				case "ignored":
					return "done", nil
				}
				return "", err
			}
			a := m.post(name, rope)
			if a.code != "idempotency.in_progress" || a.Header().Get("Retry-After") != "1" || m.made() != before+1 {
				t.Errorf("%s: %d %s, made %d", name, a.Code, a.Body, m.made()-before)
			}
			if a := m.post(name, rope); a.Code != 201 || a.Header().Get("Idempotency-Replayed") != "true" {
				t.Errorf("%s, the repeat: %d %s", name, a.Code, a.Body)
			}
		}
	})
}

// TestCallsAreApart: one key does for calls of other people, to other paths, with other
// queries, and in other Environments.
func TestCallsAreApart(t *testing.T) {
	t.Parallel()
	eachMaker(t, func(m *maker) {
		for name, post := range map[string]func() answer{
			"the first":   func() answer { return m.post("a", rope) },
			"principal":   func() answer { return m.post("a", rope, "Authorization", "Bearer admin") },
			"path":        func() answer { return m.to("/others", "a", rope) },
			"query":       func() answer { return m.to("/things?dry=1", "a", rope) },
			"Environment": func() answer { return m.post("a", rope, "X-Canopy-Environment", "production") },
			"key":         func() answer { return m.post("A", rope) },
		} {
			first := post()
			if again := post(); first.Code != 201 || first.Header().Get("Idempotency-Replayed") != "" ||
				again.Header().Get("Idempotency-Replayed") != "true" || again.Body.String() != first.Body.String() {
				t.Errorf("%s: %d %s, then %d %s", name, first.Code, first.Body, again.Code, again.Body)
			}
		}
	})
}
