package signingkey

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	bits = 2048
	// ahead is how long a key is published before it signs, so that servers
	// which cache the key set know it in time.
	ahead = 15 * time.Minute
	// kept is how long a retired key stays in the table.
	kept = 100 * 24 * time.Hour
)

var errNoKey = errors.New("signingkey: there is no signing key yet")

// Config is what a Service is made of.
type Config struct {
	DB          *database.DB
	Box         *secret.Box   // seals the private keys
	Issuer      string        // iss of every token: the public URL
	RotateAfter time.Duration // age at which the next key is made; 0: 90 days
	// TokenLife is that of the longest-lived token; 0: 1 hour. It is at least 5
	// minutes, as pre-auth tokens live so long.
	TokenLife time.Duration
	Log       *slog.Logger // of Run; nil: slog.Default()
}

// Service signs and verifies tokens. It is safe for concurrent use, and so are
// any number of them on one store. Make one with New.
type Service struct {
	Config

	known atomic.Pointer[set]
	gate  chan struct{} // held by the one caller that reads the table
	tried time.Time     // of the last reading, good or bad; guarded by gate
}

// New makes a service. It reads nothing: call Ensure once before the first Sign.
func New(c Config) *Service {
	c.RotateAfter = cmp.Or(c.RotateAfter, 90*24*time.Hour)
	c.TokenLife = max(cmp.Or(c.TokenLife, time.Hour), 5*time.Minute)
	c.Log = cmp.Or(c.Log, slog.Default())
	return &Service{Config: c, gate: make(chan struct{}, 1)}
}

// Run keeps keys fresh until ctx ends: it reads them again each minute and makes
// the next one when its time has come. The caller waits for it.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		if err := s.Ensure(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "signing keys can't be kept fresh", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Ensure makes the first key, which signs at once, or the next one when the
// youngest is RotateAfter old. Of processes that do so at the same time one
// makes the key. An error that wraps secret.ErrSealed says that the install key
// is not the one the keys were sealed with.
func (s *Service) Ensure(ctx context.Context) error {
	set, err := s.reload(ctx)
	if err != nil || !s.due(set.youngest, s.DB.Now()) {
		return err
	}
	if _, err := s.add(ctx, false); err != nil {
		return err
	}
	_, err = s.reload(ctx)
	return err
}

// Rotate makes the next key now; it signs 15 minutes later.
func (s *Service) Rotate(ctx context.Context) (Key, error) {
	kid, err := s.add(ctx, true)
	if err != nil {
		return Key{}, err
	}
	list, err := s.List(ctx)
	for _, k := range list {
		if k.ID == kid {
			return k, err
		}
	}
	return Key{}, cmp.Or(err, errNoKey)
}

// List gives all keys of the table, by the time they sign from.
func (s *Service) List(ctx context.Context) ([]Key, error) {
	set, err := s.reload(ctx)
	if err != nil {
		return nil, err
	}
	list, now := []Key{}, s.DB.Now()
	for _, k := range set.keys {
		view := k.Key
		view.State = set.state(k, now)
		list = append(list, view)
	}
	return list, nil
}

// JWKS is the JSON of the key set: every key whose tokens may still be taken,
// also the one that is yet to sign (RFC 7517). It is at most a minute old.
func (s *Service) JWKS(ctx context.Context) (jsontext.Value, error) {
	set, err := s.keys(ctx, fresh)
	if err != nil {
		return nil, err
	}
	return set.jwks(s.DB.Now())
}

// How old the keys in memory may be.
const (
	fresh      = time.Minute     // ordinary use
	unknownKey = 3 * time.Second // when a kid is met that they lack
)

