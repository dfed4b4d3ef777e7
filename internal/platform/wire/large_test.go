package wire_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// crowd takes rows of people from users.
type crowd struct{ rt *wire.Router }

func newCrowd() *crowd {
	c := &crowd{newRouter(nil)}
	wire.Handle(c.rt.Users("/crowd", thingTag), wire.Route{
		Method: http.MethodPost, ID: "createCrowd", Summary: "Create many", About: "Makes many.",
		Body: wire.BodyRows, Status: http.StatusOK, Also: []int{http.StatusMultiStatus},
	}, func(_ context.Context, call *wire.Call, _ principal.User, in people) (wire.Bulk[string], error) {
		first := in.People[:min(len(in.People), 200)]
		return wire.EachRow(call, first, func(p person) (string, error) { return p.Email, nil })
	})
	return c
}

func (c *crowd) post(t *testing.T, body string) answer {
	t.Helper()
	return ask(t, c.rt, http.MethodPost, "/crowd", body, "Authorization", "Bearer owner")
}

// swelling are bodies just below the limit of 8 MiB that grow when they are read.
func swelling() map[string]string {
	wide := func(n int, piece string) string { return strings.TrimSuffix(strings.Repeat(piece, n), ",") }
	return map[string]string{
		"empty rows":     `{"people":[` + wide(2_500_000, "{},") + `]}`,
		"empty lists":    `{"people":[` + wide(2_500_000, "[],") + `]}`,
		"numbers":        `{"people":[` + wide(4_000_000, "1,") + `]}`,
		"unknown fields": `{"people":[{` + wide(900_000, `"abc":1,`) + `}]}`,
		"deep":           `{"people":` + strings.Repeat("[", 4_000_000) + strings.Repeat("]", 4_000_000) + `}`,
		"one text":       `{"people":[{"email":"` + strings.Repeat("a\u0300", 2_600_000) + `"}]}`,
		"one name":       `{"people":[{"` + strings.Repeat("n", 8_000_000) + `":1}]}`,
		"escapes":        `{"people":[{"email":"` + strings.Repeat(`\u0061`, 1_300_000) + `"}]}`,
		"long texts":     `{"people":[` + wide(120, `{"email":"`+strings.Repeat("a\u0300", 20_000)+`"},`) + `]}`,
	}
}

// TestMemoryOfALargeBody: whatever a body holds, it takes a small multiple of its limit. It
// runs by itself, for it counts what the whole process allocates.
//
//nolint:paralleltest // see above
func TestMemoryOfALargeBody(t *testing.T) {
	c := newCrowd()
	const limit = int64(wire.BodyRows)
	for what, body := range swelling() {
		if int64(len(body)) > limit {
			t.Fatalf("%s: %d bytes", what, len(body))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		a := c.post(t, body)
		runtime.ReadMemStats(&after)
		took := int64(after.TotalAlloc - before.TotalAlloc)
		if took > 20*limit {
			t.Errorf("%s: %d, and %d MB allocated", what, a.Code, took>>20)
		}
		if what != "long texts" && (a.Code != 400 || a.code != "validation") {
			t.Errorf("%s: %d %.200s", what, a.Code, a.Body)
		}
	}
}

func TestWhatABodyMayHold(t *testing.T) {
	t.Parallel()
	c := newCrowd()
	rows := func(n int) string { return `{"people":[` + strings.TrimSuffix(strings.Repeat("{},", n), ",") + `]}` }
	for _, b := range []struct{ body, problem string }{
		{rows(24_000), ""},
		{rows(26_000), "body must not hold more than 50000 values"},
		{`{"people":[{"email":"` + strings.Repeat("a", 65_000) + `"}]}`, ""},
		{
			`{"people":[{"email":"` + strings.Repeat("a", 66_000) + `"}]}`,
			"body must not hold a text of more than 64 KiB",
		},
		{`{"people":[{"x":` + strings.Repeat("[", 61) + strings.Repeat("]", 61) + `}]}`, ""},
		{
			`{"people":[{"x":` + strings.Repeat("[", 62) + strings.Repeat("]", 62) + `}]}`,
			"body must not be deeper than 64 levels",
		},
	} {
		a := c.post(t, b.body)
		if b.problem == "" && a.Code == 400 || b.problem != "" && !strings.Contains(a.Body.String(), b.problem) {
			t.Errorf("%.40s…: %d %.300s, want %q", b.body, a.Code, a.Body, b.problem)
		}
	}
}

// held is a body that says when it is wanted, and comes once it may.
type held struct {
	wanted chan<- struct{}
	may    <-chan struct{}
	rest   io.Reader
}

func (s *held) Read(p []byte) (int, error) {
	select {
	case s.wanted <- struct{}{}:
	case <-s.may:
	}
	<-s.may
	return s.rest.Read(p)
}

// TestLargeBodiesOfOneCallerWait: a caller sends four at once, and while they come
// others, and small bodies, are served.
func TestLargeBodiesOfOneCallerWait(t *testing.T) {
	t.Parallel()
	c := newCrowd()
	large := `{"people":[{"email":"x"}` + strings.Repeat(" ", 100_000) + `]}`
	wanted, may, done := make(chan struct{}), make(chan struct{}), make(chan int, 10)
	send := func(token string, body io.Reader) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://canopy.test/crowd", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		c.rt.ServeHTTP(w, r)
		done <- w.Code
	}
	for range 4 {
		go send("owner", &held{wanted, may, strings.NewReader(large)})
		<-wanted
	}
	go send("owner", strings.NewReader(large))
	if a := c.post(t, `{"people":[{"email":"x"}]}`); a.Code != 207 {
		t.Errorf("a small body: %d %s", a.Code, a.Body)
	}
	go send("admin", strings.NewReader(large))
	if code := <-done; code != 207 {
		t.Errorf("another caller: %d", code)
	}
	select {
	case code := <-done:
		t.Errorf("a fifth is served: %d", code)
	case <-time.After(50 * time.Millisecond):
	}
	close(may)
	for range 5 {
		if code := <-done; code != 207 {
			t.Errorf("after the wait: %d", code)
		}
	}
}

// TestPackedBodiesAreRefused: nothing here unpacks one, so it would be read as something
// else than was meant.
func TestPackedBodiesAreRefused(t *testing.T) {
	t.Parallel()
	c := newCrowd()
	for encoding, want := range map[string]int{"gzip": 415, "br": 415, "identity": 207, "": 207} {
		a := ask(t, c.rt, http.MethodPost, "/crowd", `{"people":[{"email":"x"}]}`,
			"Authorization", "Bearer owner", "Content-Encoding", encoding)
		if a.Code != want {
			t.Errorf("%q: %d %s", encoding, a.Code, a.Body)
		}
	}
}

// TestLargeRowsAreNotToldAgain: what failed is told by its number alone, so that no answer
// fills what keeps it for repeats.
func TestLargeRowsAreNotToldAgain(t *testing.T) {
	t.Parallel()
	c := newCrowd()
	long := strings.Repeat("x", 5_000)
	a := c.post(t, `{"people":[{"email":"`+long+`"},["`+long+`"],{"email":"small"}]}`)
	if a.Code != 207 || strings.Contains(a.Body.String(), long) || !strings.Contains(a.Body.String(), `"email":"small"`) {
		t.Errorf("%d %.300s", a.Code, a.Body)
	}
}
