package text_test

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"canopy.dev/canopy/internal/foundation/text"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for a, b := range map[string]string{
		"ΝΊΚΟΣ": "Νίκος", "ς": "Σ", "Straße": "STRASSE", "ẞ": "ß", "ſ": "S", "\u212a": "k", // Kelvin
		"\u2126": "ω", "\u212b": "å", "ﬁ": "FI", "Ꭰ": "ꭰ", "Ᏸ": "ᏸ", "Zoe\u0308": "ZOË", "İ": "i\u0307",
		"ᾳ\u0301": "ᾴ", "ᾼ": "αι", "ŉ": "ʼN", "ԵՒ": "և", "Ჰ": "ჰ", "DŽ": "dž", "µ": "μ",
	} {
		if text.Fold(a) != text.Fold(b) {
			t.Errorf("%q folds to %+q, %q to %+q", a, text.Fold(a), b, text.Fold(b))
		}
	}
	// Folding is nobody's language: Turkish i's stay what they are.
	for a, b := range map[string]string{"ı": "I", "İ": "i", "é": "e", "ð": "d", "ﬁ": "f"} {
		if text.Fold(a) == text.Fold(b) {
			t.Errorf("%q and %q fold to %q", a, b, text.Fold(a))
		}
	}
}

// All of Unicode: letters that differ in case alone fold alike, and what is folded
// stays.
func TestFoldOfEveryCharacter(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if r >= 0xd800 && r < 0xe000 {
			continue
		}
		folded := text.Fold(string(r))
		if again := text.Fold(folded); again != folded || !norm.NFC.IsNormalString(folded) {
			t.Errorf("%U folds to %+q, and then to %+q", r, folded, again)
		}
		if other := unicode.SimpleFold(r); text.Fold(string(other)) != folded {
			t.Errorf("%U folds to %+q, %U to %+q", r, folded, other, text.Fold(string(other)))
		}
	}
}

func TestCompareIsByFoldedBytes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"straße", "STRASSE", 0}, {"a", "B", -1}, {"Z", "ä", -1}, {"ﬁ", "fj", -1}, {"ς", "τ", -1}, {"b", "A", 1}} {
		if got := text.Compare(tt.a, tt.b); got != tt.want {
			t.Errorf("%q beside %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestLikePattern(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		"": "%%", `50%_\ẞ`: `%50\%\_\\ss%`, "ΝΊΚΟΣ": "%νίκοσ%",
	} {
		if got := text.LikePattern(q); got != want {
			t.Errorf("%q becomes %q, want %q", q, got, want)
		}
	}
}
