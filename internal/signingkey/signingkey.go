// Package signingkey owns the keys that sign access tokens: the table
// signing_key, private halves sealed under the install key. It signs and
// verifies JSON Web Tokens (RFC 7519) with RS256 alone, and publishes the
// public halves. It knows nothing of sessions.
//
//	made, published ──15 min──► signs ──newer key signs──► verifies only
//	                                        └─ last token expired ──► deleted
package signingkey

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/database"
	"canopy.dev/canopy/internal/fault"
	"canopy.dev/canopy/internal/id"
	"canopy.dev/canopy/internal/secret"
)

const (
	bits         = 2048
	publishAhead = 15 * time.Minute
	skew         = 60 * time.Second
	refreshEvery = time.Minute
	lookAgain    = 5 * time.Second // at the earliest, for an unknown kid
)

// ErrInvalidToken is the one answer to every token that does not verify.
var ErrInvalidToken = fault.New(fault.Unauthenticated, "auth.invalid_token", "Invalid or expired token")

// Claims are those of access and pre-auth tokens. Times are Unix seconds.
type Claims struct {
	Subject         id.ID    `json:"sub"`
	Type            string   `json:"type"`
	TokenType       string   `json:"token_type,omitzero"` // "preauth" on pre-auth tokens
	Issuer          string   `json:"iss"`
	IssuedAt        int64    `json:"iat"`
	ExpiresAt       int64    `json:"exp"`
	ID              id.ID    `json:"jti"`
	SessionID       id.ID    `json:"sid,omitzero"`
	AccountID       id.ID    `json:"account_id,omitzero"`
	AccountSlug     string   `json:"account_slug,omitzero"`
	ApplicationID   id.ID    `json:"application_id,omitzero"`
	ApplicationSlug string   `json:"application_slug,omitzero"`
	Permissions     []string `json:"permissions,omitempty"`
}

// Key is a signing key without its private half.
type Key struct {
	ID        string
	CreatedAt time.Time
	SignsFrom time.Time
	Signing   bool // it signs now
}

// Service signs and verifies. It is safe for concurrent use.
type Service struct {
	DB          *database.DB
	Box         *secret.Box
	Issuer      string
	RotateAfter time.Duration // age at which Ensure makes the next key
	TokenLife   time.Duration // the longest life of a token

	held atomic.Pointer[ring]
	load sync.Mutex
}

type ring struct {
	keys []held // oldest first
	read time.Time
}

type held struct {
	Key
	private *rsa.PrivateKey
	signer  jose.Signer
}

// signing is the newest key whose time to sign has come.
func (r *ring) signing(now time.Time) *held {
	var best *held
	for i := range r.keys {
		if !now.Before(r.keys[i].SignsFrom) {
			best = &r.keys[i]
		}
	}
	return best
}

func (r *ring) find(kid string) *held {
	for i := range r.keys {
		if r.keys[i].ID == kid {
			return &r.keys[i]
		}
	}
	return nil
}

// keys gives the keys as of at most maxAge ago.
func (s *Service) keys(ctx context.Context, maxAge time.Duration) (*ring, error) {
	now := s.DB.Now()
	fresh := func() *ring {
		if r := s.held.Load(); r != nil && now.Sub(r.read) < maxAge && !now.Before(r.read) {
			return r
		}
		return nil
	}
	if r := fresh(); r != nil {
		return r, nil
	}
	s.load.Lock()
	defer s.load.Unlock()
	if r := fresh(); r != nil {
		return r, nil
	}
	known := s.held.Load()
	r, err := database.Read(ctx, s.DB, func(tx *database.Tx) (*ring, error) {
		r := &ring{read: tx.Now}
		err := tx.Query(ctx, func(row database.Scanner) error {
			var k held
			var sealed []byte
			if err := row.Scan(&k.ID, &sealed, &k.CreatedAt, &k.SignsFrom); err != nil {
				return err
			}
			if known != nil {
				if same := known.find(k.ID); same != nil {
					r.keys = append(r.keys, *same)
					return nil
				}
			}
			der, err := s.Box.Open(sealed, "signing_key:"+k.ID)
			if err != nil {
				return err
			}
			if k.private, err = x509.ParsePKCS1PrivateKey(der); err != nil {
				return err
			}
			k.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: k.private, KeyID: k.ID}},
				(&jose.SignerOptions{}).WithType("JWT"))
			r.keys = append(r.keys, k)
			return err
		}, `SELECT id, private, created_at, signs_from FROM signing_key ORDER BY signs_from, id`)
		return r, err
	})
	if err == nil {
		s.held.Store(r)
	}
	return r, err
}

// Ensure makes the first key, and the next one when the newest has reached
// RotateAfter; it deletes keys whose last token has expired. It is safe when
// several processes call it at once.
func (s *Service) Ensure(ctx context.Context) error {
	r, err := s.keys(ctx, 0)
	if err != nil {
		return err
	}
	now := s.DB.Now()
	if n := len(r.keys); n > 0 && now.Sub(r.keys[n-1].CreatedAt) < s.RotateAfter {
		return s.sweep(ctx, r, now)
	}
	newest := time.Time{}
	if n := len(r.keys); n > 0 {
		newest = r.keys[n-1].CreatedAt
	}
	_, err = s.add(ctx, newest)
	return err
}

