package certificate

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often the files are read again, however many connect.
const lookEvery = time.Second

// Files is a certificate and its key in two files, PEM. It is safe for concurrent use.
type Files struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time

	current atomic.Pointer[tls.Certificate]

	// looking is held by the one handshake that reads; the others don't wait for a disk.
	looking sync.Mutex
	looked  time.Time
	seen    contents // when they were last judged
}

// Open reads the pair. The error names the file, and says whether it can't be read, does
// not fit the other, is not valid yet or has expired.
func Open(cert, key string, log *slog.Logger, now func() time.Time) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log, now: now, looked: now()}
	held, err := f.read()
	if err != nil {
		return nil, err
	}
	pair, err := f.parse(held)
	if err != nil {
		return nil, err
	}
	f.seen = held
	f.current.Store(pair)
	return f, nil
}

// Config is what a listener needs: TLS 1.2 or later, HTTP/2 and HTTP/1.1.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.get(), nil },
	}
}

// Expires is when the certificate that is shown now ends.
func (f *Files) Expires() time.Time { return f.current.Load().Leaf.NotAfter }

// Covers tells why the certificate is none for a host; nil where it is one.
func (f *Files) Covers(host string) error { return f.current.Load().Leaf.VerifyHostname(host) }

// get gives the certificate, of the files as they were at most a second ago. A pair that is
// no good leaves the one before in use, and is logged once.
func (f *Files) get() *tls.Certificate {
	if f.looking.TryLock() {
		defer f.looking.Unlock()
		// A clock that was set back must not keep us from looking.
		if f.now().Sub(f.looked).Abs() >= lookEvery {
			f.look()
		}
	}
	return f.current.Load()
}

func (f *Files) look() {
	f.looked = f.now()
	held, err := f.read()
	if bytes.Equal(held.cert, f.seen.cert) && bytes.Equal(held.key, f.seen.key) {
		return
	}
	f.seen = held
	var pair *tls.Certificate
	if err == nil {
		pair, err = f.parse(held)
	}
	if err != nil {
		f.log.Error("the new TLS certificate is no good; the one before stays in use", "error", err)
		return
	}
	f.current.Store(pair)
	f.log.Info("the TLS certificate has changed", "expires", pair.Leaf.NotAfter)
}

// contents are those of both files; one that can't be read has none.
type contents struct{ cert, key []byte }

func (f *Files) read() (contents, error) {
	cert, err := os.ReadFile(f.cert)
	key, keyErr := os.ReadFile(f.key)
	if err != nil {
		err = fmt.Errorf("CANOPY_TLS_CERT: %w", err)
	}
	if keyErr != nil {
		keyErr = fmt.Errorf("CANOPY_TLS_KEY: %w", keyErr)
	}
	return contents{cert, key}, errors.Join(err, keyErr)
}

func (f *Files) parse(held contents) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(held.cert, held.key)
	if err != nil {
		// The text says what is wrong with which of them, and holds nothing of the key.
		return nil, fmt.Errorf("CANOPY_TLS_CERT and CANOPY_TLS_KEY (%s, %s): %w", f.cert, f.key, err)
	}
	switch now := f.now(); {
	case now.After(pair.Leaf.NotAfter):
		return nil, fmt.Errorf("CANOPY_TLS_CERT: %s has expired at %s", f.cert, pair.Leaf.NotAfter.Format(time.RFC3339))
	case now.Before(pair.Leaf.NotBefore):
		return nil, fmt.Errorf("CANOPY_TLS_CERT: %s is valid only from %s",
			f.cert, pair.Leaf.NotBefore.Format(time.RFC3339))
	}
	return &pair, nil
}
