package text_test

import (
	"net/mail"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"canopy.dev/canopy/internal/foundation/text"
)

func TestNamesAreKeptAsPeopleReadThem(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"  Dana Cole\t":                "Dana Cole",
		"Zoe\u0308":                    "Zoë",
		"山田 太郎":                        "山田 太郎",
		"Ａｌｅｘ":                         "Ａｌｅｘ",
		"אבי":                          "אבי",
		"O'Neil-Ng <b>":                "O'Neil-Ng <b>",
		"👩‍💻":                          "👩‍💻",
		strings.Repeat("é", 100):       strings.Repeat("é", 100),
		strings.Repeat("e\u0301", 100): strings.Repeat("é", 100),
	} {
		if got, broken := text.Name(in); got != want || broken != "" {
			t.Errorf("%q is kept as %q (%s), want %q", in, got, broken, want)
		}
	}
}

func TestNamesThatDeceiveAreRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", " \t ", strings.Repeat("x", 101), "a\x00b", "a\r\nBcc: x@y.z", "a\u2028b", "a\u2029b",
		"a\u0085b", "\u202eevil", "a\u202ab", "a\u2066b",
		"a\u2069b", "a\u200eb", "a\u200fb", "a\u061cb", "a\x7fb", "\xff\xfe", "a\xc3",
	} {
		if kept, broken := text.Name(in); broken == "" {
			t.Errorf("%q is kept as %q", in, kept)
		}
	}
}

// TestNamesShowSomething: what readers see as nothing is no name, be it of one such
// character or of many; beside one that shows they stay.
func TestNamesShowSomething(t *testing.T) {
	t.Parallel()
	blank := []string{
		"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u034f", "\u115f", "\u1160", "\u17b4", "\u180e",
		"\u3164", "\uffa0", "\ufe0f", "\U000e0020", "\U000e0100", "\u2064", "\U0001d173",
	}
	for _, s := range append(blank, strings.Join(blank, ""), "\u200b \u200b", strings.Repeat("\u3164", 100)) {
		if kept, broken := text.Name(s); broken == "" {
			t.Errorf("%+q is kept as %+q", s, kept)
		}
	}
	for _, s := range blank {
		if _, broken := text.Name("a" + s + "b"); broken != "" {
			t.Errorf("%+q between letters: %s", s, broken)
		}
	}
}

func TestEmailsHaveOneForm(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." +
		strings.Repeat("d", 61)
	for in, want := range map[string]string{
		"  Dana@ACME.com ":              "dana@acme.com", //nolint:gocritic // spaces are the case
		"dana+tag@acme.com":             "dana+tag@acme.com",
		"d.a.n.a@acme.co.uk":            "d.a.n.a@acme.co.uk",
		"dana@bücher.example":           "dana@xn--bcher-kva.example",
		"dana@BÜCHER.example":           "dana@xn--bcher-kva.example",
		"dana@ｅｘａｍｐｌｅ.com":              "dana@example.com",
		"o'neil!#$%&*/=?^_`{|}~@x.test": "o'neil!#$%&*/=?^_`{|}~@x.test",
		longest:                         longest,
	} {
		got, broken := text.Email(in)
		if got != want || broken != "" {
			t.Errorf("%q is kept as %q (%s), want %q", in, got, broken, want)
		}
		if again, _ := text.Email(got); again != got {
			t.Errorf("%q becomes %q the second time", got, again)
		}
	}
	if len(longest) != 254 {
		t.Fatalf("the longest has %d bytes", len(longest))
	}
}

