package certificate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"canopy.dev/canopy/internal/foundation/task"
)

const (
	// askEvery is how often a renewed certificate is asked for, which costs nothing.
	askEvery = time.Minute
	// The pause after a failure grows from the first to the longest: authorities allow few
	// failures an hour.
	firstPause   = 2 * time.Minute
	longestPause = time.Hour
)

// ACME is a certificate that an authority gives by RFC 8555, proven by TLS-ALPN-01 on the
// listener itself, and renewed when a third of its life is left, at most 30 days. One
// process only may run for a host: another one would not know the challenge. It is safe for
// concurrent use.
type ACME struct {
	host    string
	log     *slog.Logger
	manager *autocert.Manager
	current atomic.Pointer[tls.Certificate]
}

// ACMEConfig says whose certificate it is.
type ACMEConfig struct {
	Host      string // of the public URL
	Directory string // URL of the authority's directory; "" is Let's Encrypt's
	Folder    string // where account key and certificate are kept, for their user alone
	Log       *slog.Logger
	// Client calls the authority.
	Client *http.Client
}

// NewACME makes it; Run obtains the certificate. Using it accepts the authority's terms.
func NewACME(c ACMEConfig) *ACME {
	return &ACME{host: c.Host, log: c.Log, manager: &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(c.Folder), HostPolicy: autocert.HostWhitelist(c.Host),
		Client: &acme.Client{DirectoryURL: c.Directory, HTTPClient: c.Client, UserAgent: "canopy"},
	}}
}

// Config is what a listener needs: TLS 1.2 or later, HTTP/2 and HTTP/1.1, and answers to the
// authority. A handshake before there is a certificate fails at once.
func (a *ACME) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1", acme.ALPNProto}, GetCertificate: a.get,
	}
}

var errNone = errors.New("there is no certificate yet (CANOPY_TLS_ACME); the log says why")

func (a *ACME) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		if hello.ServerName != a.host {
			return nil, errNone // nobody was challenged by that name
		}
		return a.manager.GetCertificate(hello)
	}
	if c := a.current.Load(); c != nil {
		return c, nil
	}
	return nil, errNone
}

// Run obtains the certificate, or takes the kept one, and takes renewed ones until ctx ends.
// Failures are logged, and tried again after a pause.
func (a *ACME) Run(ctx context.Context) {
	pause := firstPause
	for {
		next := askEvery
		switch c, err := a.obtain(ctx); {
		case ctx.Err() != nil:
			return
		case err != nil:
			a.log.ErrorContext(ctx, "no TLS certificate was obtained", "host", a.host, "again_in", pause.String(), "error", err)
			next, pause = pause, min(2*pause, longestPause)
		default:
			pause = firstPause
			if before := a.current.Swap(c); before == nil || !before.Leaf.Equal(c.Leaf) {
				a.log.InfoContext(ctx, "the TLS certificate is there", "host", a.host, "expires", c.Leaf.NotAfter)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(next):
		}
	}
}

// obtain waits for the authority, which takes up to five minutes, or until ctx ends.
func (a *ACME) obtain(ctx context.Context) (*tls.Certificate, error) {
	var got *tls.Certificate
	err := errors.New("it panicked; the log says where")
	over := make(chan struct{})
	go task.Try(ctx, a.log, "certificate", func() {
		defer close(over)
		// As a client asks that knows elliptic curves, which all do that know TLS 1.2.
		got, err = a.manager.GetCertificate(&tls.ClientHelloInfo{
			ServerName: a.host, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		})
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-over:
	}
	if err != nil {
		return nil, fmt.Errorf("CANOPY_TLS_ACME: %w", err)
	}
	return got, nil
}
