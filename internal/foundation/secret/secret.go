// Package secret is the one door to everything that must not be seen: tokens
// and their hashes, comparison in constant time, passwords (argon2id in a
// bounded pool), and sealing of what must stay readable under the install keys.
package secret

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
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

// apiKeyPrefix lets people, and scanners of leaked secrets, tell an API key.
const apiKeyPrefix = "cnpy_"

// NewAPIKey makes a fresh API key: cnpy_ and 32 random bytes in lower-case hexadecimal,
// 69 characters. It is safe for concurrent use.
func NewAPIKey() Token {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return Token{apiKeyPrefix + hex.EncodeToString(b[:])}
}

// Preview is what may be shown of an API key later: its first 12 characters.
func (t Token) Preview() string { return t.text[:min(12, len(t.text))] + "****" }

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

// HashOf is the Hash of texts one behind the other.
func HashOf(texts ...[]byte) string {
	h := sha256.New()
	for _, text := range texts {
		_, _ = h.Write(text)
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// Hash is the SHA-256 of the exact string issued, base64url. Since the string
// is hashed and not its bytes, no second spelling of a token works.
func Hash(s string) string {
	h := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(h[:])
}
