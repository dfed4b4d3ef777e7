package wire_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// echo answers the caller's address and network.
func echo(rt *wire.Router) {
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/v1/auth/ip", ID: "ip", Summary: "IP", About: "Says it.", Status: http.StatusOK,
	}, func(_ context.Context, _ *wire.Call, by principal.Actor, _ wire.None) (wire.Data[string], error) {
		return wire.Of(by.Request.IP+" "+by.Request.Network, nil)
	})
}

// TestClientIP: X-Forwarded-For counts from trusted proxies only, from the right;
// an IPv6 address counts as its /64.
func TestClientIP(t *testing.T) {
	t.Parallel()
	rt := newRouter(func(c *wire.Config) { c.Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	echo(rt)
	for _, c := range []struct{ peer, forwarded, want string }{
		{"203.0.113.9:1", "", "203.0.113.9 203.0.113.9"},
		{"203.0.113.9:1", "198.51.100.7", "203.0.113.9 203.0.113.9"},
		{"192.0.2.1:1", "198.51.100.7", "198.51.100.7 198.51.100.7"},
		{"192.0.2.1:1", "198.51.100.7, 192.0.2.44", "198.51.100.7 198.51.100.7"},
		{"192.0.2.1:1", "10.0.0.1, 198.51.100.7", "198.51.100.7 198.51.100.7"},
		{"192.0.2.1:1", "junk", "192.0.2.1 192.0.2.1"},
		{"192.0.2.1:1", "::ffff:198.51.100.7", "198.51.100.7 198.51.100.7"},
		{"192.0.2.1:1", "198.51.100.7:4711", "198.51.100.7 198.51.100.7"},
		{"192.0.2.1:1", "[2001:db8::7]:4711", "2001:db8::7 2001:db8::/64"},
		{"192.0.2.1:1", "[2001:db8::7]", "2001:db8::7 2001:db8::/64"},
		{"192.0.2.1:1", "fe80::7%eth0", "fe80::7 fe80::/64"},
		{"[2001:db8:0:1:2:3:4:5]:1", "", "2001:db8:0:1:2:3:4:5 2001:db8:0:1::/64"},
		{"[fe80::1%eth0]:1", "", "fe80::1 fe80::/64"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "https://canopy.test/v1/auth/ip", nil)
		r.RemoteAddr = c.peer
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		if w.Body.String() != `{"data":"`+c.want+`"}` {
			t.Errorf("%s through %q is %s, want %s", c.peer, c.forwarded, w.Body, c.want)
		}
	}
}

// TestForeignHostIsMisdirected: a name that is not ours gets nothing, whatever it
// resolves to.
func TestForeignHostIsMisdirected(t *testing.T) {
	t.Parallel()
	rt := newRouter(func(c *wire.Config) { c.Hosts = []string{"canopy.internal"} })
	echo(rt)
	rt.Mount("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
	}))
	for host, want := range map[string]int{
		"canopy.test": 200, "CANOPY.test:8443": 200, "canopy.test.": 200, "canopy.internal": 200,
		"localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200, "10.1.2.3": 200,
		"evil.test": 421, "canopy.test.evil.test": 421, "": 421, "127.0.0.1.nip.test": 421, "localhost.evil.test": 421,
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/auth/ip", nil)
		r.Host = host
		r.Header.Set("X-Forwarded-Host", "canopy.test")
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		if w.Code != want || want == 421 && !strings.Contains(w.Body.String(), `"code":null`) {
			t.Errorf("%q: %d %s, want %d", host, w.Code, w.Body, want)
		}
		r.URL.Path = "/healthz"
		w = httptest.NewRecorder()
		if rt.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%q asks /healthz: %d", host, w.Code)
		}
	}
}

// TestCORS: an allowed origin may send and read what the contract names, with
// cookies only where sessions are renewed; another one gets nothing.
func TestCORS(t *testing.T) {
	t.Parallel()
	rt := newRouter(func(c *wire.Config) { c.Origins = []string{"https://app.test"} })
	echo(rt)
	ask := func(method, path, origin string) http.Header {
		r := httptest.NewRequestWithContext(t.Context(), method, "https://canopy.test"+path, nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		return w.Header()
	}
	h := ask(http.MethodOptions, "/v1/auth/ip", "https://app.test")
	for name, pieces := range map[string][]string{
		"Access-Control-Allow-Origin":      {"https://app.test"},
		"Access-Control-Allow-Credentials": {"true"},
		"Access-Control-Allow-Headers":     {"X-API-Key", "X-Canopy-Environment", "Idempotency-Key", "If-Match"},
		"Access-Control-Expose-Headers": {
			"ETag", "Retry-After", "X-Request-Id", "RateLimit-Limit", "Idempotency-Replayed",
		},
		"Vary": {"Origin"},
	} {
		for _, piece := range pieces {
			if !strings.Contains(h.Get(name), piece) {
				t.Errorf("%s is %q, without %s", name, h.Get(name), piece)
			}
		}
	}
	if h := ask(http.MethodGet, "/api/v1/nodes", "https://app.test"); h.Get("Access-Control-Allow-Credentials") != "" {
		t.Error("cookies may go everywhere")
	}
	if h := ask(http.MethodOptions, "/v1/auth/ip", "https://evil.test"); h.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a foreign origin is let in: %v", h)
	}
}

