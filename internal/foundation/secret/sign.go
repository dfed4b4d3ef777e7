package secret

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
)

// Sign is the HMAC-SHA256 (RFC 2104) of a text under a key that is HKDF-SHA256 (RFC 5869) of the
// first install key; use says what for, and no two uses share one.
func (b *Box) Sign(text, use string) ([]byte, error) { return b.keys[0].sign(text, use) }

// Signed reports whether a signature is Sign's of a text, under any of the install keys. It takes
// as long whatever the signature is.
func (b *Box) Signed(text, use string, signature []byte) (bool, error) {
	is := false
	for _, k := range b.keys {
		want, err := k.sign(text, use)
		if err != nil {
			return false, err
		}
		is = hmac.Equal(want, signature) || is
	}
	return is, nil
}

func (k boxKey) sign(text, use string) ([]byte, error) {
	if k.install == nil {
		return nil, errors.New("secret: only a box of install keys signs")
	}
	key, err := hkdf.Key(sha256.New, k.install[:], nil, use, KeySize)
	if err != nil {
		return nil, err
	}
	return MAC(key, []byte(text)), nil
}
