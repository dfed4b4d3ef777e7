// Package secret is the one door to everything that must not be seen: tokens
// and their hashes, comparison in constant time, passwords (argon2id in a
// bounded pool), and sealing of what must stay readable under the install key.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"log/slog"
)

// Token is a credential that is shown once: 32 random bytes in base64url, 43
// characters. It prints as dots everywhere but through Reveal.
type Token struct{ text string }

// NewToken makes a fresh token. It is safe for concurrent use.
func NewToken() Token {
	var b [32]byte
	// crypto/rand.Read never fails (it ends the process instead).
	_, _ = rand.Read(b[:])
	return Token{base64.RawURLEncoding.EncodeToString(b[:])}
}

// Reveal is the token's text, for the one answer or mail it is made for.
func (t Token) Reveal() string { return t.text }

// TokenOf is a token that was made before, out of where it was sealed.
func TokenOf(text string) Token { return Token{text} }

// IsZero reports whether there is no token.
func (t Token) IsZero() bool { return t.text == "" }

// Hash is what is kept of the token.
func (t Token) Hash() string { return Hash(t.text) }

// String hides the token from logs.
func (t Token) String() string { return "•••" }

// LogValue hides the token from structured logs.
func (t Token) LogValue() slog.Value { return slog.StringValue("•••") }

// Hash is the SHA-256 of the exact string issued, base64url. Since the string
// is hashed and not its bytes, no second spelling of a token works.
func Hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// Box seals and opens under the install key with AES-256-GCM (NIST SP 800-38D).
// It is safe for concurrent use.
type Box struct{ aead cipher.AEAD }

// ErrSealed says that a sealed value can't be opened: another key, another
// context, or damage.
var ErrSealed = errors.New("secret: a sealed value can't be opened with this key")

// KeySize is the length of an install key in bytes.
const KeySize = 32

// NewBox wants a key of KeySize bytes.
func NewBox(key []byte) (*Box, error) {
	if len(key) != KeySize {
		return nil, errors.New("secret: the key must be 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return &Box{aead}, nil
}

// Derive makes a box whose key is HKDF-SHA256 (RFC 5869) of a secret that is not kept:
// salt is the id of the row that the sealed value lies in, use says what for.
func Derive(input []byte, salt, use string) (*Box, error) {
	key, err := hkdf.Key(sha256.New, input, []byte(salt), use, KeySize)
	if err != nil {
		return nil, err
	}
	return NewBox(key)
}

// Seal encrypts plain, bound to context: it opens only with the same context,
// so a sealed value can't be moved from one row or purpose to another.
func (b *Box) Seal(plain []byte, context string) []byte {
	nonce := make([]byte, b.aead.NonceSize(), b.aead.NonceSize()+len(plain)+b.aead.Overhead())
	_, _ = rand.Read(nonce)
	return b.aead.Seal(nonce, nonce, plain, []byte(context))
}

// Open gives back what Seal took, or ErrSealed.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	n := b.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	plain, err := b.aead.Open(nil, sealed[:n], sealed[n:], []byte(context))
	if err != nil {
		return nil, ErrSealed
	}
	return plain, nil
}

// NewKey makes an install key, in base64.
func NewKey() string {
	var b [KeySize]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
