package certificate_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"canopy.dev/canopy/internal/platform/certificate"
)

// authority is Let's Encrypt's test authority. It asks port tlsPort of this machine,
// whatever the name, to prove that it is ours.
func authority(t *testing.T, tlsPort int) *httptest.Server {
	t.Helper()
	quiet := log.New(io.Discard, "", 0)
	packets, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	names := packets.LocalAddr().String()
	if err := packets.Close(); err != nil {
		t.Fatal(err)
	}
	dns, err := challtestsrv.New(challtestsrv.Config{Log: quiet, DNSAddrs: []string{names}})
	if err != nil {
		t.Fatal(err)
	}
	dns.SetDefaultDNSIPv4("127.0.0.1")
	dns.SetDefaultDNSIPv6("")
	go dns.Run()
	t.Cleanup(dns.Shutdown)
	store := db.NewMemoryStore()
	profiles := map[string]ca.Profile{"default": {Description: "The only one."}}
	front := wfe.New(quiet, store, va.New(quiet, 1, tlsPort, true, names, store),
		ca.New(quiet, store, "", "ecdsa", 0, 1, profiles), []string{"pebble.test"}, true, false, 1, 1)
	h := httptest.NewTLSServer(front.Handler())
	t.Cleanup(h.Close)
	return h
}

// TestCertificateOfAnAuthority is obtained by the listener that shows it, and kept.
// It sets the environment of the authority, so it runs beside no other.
func TestCertificateOfAnAuthority(t *testing.T) {
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0")
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ca := authority(t, ln.Addr().(*net.TCPAddr).Port)
	config := certificate.ACMEConfig{
		Host: host, Directory: ca.URL + wfe.DirectoryPath, Folder: filepath.Join(t.TempDir(), "acme"),
		Log: slog.New(slog.DiscardHandler), Client: ca.Client(),
	}
	source := certificate.NewACME(config)
	h := &http.Server{
		ReadHeaderTimeout: time.Minute, TLSConfig: source.Config(), ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.NotFoundHandler(),
	}
	go func() { _ = h.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { h.Close() })
	if c := peer(t, ln.Addr().String()); c != nil {
		t.Error("a certificate is shown before there is one")
	}
	run(t, source)
	first := await(t, ln.Addr().String())
	if err := first.VerifyHostname(host); err != nil {
		t.Error(err)
	}

	// The next process takes the kept one, though the authority is gone.
	ca.Close()
	again := certificate.NewACME(config)
	run(t, again)
	second, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h2 := &http.Server{
		ReadHeaderTimeout: time.Minute, TLSConfig: again.Config(), ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.NotFoundHandler(),
	}
	go func() { _ = h2.ServeTLS(second, "", "") }()
	t.Cleanup(func() { h2.Close() })
	if kept := await(t, second.Addr().String()); !kept.Equal(first) {
		t.Error("another certificate was obtained")
	}
}

func run(t *testing.T, source *certificate.ACME) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	over := make(chan bool)
	go func() {
		source.Run(ctx)
		close(over)
	}()
	t.Cleanup(func() {
		stop()
		<-over
	})
}

// peer is the certificate that a client is shown; nil where there is none.
func peer(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return nil
	}
	defer conn.Close()
	return conn.(*tls.Conn).ConnectionState().PeerCertificates[0]
}

func await(t *testing.T, address string) *x509.Certificate {
	t.Helper()
	for range 600 {
		if c := peer(t, address); c != nil {
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("there is no certificate")
	return nil
}
