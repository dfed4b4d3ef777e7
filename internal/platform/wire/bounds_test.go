package wire_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
)

// hostile are bodies of about n bytes that cost the most to read or to refuse.
func hostile(n int) map[string]string {
	fill := func(begin, piece, end string) string {
		var b strings.Builder
		b.WriteString(begin)
		for i := 0; b.Len()+len(piece)+len(end)+10 < n; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.ReplaceAll(piece, "#", strconv.Itoa(i)))
		}
		return b.String() + end
	}
	deep := (n - 20) / 2
	return map[string]string{
		"unknown members":          fill(`{`, `"#":1`, `}`),
		"members that are no text": fill(`{`, `"#\u0000":1`, `}`),
		"texts that are none":      fill(`{`, `"#":"\u0000"`, `}`),
		"one long name":            `{"` + strings.Repeat("a", n-20) + `":1}`,
		"one long text":            `{"email":"` + strings.Repeat("a", n-20) + `"}`,
		"one long password":        `{"password":"` + strings.Repeat("é", (n-20)/2) + `"}`,
		"many lists":               fill(`{"email":[`, `[]`, `]}`),
		"many objects":             fill(`{"email":[`, `{}`, `]}`),
		"deep lists":               `{"email":` + strings.Repeat("[", deep) + strings.Repeat("]", deep) + `}`,
		"many numbers":             fill(`{"age":[`, `1`, `]}`),
		"no end":                   `{"email":"` + strings.Repeat("a", n-20),
		"blanks":                   `{` + strings.Repeat(" ", n-20) + `}`,
	}
}

// TestMemoryOfABody: what one request costs, counting what is free again, is a small
// multiple of how large its body may be, and its answer is short. Nothing runs beside this test, since memory
// is the whole process's.
//
//nolint:paralleltest // see above
func TestMemoryOfABody(t *testing.T) {
	rt := peopleRouter()
	wire.Handle(rt.Users("/known", thingTag), wire.Route{
		Method: http.MethodPost, ID: "known", Summary: "Create", About: "Makes one.", Status: http.StatusCreated,
	}, func(_ context.Context, _ *wire.Call, _ principal.User, in person) (wire.Data[string], error) {
		return wire.Of(in.Email, nil)
	})
	for path, limit := range map[string]int{"/people": int(wire.BodyAnonymous), "/known": 1 << 20} {
		for what, body := range hostile(limit) {
			const rounds = 5
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var a answer
			for range rounds {
				a = ask(t, rt, http.MethodPost, path, body, "Authorization", "Bearer owner")
			}
			runtime.ReadMemStats(&after)
			times := float64(after.TotalAlloc-before.TotalAlloc) / rounds / float64(limit)
			if a.Code != 400 || a.Body.Len() > 16<<10 || times > 64 {
				t.Errorf("%s, %s: %d with %d bytes, memory of %.0f times the limit", path, what, a.Code, a.Body.Len(), times)
			}
		}
	}
}

// watched is a body that tells whether it was read.
type watched struct {
	io.Reader
	read int
}

func (w *watched) Read(b []byte) (int, error) {
	n, err := w.Reader.Read(b)
	w.read += n
	return n, err
}

// TestNoBodyIsReadWithoutACredential: not a byte of it, however long it is.
func TestNoBodyIsReadWithoutACredential(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	wire.Handle(rt.Users("", thingTag), wire.Route{
		Method: http.MethodPost, Path: "/things", ID: "x", Summary: "X", About: "X.", Status: http.StatusNoContent,
		Body: 8 << 20,
	}, func(context.Context, *wire.Call, principal.User, thing) (wire.Empty, error) { return wire.Empty{}, nil })
	for token, want := range map[string]int{"": 401, "Bearer x": 401, "Bearer machine": 403, "Bearer owner": 413} {
		body := &watched{Reader: io.LimitReader(blanks{}, 1<<40)}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://canopy.test/things", body)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		if w.Code != want || want != 413 && body.read > 0 || body.read > 9<<20 {
			t.Errorf("%q: %d after %d bytes", token, w.Code, body.read)
		}
	}
}

type blanks struct{}

func (blanks) Read(b []byte) (int, error) { return copy(b, bytes.Repeat([]byte(" "), len(b))), nil }

// slow is a connection that tells what deadlines it was given.
type slow struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
	pieces    []int
}

func (s *slow) SetWriteDeadline(at time.Time) error {
	s.deadlines = append(s.deadlines, at)
	return nil
}