func TestWhatIsNoEmailIsRefused(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"", "dana", "@acme.com", "dana@", "dana@acme", "dana@acme.", "dana@.com",
		"dana@@acme.com", "da na@acme.com", ".dana@acme.com", "dana.@acme.com",
		"da..na@acme.com", `"dana"@acme.com`, "dana@[127.0.0.1]", "Dana <dana@acme.com>", "dana@acme.com,kim@acme.com",
		"dana@acme.com\r\nBcc: x@y.z", "dañа@acme.com",
		"dana@-acme.com", "dana@ac_me.com", "dana@acme .com", "\u202edana@acme.com", "dana@acme\u2028.com",
		"dana\x00@acme.com", strings.Repeat("a", 65) + "@acme.com",
		"a@127.0.0.1", "a@b.123", "a@" + strings.Repeat("b", 64) + ".com",
		strings.Repeat("a", 64) + "@" + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + "." +
			strings.Repeat("d", 62), "a@" + strings.Repeat("b.", 126) + "com", "\xff@acme.com", "dana@\xff.com",
	} {
		if kept, broken := text.Email(in); broken == "" {
			t.Errorf("%q is kept as %q", in, kept)
		}
	}
}

func TestPortalPasswords(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"Correct-Horse-7", "Aa1!aaaa", "Ñandú 12", "Пароль-12", "Aa1!" + strings.Repeat("é", 124),
	} {
		if _, broken := text.PortalPassword(in); broken != "" {
			t.Errorf("%q: %s", in, broken)
		}
	}
	for _, in := range []string{
		"", "Aa1!aaa", "aa1!aaaa", "AA1!AAAA", "Aaa!aaaa", "Aa1aaaaa", "Aa1!aaa\x00", "Aa1!aaa\n", "Aa1!aaaa\xff",
		"Aa1!" + strings.Repeat("é", 125),
	} {
		if _, broken := text.PortalPassword(in); broken == "" {
			t.Errorf("%q passes", in)
		}
	}
	composed, _ := text.PortalPassword("Pässword-1")
	spelled, _ := text.PortalPassword("Pa\u0308ssword-1")
	if composed != spelled {
		t.Error("two keyboards spell two passwords")
	}
}

func TestSlugs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"Acme Realty": "acme-realty", "  --Zoë & Søn--  ": "zoe-s-n", "山田": "account",
		"A": "a", "": "account",
		strings.Repeat("ab ", 40): strings.TrimRight(strings.Repeat("ab-", 21), "-"),
	} {
		if got := text.Slug(in, "account"); got != want || !text.IsSlug(got) {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
	if got := text.SlugNumber(strings.Repeat("a", 63), 12); got != strings.Repeat("a", 60)+"-12" {
		t.Error(got)
	}
	for _, in := range []string{"", "-a", "a-", "A", "a_b", "é", strings.Repeat("a", 64)} {
		if text.IsSlug(in) {
			t.Errorf("%q is a slug", in)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"Dana", "\u202eevil", "e\u0301", "\xff", "a\r\nb"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept, broken := text.Name(s)
		if (kept == "") == (broken == "") {
			t.Fatalf("%q is kept as %q and broken as %q", s, kept, broken)
		}
		if broken != "" {
			return
		}
		if !utf8.ValidString(kept) || !norm.NFC.IsNormalString(kept) || strings.TrimSpace(kept) != kept ||
			utf8.RuneCountInString(kept) > 100 ||
			strings.ContainsFunc(kept, unicode.IsControl) {
			t.Errorf("%q is kept as %q", s, kept)
		}
		if again, _ := text.Name(kept); again != kept {
			t.Errorf("%q becomes %q the second time", kept, again)
		}
		if slug := text.Slug(kept, "account"); !text.IsSlug(slug) {
			t.Errorf("%q gives the slug %q", kept, slug)
		}
	})
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"dana@acme.com", "dana@bücher.example", "a@b@c.d", "x@xn--a.b", "a@ß.de"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kept, broken := text.Email(s)
		if (kept == "") == (broken == "") {
			t.Fatalf("%q is kept as %q and broken as %q", s, kept, broken)
		}
		if broken != "" {
			return
		}
		if a, err := mail.ParseAddress(kept); err != nil || a.Address != kept || len(kept) > 254 ||
			strings.ContainsFunc(kept, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q is kept as %q", s, kept)
		}
		if again, broken := text.Email(kept); again != kept {
			t.Errorf("%q becomes %q (%s) the second time", kept, again, broken)
		}
	})
}
