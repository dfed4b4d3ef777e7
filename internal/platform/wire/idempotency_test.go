package wire_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/idempotency"
	"canopy.dev/canopy/internal/platform/wire"
)

// forgetful loses the answers that it is to keep.
type forgetful struct {
	wire.Idempotency
	loses bool
}

func (f *forgetful) Finish(ctx context.Context, scope, key string, k wire.Kept) error {
	if f.loses {
		return errors.New("the disk is full")
	}
	return f.Idempotency.Finish(ctx, scope, key, k)
}

type counted struct {
	rt    *wire.Router
	store *forgetful
	calls int
	fails error
}

func newCounted(t *testing.T, db *database.DB) *counted {
	t.Helper()
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	c := &counted{store: &forgetful{Idempotency: &idempotency.Store{DB: db, Box: box}}}
	c.rt = newRouter(func(conf *wire.Config) { conf.Idempotency = c.store })
	wire.Handle(c.rt.Users("/things", thingTag), wire.Route{
		Method: http.MethodPost, ID: "createThing", Summary: "Create", About: "Makes one.", Idempotent: true,
		Status: http.StatusCreated, Faults: []*fault.Error{errTaken},
	}, func(_ context.Context, _ *wire.Call, _ principal.User, _ thing) (wire.Data[int], error) {
		c.calls++
		return wire.Of(c.calls, c.fails)
	})
	return c
}

func (c *counted) post(t *testing.T, key, body string) answer {
	t.Helper()
	return ask(t, c.rt, http.MethodPost, "/things", body, "Authorization", "Bearer owner", "Idempotency-Key", key)
}

// TestRepeatsActOnce: the second of two equal calls gets the answer of the first,
// be it a success or a refusal; answers that may change are not kept.
func TestRepeatsActOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		c := newCounted(t, db)
		first, again := c.post(t, "a", `{"name":"x"}`), c.post(t, "a", `{"name":"x"}`)
		if first.Code != 201 || again.Code != 201 || first.Body.String() != again.Body.String() || c.calls != 1 ||
			first.Header().Get("Idempotency-Replayed") != "" || again.Header().Get("Idempotency-Replayed") != "true" {
			t.Errorf("%d %s, then %d %s, after %d calls", first.Code, first.Body, again.Code, again.Body, c.calls)
		}
		if a := c.post(t, "a", `{"name":"y"}`); a.code != "idempotency.key_reused" {
			t.Errorf("another body: %d %s", a.Code, a.Body)
		}
		c.fails = errTaken
		first, again = c.post(t, "b", `{"name":"x"}`), c.post(t, "b", `{"name":"x"}`)
		if first.code != "people.taken" || again.code != "people.taken" || c.calls != 2 {
			t.Errorf("a refusal: %s, then %s, after %d calls", first.Body, again.Body, c.calls)
		}
		c.fails = fault.Busy
		if a := c.post(t, "c", `{"name":"x"}`); a.code != "server.busy" {
			t.Errorf("busy: %d %s", a.Code, a.Body)
		}
		c.fails = nil
		if a := c.post(t, "c", `{"name":"x"}`); a.Code != 201 {
			t.Errorf("after busy: %d %s", a.Code, a.Body)
		}
		for _, key := range []string{"with space", "é", string(make([]byte, 256))} {
			if a := c.post(t, key, `{"name":"x"}`); a.code != "validation" {
				t.Errorf("the key %q: %d %s", key, a.Code, a.Body)
			}
		}
	})
}

// TestAnswerThatCannotBeKept fails the call, and its repeat does not act again.
func TestAnswerThatCannotBeKept(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		c := newCounted(t, db)
		c.store.loses = true
		if a := c.post(t, "a", `{"name":"x"}`); a.code != "server.internal" {
			t.Errorf("%d %s", a.Code, a.Body)
		}
		c.store.loses = false
		if a := c.post(t, "a", `{"name":"x"}`); a.code != "idempotency.in_progress" || c.calls != 1 {
			t.Errorf("the repeat: %d %s, after %d calls", a.Code, a.Body, c.calls)
		}
	})
}