// TestCredentialHeader: the scheme in any case, and every 401 names it.
func TestCredentialHeader(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	wire.Handle(rt.Users("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/me", ID: "me", Summary: "Me", About: "Says it.", Status: http.StatusNoContent,
	}, func(context.Context, *wire.Call, principal.User, wire.None) (wire.Empty, error) {
		return wire.Empty{}, nil
	})
	for header, want := range map[string]int{
		"Bearer owner": 204, "bearer owner": 204, "BEARER owner": 204, "Bearer  owner": 204,
		"Basic owner": 401, "Bearerowner": 401, "owner": 401, "Bearer": 401, "Bearer ": 401, "": 401,
	} {
		a := ask(t, rt, http.MethodGet, "/me", "", "Authorization", header)
		if a.Code != want || want == 401 && a.Header().Get("WWW-Authenticate") != "Bearer" {
			t.Errorf("%q: %d %v, want %d", header, a.Code, a.Header(), want)
		}
	}
}

// TestTwoCookiesCountAsNone: one of them is planted, and nothing tells which, so
// neither is cleared.
func TestTwoCookiesCountAsNone(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodPost, Path: "/cookie", ID: "cookie", Summary: "Cookie", About: "Says it.",
		Cookie: thingCookie, Status: http.StatusOK,
	}, func(_ context.Context, c *wire.Call, _ principal.Actor, _ wire.None) (wire.Data[string], error) {
		c.ClearCookie()
		return wire.Of(c.Cookie(), nil)
	})
	one := ask(t, rt, http.MethodPost, "/cookie", "", "Cookie", "thing=a; other=x")
	two := ask(t, rt, http.MethodPost, "/cookie", "", "Cookie", "thing=a; thing=b")
	if one.Body.String() != `{"data":"a"}` || one.Header().Get("Set-Cookie") == "" {
		t.Errorf("one: %s %v", one.Body, one.Header())
	}
	if two.Body.String() != `{"data":""}` || two.Header().Get("Set-Cookie") != "" {
		t.Errorf("two: %s %v", two.Body, two.Header())
	}
}

// TestNUL: no text from outside holds U+0000.
func TestNUL(t *testing.T) {
	t.Parallel()
	rt := peopleRouter()
	text := wire.QueryText("q", "Anything.", 10, "x")
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/search", ID: "search", Summary: "Search", About: "Says it.",
		Params: []wire.Parameter{text}, Status: http.StatusOK,
	}, func(_ context.Context, c *wire.Call, _ principal.Actor, _ wire.None) (wire.Data[string], error) {
		return wire.Of(text.Of(c), nil)
	})
	for _, body := range []string{
		`{"email":"a\u0000@b.test","password":"Correct-Horse-7"}`, `{"em\u0000ail":"a@b.test"}`, `{"x":["\u0000"]}`,
	} {
		if a := ask(t, rt, http.MethodPost, "/people", body); a.Code != 400 || a.code != "validation" {
			t.Errorf("%s: %d %s", body, a.Code, a.Body)
		}
	}
	for _, query := range []string{"%00", "a%00b", "%ff", "%ed%a0%80"} {
		if a := ask(t, rt, http.MethodGet, "/search?q="+query, ""); a.Code != 400 || a.code != "validation" {
			t.Errorf("%s: %d %s", query, a.Code, a.Body)
		}
	}
	if a := ask(t, rt, http.MethodGet, `/search?q=%5Cu0000`, ""); a.Code != 200 {
		t.Errorf("the letters of an escape: %d %s", a.Code, a.Body)
	}
}

// TestManyProblemsAreCut: a body full of strange names is answered with fifty of
// them, and each name is cut, so that no answer is larger than its request.
func TestManyProblemsAreCut(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"x":1`)
	for n := range 2000 {
		b.WriteString(`,"` + strings.Repeat("a", n%3) + string(rune('a'+n%26)) + strings.Repeat("b", n/26) + `":1`)
		if b.Len() > 15<<10 {
			break
		}
	}
	b.WriteString(`}`)
	a := ask(t, peopleRouter(), http.MethodPost, "/people", b.String())
	if n := strings.Count(a.Body.String(), "is not allowed"); a.Code != 400 || n > 50 || a.Body.Len() > b.Len() {
		t.Errorf("%d, %d problems, %d bytes for %d", a.Code, n, a.Body.Len(), b.Len())
	}
	long := ask(t, peopleRouter(), http.MethodPost, "/people", `{"`+strings.Repeat("a", 15<<10)+`":1}`)
	if long.Code != 400 || long.Body.Len() > 1000 {
		t.Errorf("a long name: %d, %d bytes", long.Code, long.Body.Len())
	}
}

// TestStreamThatPanicsIsCut, as one that fails is: no client takes a part for the
// whole.
func TestStreamThatPanicsIsCut(t *testing.T) {
	t.Parallel()
	rt := newRouter(nil)
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: http.MethodGet, Path: "/bad", ID: "x", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.Streamed[wire.None], error) {
		return wire.Streamed[wire.None]{Write: func(_ context.Context, w *wire.StreamWriter) error {
			_, _ = io.WriteString(w, strings.Repeat(" ", 2<<20)+`{"items":[`)
			panic("a row that can't be")
		}}, nil
	})
	s := httptest.NewServer(rt)
	defer s.Close()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/bad", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Client().Do(req)
	if err != nil {
		return // cut before anything was read
	}
	defer res.Body.Close()
	if raw, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%q came as if it were whole", raw)
	}
}
