package mail

import (
	"errors"
	netmail "net/mail"
	"net/netip"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// domains turns IDN into ASCII, which every mail server understands.
var domains = idna.New(idna.MapForLookup(), idna.StrictDomainName(true), idna.VerifyDNSLength(true),
	idna.BidiRule(), idna.Transitional(false))

var errSender = errors.New("mail: the sender must be an e-mail address, or Name <address>")

// commented is the old form of a sender: address (Name).
var commented = regexp.MustCompile(`^([^\s()<>]+)\s*\((.+)\)$`)

// parseSender reads an address with or without a name. The name counts as it is
// written, with brackets and commas, unless it is one quoted string or holds
// encoded words (RFC 5322, RFC 2047). The domain becomes ASCII; the local part
// need not be.
func parseSender(s string) (*netmail.Address, error) {
	s = strings.TrimSpace(s)
	if strings.ContainsFunc(s, unicode.IsControl) {
		return nil, errSender
	}
	name, bare := "", s
	if open := strings.LastIndexByte(s, '<'); open >= 0 && strings.HasSuffix(s, ">") {
		name, bare = strings.TrimSpace(s[:open]), s[open+1:len(s)-1]
	} else if parts := commented.FindStringSubmatch(s); parts != nil {
		bare, name = parts[1], strings.TrimSpace(parts[2])
	}
	quoted := len(name) > 1 && name[0] == '"' && name[len(name)-1] == '"' || strings.Contains(name, "=?")
	if whole, err := netmail.ParseAddress(name + " <a@b.example>"); quoted && err == nil {
		name = whole.Name
	} else if strings.ContainsRune(name, '@') {
		return nil, errSender // most likely two addresses
	}
	a, err := netmail.ParseAddress("<" + bare + ">")
	if err != nil || a.Name != "" || oneLine(name) != name || oneLine(a.Address) != a.Address {
		return nil, errSender
	}
	address, ok := asciiDomain(a.Address)
	if !ok {
		return nil, errSender
	}
	return &netmail.Address{Name: name, Address: address}, nil
}

// asciiDomain is the address with its domain in ASCII; false where there is no such
// domain.
func asciiDomain(address string) (string, bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 {
		return "", false
	}
	if headerSafe(address[at+1:]) {
		return address, true
	}
	domain, err := domains.ToASCII(address[at+1:])
	return address[:at+1] + domain, err == nil
}

// bareAddress is s as a recipient: local@domain, the local part in unquoted ASCII,
// the domain made so. false where s is something else.
func bareAddress(s string) (string, bool) {
	a, err := netmail.ParseAddress(s)
	if err != nil || a.Name != "" || a.Address != s {
		return "", false
	}
	s, ok := asciiDomain(s)
	return s, ok && headerSafe(s) && len(s) <= 254 && !strings.ContainsAny(s, `"<> `)
}

var allDigits = regexp.MustCompile(`(^|\.)[0-9]+$`)

// ParseEHLO reads the name that a client gives itself: a host name, whose IDN become
// ASCII, or an address, which becomes an address literal (RFC 5321, section 4.1.3).
func ParseEHLO(s string) (string, error) {
	s = strings.TrimSpace(s)
	inner, literal := strings.CutPrefix(s, "[")
	if literal {
		inner, literal = strings.CutSuffix(inner, "]")
		if len(inner) > 5 && strings.EqualFold(inner[:5], "IPv6:") {
			inner = inner[5:]
		}
	}
	if a, err := netip.ParseAddr(inner); err == nil && a.Zone() == "" && (literal || inner == s) {
		return addressLiteral(a), nil
	}
	name, err := domains.ToASCII(strings.TrimSuffix(s, "."))
	if err != nil || name == "" || !headerSafe(name) || allDigits.MatchString(name) {
		return "", errors.New("must be a host name such as canopy.example.com, or an address such as [192.0.2.1]")
	}
	return strings.ToLower(name), nil
}

// addressLiteral is how a client without a name calls itself (RFC 5321, section
// 4.1.4): every server accepts it.
func addressLiteral(a netip.Addr) string {
	if a = a.Unmap().WithZone(""); a.Is4() {
		return "[" + a.String() + "]"
	}
	return "[IPv6:" + a.String() + "]"
}
