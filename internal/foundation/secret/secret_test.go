package secret_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/secret"
)

func TestTokensHideThemselves(t *testing.T) {
	t.Parallel()
	token := secret.NewToken()
	if len(token.Reveal()) != 43 || token.Reveal() == secret.NewToken().Reveal() {
		t.Errorf("token %q", token.Reveal())
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", token)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "token", token)
	for _, shown := range []string{log.String(), fmt.Sprint(token), fmt.Sprintf("%v %s %+v", token, token, token)} {
		if strings.Contains(shown, token.Reveal()) {
			t.Errorf("shown: %s", shown)
		}
	}
	// RFC 4648: the last character of 43 has two bits to spare, so other
	// spellings of the same bytes exist. None of them is the token.
	raw, err := base64.RawURLEncoding.DecodeString(token.Reveal())
	if err != nil || len(raw) != 32 {
		t.Fatal(raw, err)
	}
	for _, spelling := range []string{
		token.Reveal() + "=", " " + token.Reveal(), base64.StdEncoding.EncodeToString(raw),
		strings.ToUpper(token.Reveal()),
	} {
		if spelling != token.Reveal() && secret.Hash(spelling) == token.Hash() {
			t.Errorf("a second spelling works: %q", spelling)
		}
	}
}

var cheap = secret.Params{MemoryKiB: 64, Time: 1, Threads: 1}

func TestHasherKnowsItsPasswords(t *testing.T) {
	t.Parallel()
	h := secret.NewHasher(cheap, 1, 4)
	phc, err := h.Hash(t.Context(), secret.From{}, "Correct-Horse-7")
	if err != nil || !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatal(phc, err)
	}
	if again, _ := h.Hash(t.Context(), secret.From{}, "Correct-Horse-7"); again == phc {
		t.Error("one password is hashed alike twice: no salt")
	}
	verify := func(h *secret.Hasher, phc, password string, wantOK, wantOld bool) {
		t.Helper()
		which, old, err := h.Verify(t.Context(), secret.From{}, password, phc)
		if err != nil || (which == 0) != wantOK || old != wantOld {
			t.Errorf("%q against %q: %d, outdated %v, %v", password, phc, which, old, err)
		}
	}
	verify(h, phc, "Correct-Horse-7", true, false)
	verify(h, phc, "correct-Horse-7", false, false)
	verify(h, phc, "", false, false)
	verify(secret.NewHasher(secret.Params{MemoryKiB: 128, Time: 1, Threads: 1}, 1, 4), phc, "Correct-Horse-7", true, true)
	parts := strings.Split(phc, "$")
	for _, damaged := range []string{
		"", "$", "plain", strings.Replace(phc, "argon2id", "argon2i", 1),
		strings.Replace(phc, "v=19", "v=16", 1),
		strings.Replace(phc, "m=64", "m=99999999", 1), strings.Replace(phc, "t=1", "t=0", 1),
		strings.Replace(phc, "p=1", "p=0", 1),
		strings.Join(parts[:5], "$") + "$", phc + "$x", strings.Replace(phc, parts[5], "!!!", 1),
		strings.Replace(phc, parts[4], "!!!", 1),
	} {
		verify(h, damaged, "Correct-Horse-7", false, false)
	}
}

// Of several hashes the first that fits is told, after as many hashes as were tried: no
// hash and one that can't be read take the time of another.
func TestVerifyTriesInTurn(t *testing.T) {
	t.Parallel()
	h := secret.NewHasher(cheap, 1, 4)
	a, err := h.Hash(t.Context(), secret.From{}, "Correct-Horse-7")
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Hash(t.Context(), secret.From{}, "Wrong-Horse-7")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		phcs        []string
		which, cost int
	}{
		{[]string{a, b}, 0, 1},
		{[]string{b, a}, 1, 2},
		{[]string{"", a}, 1, 2},
		{[]string{b, ""}, -1, 2},
		{[]string{"", ""}, -1, 2},
		{[]string{"$", b, b}, -1, 3},
	} {
		before := h.Done()
		which, _, err := h.Verify(t.Context(), secret.From{}, "Correct-Horse-7", c.phcs...)
		if which != c.which || err != nil || h.Done()-before != int64(c.cost) {
			t.Errorf("%q: %d, %v after %d", c.phcs, which, err, h.Done()-before)
		}
	}
}
