package outbound_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/outbound"
)

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// names is a resolver that gives the next answer at each question, and the last one for ever.
type names struct {
	asked   atomic.Int32
	answers [][]string
}

func (n *names) look(_ context.Context, host string) ([]netip.Addr, error) {
	if len(n.answers) == 0 {
		return nil, errors.New("no such name as " + host)
	}
	at := min(int(n.asked.Add(1))-1, len(n.answers)-1)
	var list []netip.Addr
	for _, a := range n.answers[at] {
		list = append(list, netip.MustParseAddr(a))
	}
	return list, nil
}

func receiver(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then it hears that the caller is gone
		h(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// secured is a receiver whose certificate, of example.com, the roots verify.
func secured(t *testing.T, h http.HandlerFunc) (s *httptest.Server, roots *x509.CertPool) {
	t.Helper()
	s = httptest.NewTLSServer(h)
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, roots
}

func ok(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }

func post(c *outbound.Client, t *testing.T, to string) outbound.Answer {
	t.Helper()
	return c.Post(t.Context(), to, http.Header{"X-Test": {"1"}}, []byte(`{}`))
}

func TestAddressesThatAreRefused(t *testing.T) {
	t.Parallel()
	c := outbound.New(outbound.Config{Lookup: (&names{}).look})
	for what, addresses := range map[string][]string{
		"this-network": {"0.0.0.0", "0.1.2.3"}, "loopback": {"127.0.0.1", "127.255.255.254", "::1"},
		"private": {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fc00::1", "fd12::1"},
		"cgnat":   {"100.64.0.1", "100.127.255.255"}, "link-local": {"169.254.1.1", "fe80::1"},
		"metadata": {"169.254.169.254", "fd00:ec2::254"}, "protocols": {"192.0.0.1", "192.0.0.192"},
		"benchmarks": {"198.18.0.1", "198.19.255.255"}, "unspecified": {"::"},
		"documentation": {"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"},
		"multicast":     {"224.0.0.1", "239.255.255.255", "ff02::1"}, "reserved": {"240.0.0.1"},
		"broadcast": {"255.255.255.255"}, "mapped": {"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"},
		"nat64": {"64:ff9b::7f00:1", "64:ff9b:1::a00:1"}, "6to4": {"2002:7f00:1::1", "2002:a00:1::"},
		"compatible": {"::127.0.0.1"}, "teredo": {"2001::1"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for _, a := range addresses {
				to := "https://" + net.JoinHostPort(a, "443") + "/"
				named := outbound.New(outbound.Config{Lookup: (&names{answers: [][]string{{a}}}).look})
				if c.Check(t.Context(), to) || named.Check(t.Context(), "https://hooks.example.com/") {
					t.Errorf("%s passes the check", a)
				}
				if got := post(c, t, to); got.Failure != outbound.Refused {
					t.Errorf("%s is dialled: %+v", a, got)
				}
				if got := post(named, t, "https://hooks.example.com/"); got.Failure != outbound.Refused {
					t.Errorf("a name of %s is dialled: %+v", a, got)
				}
			}
		})
	}
}

// TestNumbersAreNoHosts: some resolvers take them for addresses; ours is not even asked.
func TestNumbersAreNoHosts(t *testing.T) {
	t.Parallel()
	n := &names{answers: [][]string{{"93.184.215.14"}}}
	c := outbound.New(outbound.Config{Lookup: n.look})
	for _, host := range []string{
		"2130706433", "0177.0.0.1", "017700000001", "0x7f000001", "0x7f.0.0.1", "127.1", "127.0.1", "0x7F.1",
		"127.0.0.1.", "1.2.3.0x", "256.256.256.256",
	} {
		to := "https://" + host + "/"
		if c.Check(t.Context(), to) {
			t.Errorf("%s passes the check", host)
		}
		if got := post(c, t, to); got.Failure != outbound.Refused {
			t.Errorf("%s: %+v", host, got)
		}
	}
	if n.asked.Load() != 0 {
		t.Error("the resolver was asked for a number")
	}
}

func TestURLsThatMayBeCalled(t *testing.T) {
	t.Parallel()
	public := &names{answers: [][]string{{"93.184.215.14"}}}
	c := outbound.New(outbound.Config{Allowed: loopback, Lookup: public.look})
	nowhere := outbound.New(outbound.Config{Allowed: loopback, Lookup: (&names{}).look})
	for to, want := range map[string]bool{
		"https://hooks.example.com/x?y=z": true, "https://hooks.example.com:8443": true, "https://93.184.215.14/": true,
		"https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/": true, "https://127.0.0.1/": true, "http://127.0.0.1:80/": true,
		"http://hooks.example.com/": false, "http://93.184.215.14/": false, "http://10.0.0.1/": false,
		"ftp://hooks.example.com/": false, "https://a:b@hooks.example.com/": false, "https://hooks.example.com/#x": false,
		"https://hooks.example.com/#": false, "https:///x": false, "https:hooks.example.com": false, "": false,
		"//hooks.example.com/": false, "https://a@hooks.example.com/": false, "https://[fe80::1%25eth0]/": false,
	} {
		if got := c.Check(t.Context(), to); got != want {
			t.Errorf("%q: %v", to, got)
		}
	}
	if !nowhere.Check(t.Context(), "https://gone.example.com/") ||
		nowhere.Check(t.Context(), "http://gone.example.com/") {
		t.Error("a name that leads nowhere today")
	}
	both := outbound.New(outbound.Config{Lookup: (&names{answers: [][]string{{"93.184.215.14", "10.0.0.1"}}}).look})
	if both.Check(t.Context(), "https://hooks.example.com/") {
		t.Error("one of a name's addresses is private")
	}
}

// TestNameThatLeadsElsewhereAtTheDial: it was public when it was checked.
func TestNameThatLeadsElsewhereAtTheDial(t *testing.T) {
	t.Parallel()
	calls := atomic.Int32{}
	s := receiver(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n := &names{answers: [][]string{{"93.184.215.14"}, {"127.0.0.1"}}}
	c := outbound.New(outbound.Config{Lookup: n.look})
	to := "https://hooks.example.com:" + port + "/"
	if !c.Check(t.Context(), to) {
		t.Error("a public address is refused")
	}
	if got := post(c, t, to); got.Failure != outbound.Refused || got.Status != 0 || calls.Load() != 0 ||
		n.asked.Load() != 2 {
		t.Errorf("%+v after %d questions and %d calls", got, n.asked.Load(), calls.Load())
	}
}

// TestOpenedNetworks: http leads into them alone, under whatever name.
func TestOpenedNetworks(t *testing.T) {
	t.Parallel()
	s := receiver(t, ok)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n := &names{answers: [][]string{{"127.0.0.1"}}}
	c := outbound.New(outbound.Config{Allowed: loopback, Lookup: n.look})
	for _, to := range []string{s.URL, "http://inside.example.com:" + port, "http://[::ffff:127.0.0.1]:" + port} {
		if got := post(c, t, to); got.Status != 204 || !c.Check(t.Context(), to) {
			t.Errorf("%s: %+v", to, got)
		}
	}
	if got := post(outbound.New(outbound.Config{Lookup: n.look}), t, s.URL); got.Failure != outbound.Refused {
		t.Errorf("%+v", got)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/latest")
			w.WriteHeader(status)
		})
		got := post(outbound.New(outbound.Config{Allowed: loopback}), t, s.URL)
		if got.Status != status || got.Failure != "" {
			t.Errorf("%d: %+v", status, got)
		}
	}
}

//nolint:paralleltest // it sets variables of the environment
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	proxied := atomic.Int32{}
	proxy := receiver(t, func(http.ResponseWriter, *http.Request) { proxied.Add(1) })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy.URL)
	}
	n := &names{answers: [][]string{{"127.0.0.1"}}}
	s := receiver(t, ok)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	c := outbound.New(outbound.Config{Allowed: loopback, Lookup: n.look})
	if got := post(c, t, "http://inside.example.com:"+port); got.Status != 204 || proxied.Load() != 0 {
		t.Errorf("%+v, %d calls of the proxy", got, proxied.Load())
	}
}

