package secret_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/secret"
)

// key is an install key that is all of one byte.
func key(b byte) []byte { return bytes.Repeat([]byte{b}, secret.KeySize) }

// box is that of the keys of these bytes.
func box(t *testing.T, first byte, others ...byte) *secret.Box {
	t.Helper()
	keys := [][]byte{key(first)}
	for _, b := range others {
		keys = append(keys, key(b))
	}
	b, err := secret.NewBox(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBoxOpensOnlyWhatItSealed(t *testing.T) {
	t.Parallel()
	b, plain := box(t, 1), []byte("the link in a queued mail")
	sealed := b.Seal(plain, "outbox 1")
	if got, err := b.Open(sealed, "outbox 1"); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q %v", got, err)
	}
	if bytes.Equal(sealed, b.Seal(plain, "outbox 1")) {
		t.Error("one text is sealed alike twice")
	}
	if bytes.Contains(sealed, plain) {
		t.Error("the text can be read")
	}
	refuse := func(what string, b *secret.Box, sealed []byte, context string) {
		t.Helper()
		if got, err := b.Open(sealed, context); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("%s opens: %q %v", what, got, err)
		}
	}
	refuse("another row", b, sealed, "outbox 2")
	refuse("another key", box(t, 2), sealed, "outbox 1")
	for i := range sealed {
		for bit := range 8 {
			damaged := bytes.Clone(sealed)
			damaged[i] ^= 1 << bit
			refuse(fmt.Sprintf("byte %d changed", i), b, damaged, "outbox 1")
		}
		refuse(fmt.Sprintf("the first %d bytes", i), b, sealed[:i], "outbox 1")
	}
	refuse("with a tail", b, append(bytes.Clone(sealed), 0), "outbox 1")
}

// opens wants the "x" back that was sealed for "row".
func opens(t *testing.T, what string, b *secret.Box, sealed []byte) {
	t.Helper()
	if got, err := b.Open(sealed, "row"); err != nil || string(got) != "x" {
		t.Errorf("%s: %q, %v", what, got, err)
	}
}

// shut wants ErrSealed.
func shut(t *testing.T, what string, b *secret.Box, sealed []byte, context string) {
	t.Helper()
	if got, err := b.Open(sealed, context); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("%s opens: %q, %v", what, got, err)
	}
}

// unnamed seals "x" for "row" as earlier versions did: nonce, ciphertext and tag.
func unnamed(t *testing.T, raw, nonce []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(raw)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(slices.Clone(nonce), nonce, []byte("x"), []byte("row"))
}

func TestTheFirstKeySealsAndAllOpen(t *testing.T) {
	t.Parallel()
	old, both, turned, fresh := box(t, 1), box(t, 1, 2), box(t, 2, 1), box(t, 2)
	byOld, byNew := both.Seal([]byte("x"), "row"), turned.Seal([]byte("x"), "row")
	opens(t, "the first key's, by that key alone", old, byOld)
	opens(t, "the first key's, after the change", turned, byOld)
	shut(t, "the first key's without that key", fresh, byOld, "row")
	opens(t, "the new first key's, by that key alone", fresh, byNew)
	opens(t, "the new first key's, by who knows it second", both, byNew)
	shut(t, "the new key's without that key", old, byNew, "row")
	for _, b := range []*secret.Box{both, turned} {
		shut(t, "another row's", b, byOld, "other row")
		shut(t, "another row's", b, byNew, "other row")
	}
}

func TestSealedValuesNameTheirKey(t *testing.T) {
	t.Parallel()
	one, two := box(t, 1, 2), box(t, 2, 1)
	if len(one.Head()) != 12 || bytes.Equal(one.Head(), two.Head()) {
		t.Errorf("names %x and %x", one.Head(), two.Head())
	}
	if !bytes.Equal(one.Head(), box(t, 1).Head()) {
		t.Error("the name depends on the other keys")
	}
	if !bytes.HasPrefix(one.Head(), []byte{0x00, 'c', 'k', 0x01}) {
		t.Errorf("the head is %x: stored values begin otherwise", one.Head())
	}
	sealed := one.Seal([]byte("x"), "row")
	if !bytes.HasPrefix(sealed, one.Head()) {
		t.Errorf("%x does not name %x", sealed, one.Head())
	}
	// A wrong name is not followed, and nothing is opened by guessing past it.
	shut(t, "under the other key's name", one, append(two.Head(), sealed[12:]...), "row")
}

