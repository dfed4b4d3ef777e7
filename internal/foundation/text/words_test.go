package text_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/text"
)

func TestPlainWords(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"Dana", "Acme Realty", "D'Arcy-O’Neill & Söhne, Inc.", "J. R. Smith", "3 Monkeys", "A", "Zoe\u0308", "42",
		"Ελλάδα 24", "Дом-Строй", "עברית", "على", "हिन्दी", "ไทย", "தமிழ்",
		"株式会社カナダのひろば", "東京タワー", "한국 株式", "ㄅㄆ 中文", "中文", "Ǆ", "ʻOkina",
	} {
		if !text.PlainWords(s, 0) {
			t.Errorf("%q is no plain words", s)
		}
	}
	for _, s := range []string{
		"", " ", "  a", "a  b", " a", "a ", "a\tb", "a\nb", "a\u00a0b", "a\u3000b",
		"evil.example", "a. .b", "login-canopy.example/a", "URGENT: verify", "http://evil", "a@b", "www.evil", "a..", ".a",
		"ｗｗｗ．evil", "evil。example", "evil․example", "1.2.3.4",
		"a_b", "a+b", "(a)", "<b>", "{{.Link}}", `"a"`, "a;b", "a!", "a?",
		"pаypal", "Αpple", "дом home", "東京tower", "カナ한글", "ㄅㄆ かな", "한국 かな", "Дом Ελλάδα",
		"١٢ अ१ a", "a\u200bb", "علی\u200cرضا", "\u202eabc", "abc\u2066", "a\x00",
		"a\xff", "\u0301a", "1\u0301", "😀", "Ⓐ", "½", "€",
		"a\u2019.b", "𝐞𝐯𝐢𝐥", "Дом 𝐞𝐯𝐢𝐥", "𝔇", "𝟒𝟐",
	} {
		if text.PlainWords(s, 0) {
			t.Errorf("%q is plain words", s)
		}
	}
	for _, letter := range []string{"a", "界", "𠮷"} {
		s := strings.Repeat(letter, 60)
		if !text.PlainWords(s, 60) || text.PlainWords(s+letter, 60) || !text.PlainWords(s+letter, 0) {
			t.Errorf("60 times %s", letter)
		}
	}
}
