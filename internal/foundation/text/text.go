// Package text holds the value rules that every area shares: names, e-mail
// addresses, slugs, passwords. Each rule is one function that takes what came
// in and gives the form that is kept, or the rule that was broken, worded so
// that it can stand behind a field's name: "must be 1 to 100 characters".
package text

import (
	"net/mail"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Name checks a name of 1 to 100 characters (see NameUpTo).
func Name(s string) (kept, broken string) { return NameUpTo(s, 100) }

// NameUpTo trims s, composes it (NFC) and wants 1 to limit code points, none of
// them a control character, a line or paragraph separator, or a direction mark
// or override, and at least one that shows: what a person reads is what is stored.
func NameUpTo(s string, limit int) (kept, broken string) {
	s = norm.NFC.String(strings.TrimSpace(s))
	n := utf8.RuneCountInString(s)
	if !utf8.ValidString(s) || n < 1 || n > limit {
		return "", "must be 1 to " + strconv.Itoa(limit) + " characters"
	}
	if strings.ContainsFunc(s, hidden) {
		return "", "must not hold control characters, line breaks or direction marks"
	}
	if !strings.ContainsFunc(s, shows) {
		return "", "must hold a character that shows"
	}
	return s, ""
}

// Description trims s, composes it (NFC) and wants at most 1,000 code points under the
// rule of names, line feeds excepted. It may be empty.
func Description(s string) (kept, broken string) {
	s = norm.NFC.String(strings.TrimSpace(strings.ReplaceAll(s, "\r\n", "\n")))
	if !utf8.ValidString(s) || utf8.RuneCountInString(s) > 1000 {
		return "", "must be at most 1000 characters"
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && hidden(r) }) {
		return "", "must not hold control characters or direction marks"
	}
	if s != "" && !strings.ContainsFunc(s, shows) {
		return "", "must hold a character that shows"
	}
	return s, ""
}

// shows reports whether a reader sees r: it is neither white space nor
// default-ignorable (UAX 44, Default_Ignorable_Code_Point).
func shows(r rune) bool {
	if unicode.IsSpace(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
		return false
	}
	return !unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Prepended_Concatenation_Mark, r)
}

func hidden(r rune) bool {
	switch {
	case unicode.IsControl(r), r == '\u2028', r == '\u2029',
		r == '\u061c', r == '\u200e', r == '\u200f',
		r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
		return true
	}
	return false
}

const brokenEmail = "must be an e-mail address"

// Email gives the one form an address is kept, compared and answered in:
// trimmed, lower case, domain in ASCII (IDNA, RFC 5891). It wants a bare
// local@domain of at most 254 bytes (RFC 5321, section 4.5.3.1), a local part of
// at most 64 bytes of unquoted ASCII, and a domain of two or more labels. Dots
// and +tags count: two spellings are two addresses.
func Email(s string) (kept, broken string) {
	s = strings.ToLower(strings.TrimSpace(s))
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at > 64 || len(s) > 1024 {
		return "", brokenEmail
	}
	local := s[:at]
	for i := range len(local) {
		if local[i] <= ' ' || local[i] > '~' || local[i] == '"' {
			return "", brokenEmail
		}
	}
	domain, err := domainProfile.ToASCII(s[at+1:])
	if err != nil || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") {
		return "", brokenEmail
	}
	// No top-level domain is a number (RFC 3696, section 2): what ends so is an IP address.
	if top := domain[strings.LastIndexByte(domain, '.')+1:]; strings.Trim(top, "0123456789") == "" {
		return "", brokenEmail
	}
	s = local + "@" + strings.ToLower(domain)
	if len(s) > 254 {
		return "", brokenEmail
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s || parsed.Name != "" {
		return "", brokenEmail
	}
	return s, ""
}

// domainProfile is the look-up profile with every check that a host name
// deserves: letters, digits and hyphens, label and name lengths.
var domainProfile = idna.New(idna.MapForLookup(), idna.StrictDomainName(true), idna.VerifyDNSLength(true),
	idna.BidiRule(), idna.Transitional(false))

// PortalPassword is the rule for portal users: 8 to 128 characters with an
// upper-case letter, a lower-case letter, a digit and a special character. The
// kept form is NFC, so that every keyboard spells the same password.
func PortalPassword(s string) (kept, broken string) {
	s, broken = CurrentPassword(s)
	if broken != "" || utf8.RuneCountInString(s) < 8 {
		return "", "must be 8 to 128 characters, without control characters"
	}
	var upper, lower, digit, special bool
	for _, r := range s {
		switch {
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsLower(r):
			lower = true
		case unicode.IsDigit(r):
			digit = true
		case !unicode.IsLetter(r):
			special = true
		}
	}
	if !upper || !lower || !digit || !special {
		return "", "must hold an upper-case letter, a lower-case letter, a digit and a special character"
	}
	return s, ""
}

// CurrentPassword is the rule for a password that is only compared: 1 to 128
// characters. The kept form is NFC, as for PortalPassword.
func CurrentPassword(s string) (kept, broken string) {
	if !utf8.ValidString(s) {
		return "", "must be UTF-8"
	}
	s = norm.NFC.String(s)
	if n := utf8.RuneCountInString(s); n < 1 || n > 128 {
		return "", "must be 1 to 128 characters"
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return "", "must not hold control characters"
	}
	return s, ""
}

// IdentityPassword is the rule for identities: 8 to 64 characters of any kind. The kept form
// is NFC, as for PortalPassword.
func IdentityPassword(s string) (kept, broken string) {
	s, broken = CurrentPassword(s)
	if n := utf8.RuneCountInString(s); broken != "" || n < 8 || n > 64 {
		return "", "must be 8 to 64 characters, without control characters"
	}
	return s, ""
}

// IsOwnAddress reports whether a password is nothing but the person's e-mail address, or what
// stands before its @, without regard to case.
func IsOwnAddress(password, email string) bool {
	local, _, _ := strings.Cut(email, "@")
	password = Fold(password)
	return password == Fold(email) || password == Fold(local)
}

// ExternalID is the rule for what another system calls something: 1 to 255 characters, which
// are kept as they are.
func ExternalID(s string) (kept, broken string) {
	if n := utf8.RuneCountInString(s); !utf8.ValidString(s) || n < 1 || n > 255 {
		return "", "must be 1 to 255 characters"
	}
	return s, ""
}

// IsSlug reports whether s follows ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$.
func IsSlug(s string) bool {
	if len(s) < 1 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// Slug derives a slug from a name: marks stripped, lower case, every run of
// other characters one dash, cut to 63; empty gives fallback.
func Slug(name, fallback string) string {
	var b strings.Builder
	dash := false
	for _, r := range norm.NFKD.String(strings.ToLower(name)) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			if dash && b.Len() > 0 {
				b.WriteByte('-')
			}
			dash = false
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r):
		default:
			dash = true
		}
	}
	if s := strings.TrimRight(cut(b.String(), 63), "-"); s != "" {
		return s
	}
	return fallback
}

// SlugNumber is the n-th spelling of a slug: the slug itself, then -2, -3, …
// still within 63 characters.
func SlugNumber(slug string, n int) string {
	if n < 2 {
		return slug
	}
	suffix := "-" + strconv.Itoa(n)
	return strings.TrimRight(cut(slug, 63-len(suffix)), "-") + suffix
}

func cut(s string, n int) string { return s[:min(len(s), n)] }