func TestValuesWithoutANameOpenWithEachKey(t *testing.T) {
	t.Parallel()
	three := box(t, 1, 2, 3)
	nonce := make([]byte, 12)
	for _, k := range []byte{1, 2, 3} {
		_, _ = rand.Read(nonce)
		sealed := unnamed(t, key(k), nonce)
		opens(t, fmt.Sprintf("key %d", k), three, sealed)
		shut(t, fmt.Sprintf("key %d, another row", k), three, sealed, "other row")
	}
	_, _ = rand.Read(nonce)
	shut(t, "a strange key", three, unnamed(t, key(4), nonce), "row")
	// Its first random bytes may be those of a name.
	for _, k := range []byte{1, 2, 3} {
		sealed := unnamed(t, key(k), three.Head())
		opens(t, fmt.Sprintf("key %d, begins like a name", k), three, sealed)
	}
}

func TestDerivedKeysAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	// HKDF-SHA256 of the install key followed by the input, salted with the row.
	raw, err := hkdf.Key(sha256.New, append(key(2), "input"...), []byte("row"), "use v1", secret.KeySize)
	if err != nil {
		t.Fatal(err)
	}
	derive := func(b *secret.Box) *secret.Box {
		t.Helper()
		d, err := b.Derive([]byte("input"), "row", "use v1")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	both, turned := box(t, 1, 2), box(t, 2, 1)
	sealed := derive(turned).Seal([]byte("x"), "row")
	if !bytes.HasPrefix(sealed, turned.Head()) {
		t.Errorf("%x does not name its install key %x", sealed, turned.Head())
	}
	opens(t, "by who knows the key second", derive(both), sealed)
	shut(t, "without the key", derive(box(t, 1)), sealed, "row")
	shut(t, "by the install key itself", turned, sealed, "row")
	nonce := make([]byte, 12)
	opens(t, "the contract's key", derive(both), unnamed(t, raw, nonce))
	for _, other := range [][3]string{
		{"other", "row", "use v1"}, {"input", "other", "use v1"}, {"input", "row", "other"},
	} {
		d, err := turned.Derive([]byte(other[0]), other[1], other[2])
		if err != nil {
			t.Fatal(err)
		}
		shut(t, fmt.Sprint(other), d, sealed, "row")
	}
	if _, err := derive(both).Derive(nil, "", ""); err == nil {
		t.Error("a derived box gives another")
	}
}

func TestNewBoxRefusesBadLists(t *testing.T) {
	t.Parallel()
	many := [][]byte{}
	for i := range secret.MaxKeys + 1 {
		many = append(many, key(byte(i)))
	}
	if _, err := secret.NewBox(many[1:]...); err != nil {
		t.Error(err)
	}
	for what, list := range map[string][][]byte{
		"no key": {}, "empty": {key(1), {}}, "16 bytes": {make([]byte, 16)}, "31 bytes": {make([]byte, 31)},
		"33 bytes": {key(1), make([]byte, 33)}, "one twice": {key(1), key(2), key(1)}, "too many": many,
	} {
		if _, err := secret.NewBox(list...); err == nil {
			t.Errorf("%s: taken", what)
		}
	}
}

func TestBoxesHideTheirKeys(t *testing.T) {
	t.Parallel()
	holder := struct{ Box *secret.Box }{box(t, 'k')}
	shown := fmt.Sprintf("%v %+v %#v %v %+v %#v", holder, holder, holder, holder.Box, holder.Box, *holder.Box)
	for _, text := range []string{"kkkk", "107 107", "0x6b, 0x6b", "6b6b"} {
		if strings.Contains(shown, text) {
			t.Errorf("a key is shown: %s", shown)
		}
	}
}