// keys are those in memory, read again when they are older than age. Where the
// store can't be read, those in memory serve on, unless a missing one is looked
// for.
func (s *Service) keys(ctx context.Context, age time.Duration) (*set, error) {
	if set := s.known.Load(); set != nil && recent(set.at, s.DB.Now(), age) {
		return set, nil
	}
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.gate }()
	// Those who waited take what the one before them read.
	set, now := s.known.Load(), s.DB.Now()
	if set != nil && (recent(set.at, now, age) || recent(s.tried, now, unknownKey)) {
		return set, nil
	}
	read, err := s.load(ctx, set, now)
	if err != nil && set != nil && age != unknownKey {
		s.Log.WarnContext(ctx, "signing keys can't be read, the known ones serve on", "error", err)
		return set, nil
	}
	return read, err
}

// reload reads the keys, whatever their age.
func (s *Service) reload(ctx context.Context) (*set, error) {
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.gate }()
	return s.load(ctx, s.known.Load(), s.DB.Now())
}

// recent takes a clock that was set back as a reason to look again.
func recent(at, now time.Time, age time.Duration) bool {
	return !at.IsZero() && now.Sub(at) < age && now.Sub(at) > -age
}

// load reads the table, under the gate. Keys known from before are not opened
// twice.
func (s *Service) load(ctx context.Context, before *set, now time.Time) (*set, error) {
	s.tried = now
	list, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]row, error) { return rows(ctx, tx) })
	if err != nil {
		return nil, err
	}
	read := &set{at: now, youngest: youngest(list)}
	for i, r := range list {
		k := &key{Key: Key{ID: r.id, CreatedAt: r.createdAt, SignsFrom: r.signsFrom}, sealed: r.private}
		if i+1 < len(list) {
			// One clock difference for the process that signs with the older
			// key a little longer, one for the one that verifies.
			k.RetiresAt = list[i+1].signsFrom.Add(s.TokenLife + 2*skew)
		}
		if old := before.find(r.id); old != nil && bytes.Equal(old.sealed, r.private) {
			k.private, k.jws = old.private, old.jws
		} else if err := s.open(k); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", r.id, err)
		}
		read.keys = append(read.keys, k)
	}
	s.known.Store(read)
	return read, nil
}

func (s *set) find(kid string) *key {
	if s == nil {
		return nil
	}
	for _, k := range s.keys {
		if k.ID == kid {
			return k
		}
	}
	return nil
}

// youngest is when the youngest key was made, zero without keys.
func youngest(list []row) (t time.Time) {
	for _, r := range list {
		if r.createdAt.After(t) {
			t = r.createdAt
		}
	}
	return t
}

func (s *Service) due(youngest, now time.Time) bool {
	return youngest.IsZero() || now.Sub(youngest) >= s.RotateAfter
}

func sealContext(kid string) string { return "signing_key:" + kid }

func (s *Service) open(k *key) error {
	der, err := s.Box.Open(k.sealed, sealContext(k.ID))
	if err != nil {
		return err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return err
	}
	private, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return errors.New("not an RSA key")
	}
	k.private = private
	k.jws, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: private, KeyID: k.ID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	return err
}

// add makes a key and gives its kid; unless forced, only if one is still due
// once other processes are kept out, else "".
func (s *Service) add(ctx context.Context, forced bool) (string, error) {
	// Made beforehand: it takes longer than a transaction should.
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (string, error) {
		if err := lock(ctx, tx); err != nil {
			return "", err
		}
		list, err := rows(ctx, tx)
		if err != nil {
			return "", err
		}
		r := row{createdAt: tx.Now, signsFrom: tx.Now.Add(ahead)}
		if len(list) == 0 {
			r.signsFrom = tx.Now
		}
		if !forced && !s.due(youngest(list), tx.Now) {
			return "", nil
		}
		for r.id == "" || slices.ContainsFunc(list, func(other row) bool { return other.id == r.id }) {
			var tail [2]byte
			_, _ = rand.Read(tail[:])
			r.id = tx.Now.Format("2006-01-") + hex.EncodeToString(tail[:])
		}
		r.private = s.Box.Seal(der, sealContext(r.id))
		if err := insert(ctx, tx, r); err != nil {
			return "", err
		}
		// A key was retired once a later one had signed for the life of a token.
		return r.id, prune(ctx, tx, list, tx.Now.Add(-kept-s.TokenLife))
	})
}