func (s *slow) Write(b []byte) (int, error) {
	s.pieces = append(s.pieces, len(b))
	return s.ResponseRecorder.Write(b)
}

// TestAClientThatDoesNotReadIsLeft: each piece of an answer has a minute, be it a body, a
// stream or a page.
func TestAClientThatDoesNotReadIsLeft(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	large := strings.Repeat("x", 2<<20)
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/body", ID: "x", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.Data[string], error) {
		return wire.Of(large, nil)
	})
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/stream", ID: "y", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.Streamed[wire.None], error) {
		return wire.Streamed[wire.None]{Write: func(_ context.Context, w *wire.StreamWriter) error {
			_, err := io.WriteString(w, large)
			return err
		}}, nil
	})
	rt.Mount("GET /page", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, large)
	}))
	for _, path := range []string{"/body", "/stream", "/page", "/none"} {
		began := time.Now()
		w := &slow{ResponseRecorder: httptest.NewRecorder()}
		rt.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://canopy.test"+path, nil))
		if len(w.pieces) == 0 || len(w.deadlines) != len(w.pieces) {
			t.Errorf("%s: %d pieces and %d deadlines", path, len(w.pieces), len(w.deadlines))
		}
		for i, at := range w.deadlines {
			if wait := at.Sub(began); wait < 0 || wait > 2*time.Minute || w.pieces[i] > 64<<10 {
				t.Errorf("%s: %d bytes have %s", path, w.pieces[i], wait)
			}
		}
	}
}

// TestWhoHangsUpIsNoFailureOfOurs: the log and the metrics tell 499, and 503 where nobody
// has.
func TestWhoHangsUpIsNoFailureOfOurs(t *testing.T) {
	t.Parallel()
	for _, hangsUp := range []bool{true, false} {
		var log bytes.Buffer
		var observed int
		rt := newRouter(func(c *wire.Config) {
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
			c.Observe = func(_ string, status int, _ time.Duration) { observed = status }
		})
		ctx, hangUp := context.WithCancel(t.Context())
		t.Cleanup(hangUp)
		wire.Handle(rt.Public("", thingTag), wire.Route{
			Method: http.MethodGet, Path: "/x", ID: "x", Summary: "X", About: "X.", Status: http.StatusOK,
		}, func(ctx context.Context, _ *wire.Call, _ principal.Actor, _ wire.None) (wire.Data[string], error) {
			if hangsUp {
				hangUp()
				return wire.Of("", ctx.Err())
			}
			return wire.Of("", errors.Join(database.ErrSlow))
		})
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "https://canopy.test/x", nil)
		rt.ServeHTTP(httptest.NewRecorder(), r)
		want := map[bool]int{true: 499, false: 503}[hangsUp]
		if observed != want || !strings.Contains(log.String(), fmt.Sprint("status=", want)) ||
			strings.Contains(log.String(), "level=ERROR") && hangsUp {
			t.Errorf("hangs up %v: %d, %s", hangsUp, observed, log.String())
		}
	}
}

// TestOriginsOfTheCookieEndpoints: from a page of another origin, or of one that is only
// like ours, no cookie is taken.
func TestOriginsOfTheCookieEndpoints(t *testing.T) {
	t.Parallel()
	rt := newRouter(func(c *wire.Config) { c.Origins = []string{"https://app.test"} })
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodPost, Path: "/cookie", ID: "cookie", Summary: "Cookie", About: "Says it.",
		Cookie: thingCookie, Status: http.StatusNoContent,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.Empty, error) {
		return wire.Empty{}, nil
	})
	for origin, want := range map[string]int{
		"": 204, "https://canopy.test": 204, "https://app.test": 204,
		"null": 403, "*": 403, "https://evil.test": 403, "http://canopy.test": 403, "https://canopy.test:8443": 403,
		"https://canopy.test.evil.test": 403, "https://evil.test/https://canopy.test": 403, "https://canopy.test/": 403,
		"https://canopy.test@evil.test": 403, "HTTPS://evil.test": 403, "https://sub.canopy.test": 403, "file://": 403,
		"https://canopy.test, https://evil.test": 403, "https://evil.test https://canopy.test": 403, "canopy.test": 403,
	} {
		a := ask(t, rt, http.MethodPost, "/cookie", "", "Origin", origin, "Referer", "https://canopy.test/")
		if a.Code != want {
			t.Errorf("%q: %d %s", origin, a.Code, a.Body)
		}
	}
}
