package wire_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// TestLargeBodiesOnTheShortWay: a caller sends so many at once there, and one more goes the
// ordinary way; small ones, and those of others, pass.
func TestLargeBodiesOnTheShortWay(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	const most = 32
	one, other := id.New[id.ID](time.Now()), id.New[id.ID](time.Now())
	rt.Express("/hurry", "", 1<<20, func(_ context.Context, x *wire.Express) bool {
		caller := one
		if x.Key == "other" {
			caller = other
		}
		body, is := x.Body(caller)
		x.Out = append(x.Out, strings.TrimSpace(body)...)
		return is
	})
	wire.Handle(rt.Users("", thingTag), wire.Route{
		Method: http.MethodPost, Path: "/hurry", ID: "hurry", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.User, thing) (wire.Data[thing], error) {
		return wire.Data[thing]{}, nil
	})
	large := `{"name":"x"}` + strings.Repeat(" ", 100_000)
	wanted, may, done := make(chan struct{}), make(chan struct{}), make(chan int, most)
	send := func(key string, length int, body io.Reader) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://canopy.test/hurry", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-API-Key", key)
		r.ContentLength = int64(length)
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		done <- w.Code
	}
	now := func(key, body string) int {
		send(key, len(body), strings.NewReader(body))
		return <-done
	}
	for range most {
		go send("one", len(large), &held{wanted, may, strings.NewReader(large)})
		<-wanted
	}
	const ordinary = 401 // where a key is none of a user
	for what, c := range map[string]struct {
		key, body string
		want      int
	}{
		"one more":    {"one", large, ordinary},
		"a small one": {"one", `{"name":"x"}`, 200},
		"another's":   {"other", large, 200},
	} {
		if got := now(c.key, c.body); got != c.want {
			t.Errorf("%s: %d", what, got)
		}
	}
	close(may)
	for range most {
		if code := <-done; code != 200 {
			t.Errorf("those many: %d", code)
		}
	}
	if got := now("one", large); got != 200 {
		t.Errorf("afterwards: %d", got)
	}
}
