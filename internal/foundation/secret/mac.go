package secret

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
)

// MAC is the HMAC-SHA256 (RFC 2104) of texts one behind the other.
func MAC(key []byte, texts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, text := range texts {
		_, _ = h.Write(text)
	}
	return h.Sum(nil)
}

// NewKeyBytes makes a random key for MAC.
func NewKeyBytes() []byte {
	b := make([]byte, KeySize)
	_, _ = rand.Read(b)
	return b
}
