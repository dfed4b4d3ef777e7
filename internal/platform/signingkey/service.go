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

	known   atomic.Pointer[set]
	begun   atomic.Int64  // readings that have begun
	gate    chan struct{} // held by the one caller that reads the table
	outcome outcome       // of the last reading; guarded by gate
}

// outcome is what a reading of the table came to.
type outcome struct {
	reading int64 // its number
	set     *set
	err     error
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
	set, err := s.reread(ctx)
	if err != nil || !s.due(set.youngest, s.DB.Now()) {
		return err
	}
	if _, err := s.add(ctx, false); err != nil {
		return err
	}
	_, err = s.reread(ctx)
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
	set, err := s.reread(ctx)
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
// also the one that is yet to sign (RFC 7517). It is at most 5 seconds old, unless the
// store can't be reached: then it is what was read last, which proves nothing here.
func (s *Service) JWKS(ctx context.Context) (jsontext.Value, error) {
	set, err := s.fresh(ctx)
	if known := s.known.Load(); err != nil && known != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "signing keys can't be read, the key set stays as it was", "error", err)
		set, err = known, nil
	}
	if err != nil {
		return nil, err
	}
	return set.jwks(s.DB.Now())
}

const (
	// maxAge is how old keys in memory may be that prove a token.
	maxAge = 5 * time.Second
	// readFor is how long one reading may take, so that what it gives is not too old.
	readFor = 4 * time.Second
)

// fresh are the keys in memory, read again when they are too old. The error says that
// the store can't be read: database.Unreachable knows it.
func (s *Service) fresh(ctx context.Context) (*set, error) {
	return s.keys(ctx, func(known *set) bool { return recent(known.at, s.DB.Now()) })
}

// reread gives the keys as they were at the time of the call, or later.
func (s *Service) reread(ctx context.Context) (*set, error) {
	return s.keys(ctx, func(*set) bool { return false })
}

// keys are those in memory if they are good, or what the table holds. One caller reads
// at a time. Who waited takes what a reading gave that began after the call: so nobody
// waits for more than two of them.
func (s *Service) keys(ctx context.Context, good func(*set) bool) (*set, error) {
	before := s.begun.Load()
	if known := s.known.Load(); known != nil && good(known) {
		return known, nil
	}
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-s.gate }()
	if s.outcome.reading > before {
		return s.outcome.set, s.outcome.err
	}
	if known := s.known.Load(); known != nil && good(known) {
		return known, nil
	}
	read, err := s.load(ctx)
	s.outcome = outcome{s.begun.Load(), read, err}
	return read, err
}

// recent reports whether keys that were read at an instant may still prove a token. An
// instant that is yet to come is that of a clock which was set back since: nobody
// knows how old it is.
func recent(at, now time.Time) bool { return !at.After(now) && now.Sub(at) < maxAge }

// load reads the table, under the gate. Others wait for it, so it goes on when its
// caller hangs up.
func (s *Service) load(ctx context.Context) (*set, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readFor)
	defer cancel()
	s.begun.Add(1)
	now := s.DB.Now()
	list, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]row, error) { return rows(ctx, tx) })
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w: %w", database.ErrSlow, err)
	}
	if err != nil {
		return nil, err
	}
	read, err := s.opened(list, now)
	if err == nil {
		s.known.Store(read)
	}
	return read, err
}

// opened makes a set of what was read, with the keys opened. Those known from before
// are not opened twice. An error wraps secret.ErrSealed where no install key fits.
func (s *Service) opened(list []row, at time.Time) (*set, error) {
	before, read := s.known.Load(), s.closed(list, at)
	for _, k := range read.keys {
		if old := before.find(k.ID); old != nil && bytes.Equal(old.sealed, k.sealed) {
			k.private, k.jws = old.private, old.jws
		} else if err := s.open(k); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.ID, err)
		}
	}
	return read, nil
}

// closed makes a set of what was read, whose keys can't sign or verify yet.
func (s *Service) closed(list []row, at time.Time) *set {
	read := &set{at: at}
	for i, r := range list {
		k := &key{Key: Key{ID: r.id, CreatedAt: r.createdAt, SignsFrom: r.signsFrom}, sealed: r.private}
		if i+1 < len(list) {
			// One clock difference for the process that signs with the older
			// key a little longer, one for the one that verifies.
			k.RetiresAt = list[i+1].signsFrom.Add(s.TokenLife + 2*skew)
		}
		if r.createdAt.After(read.youngest) {
			read.youngest = r.createdAt
		}
		read.keys = append(read.keys, k)
	}
	return read
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

// generate makes a private key. It takes longer than a transaction should.
func generate() ([]byte, error) {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(private)
}

// add makes a key and gives its kid; unless forced, only if one is still due
// once other processes are kept out, else "". Where a key is there that the install
// keys don't open it makes none: servers could not open the new one.
func (s *Service) add(ctx context.Context, forced bool) (string, error) {
	der, err := generate()
	if err != nil {
		return "", err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (string, error) {
		list, err := lockedRows(ctx, tx)
		if err != nil {
			return "", err
		}
		set, err := s.opened(list, tx.Now)
		if err != nil {
			return "", err
		}
		if !forced && !s.due(set.youngest, tx.Now) {
			return "", nil
		}
		from := tx.Now.Add(ahead)
		if len(list) == 0 {
			from = tx.Now
		}
		kid, err := s.put(ctx, tx, list, der, from)
		if err != nil {
			return "", err
		}
		// A key was retired once a later one had signed for the life of a token.
		return kid, prune(ctx, tx, list, tx.Now.Add(-kept-s.TokenLife))
	})
}

// put keeps a new private key and gives its kid, which is none of the list.
func (s *Service) put(
	ctx context.Context, tx *database.Tx, list []row, der []byte, from time.Time,
) (string, error) {
	r := row{createdAt: tx.Now, signsFrom: from}
	for r.id == "" || slices.ContainsFunc(list, func(other row) bool { return other.id == r.id }) {
		var tail [2]byte
		_, _ = rand.Read(tail[:])
		r.id = tx.Now.Format("2006-01-") + hex.EncodeToString(tail[:])
	}
	r.private = s.Box.Seal(der, sealContext(r.id))
	return r.id, insert(ctx, tx, r)
}

// ErrUnknownKey says that no key has this kid, or none any more.
var ErrUnknownKey = errors.New("there is no such signing key; canopy keys list shows those there are")

// Revoke deletes a key: within 5 seconds no process takes or publishes it. If it was the
// one that signs, or the last, a new one signs at once, whose kid it gives; else "".
// The key may be one that the install keys don't open, all others must be one that they
// do. Error: ErrUnknownKey.
func (s *Service) Revoke(ctx context.Context, kid string) (replacement string, err error) {
	der, err := generate()
	if err != nil {
		return "", err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (string, error) {
		list, err := lockedRows(ctx, tx)
		if err != nil {
			return "", err
		}
		all := s.closed(list, tx.Now)
		revoked := all.find(kid)
		if revoked == nil {
			return "", ErrUnknownKey
		}
		var rest []row
		for i, k := range all.keys {
			// The revoked key may be what says since when an older one is retired:
			// without it that one would come back.
			if k == revoked || all.state(k, tx.Now) == Retired {
				if err := remove(ctx, tx, k.ID); err != nil {
					return "", err
				}
				continue
			}
			rest = append(rest, list[i])
		}
		if _, err := s.opened(rest, tx.Now); err != nil {
			return "", err
		}
		if all.signer(tx.Now) != revoked {
			return "", nil
		}
		return s.put(ctx, tx, list, der, tx.Now)
	})
}
