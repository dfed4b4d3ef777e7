package secret

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
)

// Box seals under the first of its keys, with AES-256-GCM (NIST SP 800-38D), and
// opens what any of them sealed. A sealed value is
//
//	mark (4) · name of the key (8) · nonce (12) · ciphertext · tag (16)
//
// Earlier versions sealed without mark and name: such a value is tried with each key.
// Whether it opens is decided by the tag alone, so no value is taken for one of the
// other kind. A Box is safe for concurrent use.
type Box struct{ keys []boxKey }

// boxKey is one key of a Box.
type boxKey struct {
	aead cipher.AEAD
	// head is what stands before all that the key seals: mark and name. A key that was
	// derived of a secret that is not kept has none.
	head []byte
	// install is the install key. It is behind a pointer so that no log prints it.
	install *[KeySize]byte
}

// ErrSealed says that a sealed value can't be opened: another key, another
// context, or damage.
var ErrSealed = errors.New("secret: a sealed value can't be opened with this key")

const (
	// KeySize is the length of an install key in bytes.
	KeySize = 32
	// MaxKeys is how many install keys there may be at once. Two are needed to change
	// one for another.
	MaxKeys = 8

	nameSize = 8
	// nameUse parts the hash that names a key from every other use of SHA-256.
	nameUse = "canopy install key name v1:"
)

// mark says that the name of a key follows.
var mark = []byte{0x00, 'c', 'k', 0x01}

// NewBox makes a box of install keys, the first of which seals. It wants one to MaxKeys
// of them, each of KeySize bytes and none twice. No error shows a key.
func NewBox(keys ...[]byte) (*Box, error) {
	if len(keys) == 0 || len(keys) > MaxKeys {
		return nil, fmt.Errorf("there must be 1 to %d keys", MaxKeys)
	}
	b := &Box{}
	for i, raw := range keys {
		if len(raw) != KeySize {
			return nil, fmt.Errorf("key %d of %d must be %d bytes", i+1, len(keys), KeySize)
		}
		if at := slices.IndexFunc(keys[:i], func(k []byte) bool { return bytes.Equal(k, raw) }); at >= 0 {
			return nil, fmt.Errorf("keys %d and %d are the same", at+1, i+1)
		}
		k, err := newBoxKey(raw)
		if err != nil {
			return nil, err
		}
		name := sha256.Sum256(append([]byte(nameUse), raw...))
		k.head = append(slices.Clone(mark), name[:nameSize]...)
		k.install = (*[KeySize]byte)(slices.Clone(raw))
		b.keys = append(b.keys, k)
	}
	return b, nil
}

func newBoxKey(raw []byte) (boxKey, error) {
	block, err := aes.NewCipher(raw)
	if err != nil {
		return boxKey{}, err
	}
	aead, err := cipher.NewGCM(block)
	return boxKey{aead: aead}, err
}

// Derive makes a box whose key is HKDF-SHA256 (RFC 5869) of a secret that is not kept:
// salt is the id of the row that the sealed value lies in, use says what for. What it
// seals names no key, as there is none to name.
func Derive(input []byte, salt, use string) (*Box, error) {
	key, err := hkdf.Key(sha256.New, input, []byte(salt), use, KeySize)
	if err != nil {
		return nil, err
	}
	k, err := newBoxKey(key)
	return &Box{keys: []boxKey{k}}, err
}

// Derive makes a box for one row out of a box of install keys: each of its keys is
// HKDF-SHA256 (RFC 5869) of an install key followed by input, with the row's id as salt;
// use says what for. What it seals names the install key, and it opens what any
// of them sealed in this way.
func (b *Box) Derive(input []byte, salt, use string) (*Box, error) {
	derived := &Box{}
	for _, of := range b.keys {
		if of.install == nil {
			return nil, errors.New("secret: only a box of install keys can be derived from")
		}
		key, err := hkdf.Key(sha256.New, append(slices.Clone(of.install[:]), input...), []byte(salt), use, KeySize)
		if err != nil {
			return nil, err
		}
		k, err := newBoxKey(key)
		if err != nil {
			return nil, err
		}
		k.head = of.head
		derived.keys = append(derived.keys, k)
	}
	return derived, nil
}

// Seal encrypts plain, bound to context: it opens only with the same context,
// so a sealed value can't be moved from one row or purpose to another.
func (b *Box) Seal(plain []byte, context string) []byte {
	k := b.keys[0]
	begin := len(k.head) + k.aead.NonceSize()
	sealed := make([]byte, begin, begin+len(plain)+k.aead.Overhead())
	nonce := sealed[copy(sealed, k.head):begin]
	_, _ = rand.Read(nonce)
	return k.aead.Seal(sealed, nonce, plain, []byte(context))
}

// Open gives back what Seal took, or ErrSealed.
func (b *Box) Open(sealed []byte, context string) ([]byte, error) {
	for _, k := range b.keys {
		if rest, named := bytes.CutPrefix(sealed, k.head); named && len(k.head) > 0 {
			if plain, err := k.open(rest, context); err == nil {
				return plain, nil
			}
		}
	}
	// A value without a name begins with random bytes, which may look like one.
	for _, k := range b.keys {
		if plain, err := k.open(sealed, context); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

func (k boxKey) open(sealed []byte, context string) ([]byte, error) {
	n := k.aead.NonceSize()
	if len(sealed) < n {
		return nil, ErrSealed
	}
	return k.aead.Open(nil, sealed[:n], sealed[n:], []byte(context))
}

// Head is what all that Seal makes begins with: the name of the first key. A value that
// begins otherwise was sealed under another key, or by an earlier version. It is no
// secret.
func (b *Box) Head() []byte { return slices.Clone(b.keys[0].head) }

// NewKey makes an install key, in base64.
func NewKey() string {
	var b [KeySize]byte
	_, _ = rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
