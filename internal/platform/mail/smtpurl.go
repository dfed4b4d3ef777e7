package mail

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// TLSMode says how a connection to the mail server is protected. The empty
// value means StartTLS.
type TLSMode string

// The values of the tls parameter.
const (
	StartTLS    TLSMode = "starttls" // begin in clear, insist on STARTTLS (RFC 3207); default port 587
	ImplicitTLS TLSMode = "implicit" // TLS from the first byte (RFC 8314); default port 465
	NoTLS       TLSMode = "none"     // in clear; default port 25
)

// SMTPConfig says how to reach the mail server. It prints without its password.
type SMTPConfig struct {
	// Host is a name or an IP address (IPv6 without brackets). The certificate of
	// the server must be for it.
	Host string
	// Port is 1 to 65535.
	Port int
	// Username and Password are both set or both empty.
	Username string
	Password string `json:"-"`
	// TLS never gives way to a weaker mode.
	TLS TLSMode
	// EHLO is what the client calls itself, as ParseEHLO gives it; empty means the
	// address it speaks from.
	EHLO string
	// RootCAs are the authorities to trust; nil means those of the system.
	RootCAs *x509.CertPool `json:"-"`
}

// ParseSMTPURL reads smtp://user:pass@host:587?tls=starttls|none|implicit. User
// and password are optional and percent-encoded; without tls it is starttls,
// without a port the usual one of the mode. Credentials with tls=none are
// accepted for a loopback host alone. Errors are one line and repeat nothing of
// the URL.
func ParseSMTPURL(s string) (SMTPConfig, error) {
	const encode = "characters such as / ? # @ % in user or password must be percent-encoded"
	u, err := url.Parse(s)
	switch {
	case err != nil:
		// The error of url.Parse repeats the URL, and so the password.
		return SMTPConfig{}, errors.New("SMTP URL: can't be read; " + encode)
	case u.Scheme == "smtps":
		return SMTPConfig{}, errors.New("SMTP URL: must start with smtp://; " +
			"for TLS from the first byte write smtp://host:465?tls=implicit")
	case u.Scheme != "smtp":
		return SMTPConfig{}, errors.New("SMTP URL: must start with smtp://")
	case u.Opaque != "" || u.Hostname() == "":
		return SMTPConfig{}, errors.New("SMTP URL: the host is missing; write smtp://user:pass@host:587")
	case u.Path != "" && u.Path != "/" || u.Fragment != "":
		return SMTPConfig{}, errors.New("SMTP URL: nothing may follow the host but ?tls=…; " + encode)
	}
	c := SMTPConfig{Host: u.Hostname(), TLS: StartTLS}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return SMTPConfig{}, errors.New("SMTP URL: the part after ? can't be read; the one parameter is tls")
	}
	for name, values := range query {
		if name != "tls" || len(values) != 1 {
			return SMTPConfig{}, errors.New("SMTP URL: the one parameter is tls, once")
		}
		switch c.TLS = TLSMode(values[0]); c.TLS {
		case StartTLS, ImplicitTLS, NoTLS:
		default:
			return SMTPConfig{}, errors.New("SMTP URL: tls must be starttls, implicit or none")
		}
	}
	c.Port = map[TLSMode]int{StartTLS: 587, ImplicitTLS: 465, NoTLS: 25}[c.TLS]
	if p := u.Port(); p != "" {
		if c.Port, err = strconv.Atoi(p); err != nil || c.Port < 1 || c.Port > 65535 {
			return SMTPConfig{}, errors.New("SMTP URL: the port must be 1 to 65535")
		}
	}
	if !headerSafe(c.Host) {
		if c.Host, err = domains.ToASCII(c.Host); err != nil {
			c.Host = ""
		}
	}
	if c.Host == "" || strings.ContainsAny(c.Host, " ") {
		return SMTPConfig{}, errors.New("SMTP URL: the host must be a name or an IP address")
	}
	if u.User != nil {
		c.Username = u.User.Username()
		c.Password, _ = u.User.Password()
		if c.Username == "" || c.Password == "" {
			return SMTPConfig{}, errors.New("SMTP URL: give both user and password, or neither")
		}
		if strings.ContainsAny(c.Username+c.Password, "\x00\r\n") {
			return SMTPConfig{}, errors.New("SMTP URL: user and password must not hold NUL or line breaks")
		}
	}
	return c, c.safe()
}

// safe refuses credentials that would cross a network in clear.
func (c SMTPConfig) safe() error {
	if c.TLS == NoTLS && c.Username != "" && !loopback(c.Host) {
		return errors.New("SMTP URL: user and password with tls=none are sent to a loopback host alone; " +
			"use tls=starttls or tls=implicit")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func (c SMTPConfig) addr() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

// String is the URL of c with "xxxxx" for the password.
func (c SMTPConfig) String() string {
	u := url.URL{Scheme: "smtp", Host: c.addr()}
	if c.Username != "" {
		u.User = url.UserPassword(c.Username, c.Password)
	}
	if c.TLS != "" {
		u.RawQuery = "tls=" + url.QueryEscape(string(c.TLS))
	}
	return u.Redacted()
}

// GoString is String, so that %#v shows no password either.
func (c SMTPConfig) GoString() string { return c.String() }

// LogValue is String, for logs.
func (c SMTPConfig) LogValue() slog.Value { return slog.StringValue(c.String()) }
