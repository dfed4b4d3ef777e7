package signingkey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// PreAuth is the TokenType of a token that only lets its bearer choose an
// Account.
const PreAuth = "preauth"

// Claims are what a token says (RFC 7519). Zero fields are left out. Times are
// Unix seconds.
type Claims struct {
	Subject             id.ID               `json:"sub"`
	Type                string              `json:"type"`
	Issuer              string              `json:"iss"`
	IssuedAt            int64               `json:"iat"`
	ExpiresAt           int64               `json:"exp"`
	ID                  id.ID               `json:"jti,omitzero"`
	SessionID           principal.SessionID `json:"sid,omitzero"`
	AccountID           scope.AccountID     `json:"account_id,omitzero"`
	AccountSlug         string              `json:"account_slug,omitzero"`
	ApplicationID       scope.ApplicationID `json:"application_id,omitzero"`
	ApplicationSlug     string              `json:"application_slug,omitzero"`
	Permissions         []string            `json:"permissions,omitzero"`
	PermissionsOverflow bool                `json:"permissions_overflow,omitzero"`
	TokenType           string              `json:"token_type,omitzero"`
}

const (
	// skew is how far two honest clocks may be apart.
	skew = 60 * time.Second
	// maxToken is far above what Sign makes; longer texts are not even decoded.
	maxToken = 64 << 10
)

// Sign makes the token of c, with the key that signs now by what the transaction sees: one
// that was revoked before never does. Issuer is set here; Subject, Type, IssuedAt and
// ExpiresAt are the caller's duty, and ExpiresAt at most the service's TokenLife away:
// keys are retired by it. Errors are internal ones. It is safe for concurrent use.
func (s *Service) Sign(ctx context.Context, tx *database.Tx, c Claims) (string, error) {
	switch {
	case c.Subject.IsZero() || c.Type == "" || c.IssuedAt == 0 || c.ExpiresAt <= c.IssuedAt:
		return "", errors.New("signingkey: a token needs sub, type, iat and a later exp")
	case time.Unix(c.ExpiresAt, 0).Sub(tx.Now) > s.TokenLife+skew:
		return "", fmt.Errorf("signingkey: a token may live %s at most", s.TokenLife)
	}
	list, err := rows(ctx, tx)
	if err != nil {
		return "", err
	}
	set, err := s.opened(list, tx.Now)
	if err != nil {
		return "", err
	}
	k := set.signer(tx.Now)
	if k == nil {
		return "", errNoKey
	}
	c.Issuer = s.Issuer
	payload, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed, err := k.jws.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// Verify reads a token that Sign made, here or in another process on the same
// store: RS256 and nothing else, a published kid, the exact issuer, no audience,
// sub, type, iat and exp present, and not expired at now, with 60 seconds of
// clock difference allowed either way. Pre-auth tokens pass; look at TokenType.
//
// Every token that fails is ErrInvalidToken with a hidden cause. Any other error
// says that the keys could not be read from the store, and those in memory are more
// than 5 seconds old: whatever the token, nothing proves it. It is safe for concurrent
// use.
func (s *Service) Verify(ctx context.Context, token string, now time.Time) (Claims, error) {
	if len(token) > maxToken {
		return invalid(errors.New("too long"))
	}
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return invalid(err)
	}
	// base64 has several spellings of one value (spare bits, line feeds); a token
	// has one, that which was issued.
	if text, err := signed.CompactSerialize(); err != nil || text != token {
		return invalid(errors.New("not the spelling that was issued"))
	}
	kid := signed.Signatures[0].Protected.KeyID
	set, err := s.fresh(ctx)
	if err != nil {
		return Claims{}, err
	}
	k := set.published(kid, now)
	if k == nil {
		// A key that took the place of a revoked one signs before others know it.
		if set, err = s.reread(ctx); err != nil {
			return Claims{}, err
		}
		k = set.published(kid, now)
	}
	if k == nil {
		return invalid(errors.New("unknown kid"))
	}
	payload, err := signed.Verify(&k.private.PublicKey)
	if err != nil {
		return invalid(err)
	}
	var c struct {
		Claims   `json:",inline"`
		Audience jsontext.Value `json:"aud"`
	}
	if err := json.Unmarshal(payload, &c); err != nil {
		return invalid(err)
	}
	switch {
	case c.Audience != nil:
		return invalid(errors.New("an audience where none is expected"))
	case c.Issuer != s.Issuer:
		return invalid(errors.New("another issuer"))
	case c.Subject.IsZero() || c.Type == "" || c.IssuedAt <= 0 || c.ExpiresAt <= 0:
		return invalid(errors.New("sub, type, iat or exp is missing"))
	case !now.Add(-skew).Before(time.Unix(c.ExpiresAt, 0)):
		return invalid(errors.New("expired"))
	case now.Add(skew).Before(time.Unix(c.IssuedAt, 0)):
		return invalid(errors.New("issued in the future"))
	}
	return c.Claims, nil
}

func invalid(cause error) (Claims, error) { return Claims{}, ErrInvalidToken.WithCause(cause) }
