package mail

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// The words that stand in for names that are missing or look like a link.
const (
	somebody     = "there"
	someTeam     = "a team"
	someoneKnown = "a colleague"
)

// shown gives a name as a mail shows it: on one line, without control
// characters and direction marks; neutral where nothing is left or where a mail
// reader would make a link of it.
func shown(name, neutral string) string {
	name = oneLine(name)
	if name == "" || linkLike(name) {
		return neutral
	}
	return name
}

// shownEmail is shown for an address; what is none becomes empty.
func shownEmail(s string) string {
	if s == "" {
		return ""
	}
	s = shown(s, someoneKnown)
	if at := strings.LastIndexByte(s, '@'); at < 1 || at == len(s)-1 || strings.ContainsRune(s, ' ') {
		return someoneKnown
	}
	return s
}

func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsControl(r), r == '\u2028', r == '\u2029':
			return ' '
		case r == '\u200c', r == '\u200d': // joiners: Persian and Indic names need them
			return r
		case unicode.Is(unicode.Cf, r): // direction marks and overrides, zero-width characters
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}

// linkLike looks at the name as a lenient reader would: compatibility forms
// (fullwidth letters, the ideographic full stop) folded, joiners left out.
func linkLike(s string) bool {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\u3002':
			return '.'
		case unicode.Is(unicode.Cf, r):
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKC.String(s))
	return strings.Contains(s, "://") || strings.Contains(s, "www.")
}

// headerSafe reports whether s can stand in a header as it is: printable ASCII.
func headerSafe(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
