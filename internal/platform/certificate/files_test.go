package certificate_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/certificate"
)

const host = "canopy.example.com"

// pair makes a certificate, and its key, PEM. It is good for two days.
func pair(t *testing.T, serial int64, ends time.Time) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), DNSNames: []string{host},
		NotBefore: ends.Add(-48 * time.Hour), NotAfter: ends, BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// files are a pair on the disk, a clock that is turned by hand, and what was logged.
type files struct {
	t         *testing.T
	cert, key string

	mu   sync.Mutex
	now  time.Time
	said bytes.Buffer
}

func newFiles(t *testing.T) *files {
	t.Helper()
	dir := t.TempDir()
	f := &files{t: t, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), now: time.Now()}
	f.write(pair(t, 1, f.now.Add(24*time.Hour)))
	return f
}

func (f *files) write(cert, key []byte) {
	f.t.Helper()
	for path, raw := range map[string][]byte{f.cert: cert, f.key: key} {
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
}

// Write keeps what is logged.
func (f *files) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.said.Write(b)
}

func (f *files) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *files) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *files) open() (*certificate.Files, error) {
	return certificate.Open(f.cert, f.key, slog.New(slog.NewTextHandler(f, nil)), f.clock)
}

// shown is the serial number of the certificate that a new client is shown.
func shown(t *testing.T, address string) int64 {
	t.Helper()
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// TestCertificateChangesWhileConnectionsGoOn, and one that is no good changes nothing.
func TestCertificateChangesWhileConnectionsGoOn(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	source, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &http.Server{
		ReadHeaderTimeout: time.Minute, TLSConfig: source.Config(), ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Proto+" "+r.RemoteAddr)
		}),
	}
	go func() { _ = h.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { h.Close() })
	roots := x509.NewCertPool()
	roots.AddCert(leaf(t, f.cert))
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: host},
	}}
	t.Cleanup(client.CloseIdleConnections)
	ask := func() string {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+ln.Addr().String(), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	first := ask()
	if !strings.HasPrefix(first, "HTTP/2.0 ") {
		t.Errorf("it is spoken to by %s", first)
	}
	address := ln.Addr().String()
	is := func(what string, want int64) {
		t.Helper()
		if got := shown(t, address); got != want {
			t.Errorf("%s: certificate %d is shown, want %d", what, got, want)
		}
	}
	is("at first", 1)
	cert, key := pair(t, 2, f.clock().Add(24*time.Hour))
	f.write(cert, key)
	is("within the second", 1)
	f.pass(time.Second)
	is("after it", 2)
	if again := ask(); again != first {
		t.Errorf("the connection of %s did not go on, but %s", first, again)
	}
	otherCert, otherKey := pair(t, 3, f.clock().Add(24*time.Hour))
	expired, expiredKey := pair(t, 4, f.clock().Add(-time.Hour))
	for what, broken := range map[string][2][]byte{
		"of two pairs": {otherCert, key}, "no PEM": {[]byte("nonsense"), key}, "expired": {expired, expiredKey},
		"empty": {nil, nil},
	} {
		f.write(broken[0], broken[1])
		for range 3 {
			f.pass(time.Second)
			is(what, 2)
		}
	}
	if n := strings.Count(f.said.String(), "the one before stays in use"); n != 4 {
		t.Errorf("four pairs that were no good are told %d times: %s", n, &f.said)
	}
	f.write(otherCert, otherKey)
	f.pass(-time.Hour) // a clock that was set back
	is("after all that", 3)
}

// TestOldVersionsAreRefused: TLS 1.2 is the least.
func TestOldVersionsAreRefused(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	source, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	if source.Config().MinVersion != tls.VersionTLS12 {
		t.Error("it takes older ones")
	}
	if err := source.Covers(host); err != nil {
		t.Error(err)
	}
	if source.Covers("other.example.com") == nil {
		t.Error("it is for any host")
	}
}

func TestPairThatIsNoGoodIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	now := time.Now()
	cert, key := pair(t, 1, now.Add(time.Hour))
	other, _ := pair(t, 2, now.Add(time.Hour))
	old, oldKey := pair(t, 3, now.Add(-time.Hour))
	early, earlyKey := pair(t, 4, now.Add(96*time.Hour))
	for want, held := range map[string][2][]byte{
		"private key does not match": {other, key}, "has expired at": {old, oldKey},
		"is valid only from": {early, earlyKey}, "failed to find any PEM data": {[]byte("nonsense"), key},
		"failed to find any PEM data in key": {cert, nil},
	} {
		f := newFiles(t)
		f.write(held[0], held[1])
		if _, err := f.open(); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "CANOPY_TLS_CERT") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f := newFiles(t)
	if err := os.Remove(f.key); err != nil {
		t.Fatal(err)
	}
	if _, err := f.open(); err == nil || !strings.Contains(err.Error(), "CANOPY_TLS_KEY: open ") {
		t.Errorf("%v", err)
	}
}

func leaf(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