func TestCertificatesAreVerified(t *testing.T) {
	t.Parallel()
	s, roots := secured(t, ok)
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	n := &names{answers: [][]string{{"127.0.0.1"}}}
	trusting := outbound.New(outbound.Config{Allowed: loopback, Lookup: n.look, Roots: roots})
	if got := post(trusting, t, "https://example.com:"+port); got.Status != 204 {
		t.Errorf("a good certificate: %+v", got)
	}
	if got := post(trusting, t, "https://another.test:"+port); got.Failure != outbound.TLS {
		t.Errorf("another name: %+v", got)
	}
	c := outbound.New(outbound.Config{Allowed: loopback, Lookup: n.look})
	if got := post(c, t, "https://example.com:"+port); got.Failure != outbound.TLS {
		t.Errorf("nobody vouches for it: %+v", got)
	}
	plain := receiver(t, ok)
	_, port, _ = net.SplitHostPort(plain.Listener.Addr().String())
	if got := post(trusting, t, "https://example.com:"+port); got.Failure != outbound.TLS {
		t.Errorf("no TLS: %+v", got)
	}
}

func TestBoundsOfAnAnswer(t *testing.T) {
	t.Parallel()
	quick := outbound.Config{Allowed: loopback, Headers: 200 * time.Millisecond, Body: 200 * time.Millisecond}
	drip := func(w http.ResponseWriter, r *http.Request, piece string) {
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, piece); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	}
	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		client outbound.Config
		want   string
	}{
		"hangs": {hangs, quick, "0 timeout 0"},
		"hangs after the headers": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			hangs(w, r)
		}, quick, "200  0"},
		"resets": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}, outbound.Config{Allowed: loopback}, "0 connect 0"},
		"sends without end": {func(w http.ResponseWriter, r *http.Request) {
			drip(w, r, strings.Repeat("x", 1<<20))
		}, outbound.Config{Allowed: loopback}, "200  65536"},
		"large headers": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Large", strings.Repeat("x", 64<<10))
		}, outbound.Config{Allowed: loopback}, "0 connect 0"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			t.Parallel()
			got := post(outbound.New(c.client), t, receiver(t, c.answer).URL)
			if s := fmt.Sprint(got.Status, " ", got.Failure, " ", len(got.Body)); s != c.want {
				t.Errorf("%s, want %s", s, c.want)
			}
		})
	}
	nowhere := outbound.New(outbound.Config{Lookup: (&names{}).look})
	if got := post(nowhere, t, "https://gone.example.com/"); got.Failure != outbound.DNS {
		t.Errorf("a name that leads nowhere: %+v", got)
	}
}

// TestConnectionsAreKept: what is small is read to its end.
func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	came := map[string]bool{}
	s := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		came[r.RemoteAddr] = true
		if r.Header.Get("Idempotency-Key") != "" || r.Header.Get("X-Test") != "1" {
			t.Error(r.Header)
		}
		w.Header().Set("Retry-After", "7")
		_, _ = w.Write(make([]byte, 64<<10))
	})
	c := outbound.New(outbound.Config{Allowed: loopback})
	for range 3 {
		if got := post(c, t, s.URL); len(got.Body) != 64<<10 || got.RetryAfter != "7" {
			t.Errorf("%d bytes, %+v", len(got.Body), got.Failure)
		}
	}
	if len(came) != 1 {
		t.Errorf("%d connections", len(came))
	}
}
