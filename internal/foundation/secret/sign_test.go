package secret_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"testing"

	"canopy.dev/canopy/internal/foundation/secret"
)

func TestSignedTellsWhatWasSigned(t *testing.T) {
	t.Parallel()
	both, turned := box(t, 1, 2), box(t, 2, 1)
	signature, err := both.Sign("text", "use v1")
	if err != nil {
		t.Fatal(err)
	}
	derived, err := hkdf.Key(sha256.New, key(1), nil, "use v1", secret.KeySize)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(signature, secret.MAC(derived, []byte("text"))) {
		t.Errorf("the signature is %x", signature)
	}
	damaged := bytes.Clone(signature)
	damaged[31] ^= 1
	for what, c := range map[string]struct {
		box       *secret.Box
		text, use string
		signature []byte
		want      bool
	}{
		"as it is":             {both, "text", "use v1", signature, true},
		"the key comes second": {turned, "text", "use v1", signature, true},
		"without the key":      {box(t, 2), "text", "use v1", signature, false},
		"another text":         {both, "texts", "use v1", signature, false},
		"another use":          {both, "text", "use v2", signature, false},
		"damaged":              {both, "text", "use v1", damaged, false},
		"cut":                  {both, "text", "use v1", signature[:31], false},
		"none":                 {both, "text", "use v1", nil, false},
	} {
		if got, err := c.box.Signed(c.text, c.use, c.signature); err != nil || got != c.want {
			t.Errorf("%s: %v, %v", what, got, err)
		}
	}
	one, err := secret.Derive([]byte("x"), "row", "use v1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Sign("text", "use v1"); err == nil {
		t.Error("a derived box signs")
	}
	if _, err := one.Signed("text", "use v1", signature); err == nil {
		t.Error("a derived box judges")
	}
}
