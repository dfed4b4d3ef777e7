package signingkey

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

// State is where a key stands in its life.
type State string

// The states of a key.
const (
	Next      State = "next"      // published, signs from SignsFrom on
	Signing   State = "signing"   // signs now
	Published State = "published" // signs no more, its last tokens still live
	Retired   State = "retired"   // nothing it signed is taken any more
)

// Key is a signing key as operators see it.
type Key struct {
	ID        string // the kid, such as "2026-04-a1f3"
	State     State
	CreatedAt time.Time
	SignsFrom time.Time
	RetiresAt time.Time // zero while no later key is known
}

// key is a key in memory.
type key struct {
	Key
	sealed  []byte
	private *rsa.PrivateKey
	jws     jose.Signer
}

// set is what one reading of the table gave, oldest first by SignsFrom. It is
// never changed.
type set struct {
	keys     []*key
	at       time.Time
	youngest time.Time // when the youngest was made
}

// signer is the youngest key whose time has come. A first key whose maker's
// clock is ahead of ours signs all the same.
func (s *set) signer(now time.Time) *key {
	var found *key
	for _, k := range s.keys {
		if found == nil || !k.SignsFrom.After(now) {
			found = k
		}
	}
	return found
}

// live reports whether tokens of the key may still be taken.
func (k *key) live(now time.Time) bool { return k.RetiresAt.IsZero() || now.Before(k.RetiresAt) }

func (s *set) published(kid string, now time.Time) *key {
	for _, k := range s.keys {
		if k.ID == kid && k.live(now) {
			return k
		}
	}
	return nil
}

func (s *set) state(k *key, now time.Time) State {
	switch {
	case k == s.signer(now):
		return Signing
	case k.SignsFrom.After(now):
		return Next
	case k.live(now):
		return Published
	}
	return Retired
}

// jwks is the JWK Set (RFC 7517) of all live keys.
func (s *set) jwks(now time.Time) ([]byte, error) {
	type jwk struct {
		Type      string `json:"kty"`
		Use       string `json:"use"`
		Algorithm string `json:"alg"`
		ID        string `json:"kid"`
		Modulus   string `json:"n"`
		Exponent  string `json:"e"`
	}
	doc := struct {
		Keys []jwk `json:"keys"`
	}{}
	text := base64.RawURLEncoding.EncodeToString
	for _, k := range s.keys {
		if k.live(now) {
			e := big.NewInt(int64(k.private.E)).Bytes()
			doc.Keys = append(doc.Keys, jwk{"RSA", "sig", string(jose.RS256), k.ID, text(k.private.N.Bytes()), text(e)})
		}
	}
	return json.Marshal(doc)
}
