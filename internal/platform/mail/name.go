package mail

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"canopy.dev/canopy/internal/foundation/text"
)

// The words that stand in for names that are missing or no plain words.
const (
	somebody     = "there"
	someTeam     = "a team"
	ownAccount   = "your account"
	someoneKnown = "a colleague"
)

// unprovenName bounds the names in a mail to an address that nobody has proved yet.
const unprovenName = 60

// shown gives a name as the mail of a form shows it: as it is where it is plain words,
// else a neutral word, so that no stranger writes our mails.
func (f form) shown(name, neutral string) string {
	limit := 0
	if f.unproven {
		limit = unprovenName
	}
	if !text.PlainWords(name, limit) {
		return neutral
	}
	return name
}

// shownEmail is shown for an address; what is none becomes empty.
func shownEmail(s string) string {
	if s == "" {
		return ""
	}
	s = oneLine(s)
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 || strings.ContainsRune(s, ' ') || linkLike(s) {
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

// linkLike looks at an address as a lenient reader would: compatibility forms
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