// Rotate makes a key that will sign 15 minutes from now.
func (s *Service) Rotate(ctx context.Context) (Key, error) {
	r, err := s.keys(ctx, 0)
	if err != nil {
		return Key{}, err
	}
	newest := time.Time{}
	if n := len(r.keys); n > 0 {
		newest = r.keys[n-1].CreatedAt
	}
	return s.add(ctx, newest)
}

// add stores a key unless somebody has added one since the caller looked.
func (s *Service) add(ctx context.Context, newest time.Time) (Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return Key{}, err
	}
	k, err := database.Write(ctx, s.DB, func(tx *database.Tx) (Key, error) {
		tail := make([]byte, 4)
		_, _ = rand.Read(tail)
		k := Key{ID: tx.Now.Format("2006-01-") + hex.EncodeToString(tail), CreatedAt: tx.Now, SignsFrom: tx.Now.Add(publishAhead)}
		if newest.IsZero() {
			k.SignsFrom = tx.Now
		}
		sealed := s.Box.Seal(x509.MarshalPKCS1PrivateKey(private), "signing_key:"+k.ID)
		_, err := tx.Exec(ctx, `INSERT INTO signing_key (id, private, created_at, signs_from)
			SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM signing_key WHERE created_at > $5)`, k.ID, sealed, k.CreatedAt, k.SignsFrom, newest.UnixMicro())
		return k, err
	})
	if err != nil {
		return k, err
	}
	_, err = s.keys(ctx, 0)
	return k, err
}

func (s *Service) sweep(ctx context.Context, r *ring, now time.Time) error {
	signing := r.signing(now)
	if signing == nil || signing.ID == r.keys[0].ID || now.Sub(signing.SignsFrom) < s.TokenLife+skew {
		return nil
	}
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM signing_key WHERE signs_from < $1`, signing.SignsFrom)
		return err
	})
}

// List gives the keys, oldest first.
func (s *Service) List(ctx context.Context) ([]Key, error) {
	r, err := s.keys(ctx, 0)
	if err != nil {
		return nil, err
	}
	signing := r.signing(s.DB.Now())
	list := []Key{}
	for _, k := range r.keys {
		k.Signing = signing != nil && signing.ID == k.ID
		list = append(list, k.Key)
	}
	return list, nil
}

// Sign makes a token of the claims; the issuer is put in here. Ensure must have
// run before.
func (s *Service) Sign(c Claims) (string, error) {
	// Callers hold a transaction, so the ring at hand is taken as it is; Verify
	// and Ensure keep it fresh.
	r := s.held.Load()
	if r == nil {
		return "", errors.New("signingkey: no keys are loaded; call Ensure first")
	}
	k := r.signing(s.DB.Now())
	if k == nil {
		return "", errors.New("signingkey: there is no key to sign with")
	}
	c.Issuer = s.Issuer
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed, err := k.signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Verify reads a token: RS256 by a known key, our exact issuer, no audience, at
// most 60 seconds of clock difference. Every failure is ErrInvalidToken. Pre-auth
// tokens verify too; callers look at TokenType.
func (s *Service) Verify(ctx context.Context, token string, now time.Time) (Claims, error) {
	c, err := s.verify(ctx, token, now)
	if err != nil && !database.Unreachable(err) {
		return Claims{}, ErrInvalidToken.WithCause(err)
	}
	return c, err
}

func (s *Service) verify(ctx context.Context, token string, now time.Time) (Claims, error) {
	var c Claims
	parsed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return c, err
	}
	kid := parsed.Signatures[0].Protected.KeyID
	r, err := s.keys(ctx, refreshEvery)
	if err != nil {
		return c, err
	}
	k := r.find(kid)
	if k == nil {
		if r, err = s.keys(ctx, lookAgain); err != nil {
			return c, err
		}
		if k = r.find(kid); k == nil {
			return c, errors.New("unknown kid")
		}
	}
	payload, err := parsed.Verify(k.private.Public())
	if err != nil {
		return c, err
	}
	var aud struct {
		Aud any `json:"aud"`
	}
	if err := errors.Join(json.Unmarshal(payload, &c), json.Unmarshal(payload, &aud)); err != nil {
		return c, err
	}
	switch {
	case c.Issuer != s.Issuer:
		return c, errors.New("foreign issuer")
	case aud.Aud != nil:
		return c, errors.New("unexpected audience")
	case c.ExpiresAt == 0 || c.IssuedAt == 0 || c.Subject.IsZero() || c.Type == "":
		return c, errors.New("a claim is missing")
	case now.After(time.Unix(c.ExpiresAt, 0).Add(skew)), now.Before(time.Unix(c.IssuedAt, 0).Add(-skew)):
		return c, errors.New("expired, or not yet valid")
	}
	return c, nil
}

// JWKS is the published key set (RFC 7517).
func (s *Service) JWKS(ctx context.Context) (jose.JSONWebKeySet, error) {
	r, err := s.keys(ctx, refreshEvery)
	if err != nil {
		return jose.JSONWebKeySet{}, err
	}
	set := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{}}
	for _, k := range r.keys {
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Algorithm: string(jose.RS256), Use: "sig"})
	}
	return set, nil
}
