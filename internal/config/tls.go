package config

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"canopy.dev/canopy/internal/platform/database"
)

// SpeaksTLS reports whether the server speaks TLS itself.
func (s Settings) SpeaksTLS() bool { return s.TLSCert != "" && s.TLSKey != "" || s.SpeaksACME() }

// SpeaksACME reports whether an authority gives the server its certificate.
func (s Settings) SpeaksACME() bool { return s.TLSACME != "" && s.TLSACME != "off" }

// ACMEDirectory is the authority's directory; "" is the usual one.
func (s Settings) ACMEDirectory() string { return strings.TrimPrefix(s.TLSACME, "on") }

// ACMEFolder is where the authority's certificate is kept, beside the database.
func (s Settings) ACMEFolder() string {
	path, _ := database.SQLitePath(s.DatabaseURL)
	return filepath.Join(filepath.Dir(path), "acme")
}

// checkACME tells where no authority can give a certificate.
func (c *Checked) checkACME() error {
	if c.TLSACME != "on" {
		u, err := url.Parse(c.TLSACME)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
			return errors.New("CANOPY_TLS_ACME must be off, on, or the https URL of an authority's directory")
		}
	}
	host := c.Public.Hostname()
	_, notAddress := netip.ParseAddr(host)
	switch _, lite := database.SQLitePath(c.DatabaseURL); {
	case c.TLSCert != "" || c.TLSKey != "":
		return errors.New("CANOPY_TLS_ACME and CANOPY_TLS_CERT are both set; choose one")
	case !lite:
		return errors.New("CANOPY_TLS_ACME needs SQLite: one process only may prove a host; " +
			"with PostgreSQL let the balancer speak TLS, or use CANOPY_TLS_CERT")
	case c.Public.Scheme != "https" || c.Public.Port() != "":
		return errors.New("CANOPY_PUBLIC_URL must be https, without a port, with CANOPY_TLS_ACME")
	case notAddress == nil || !strings.Contains(host, "."):
		return errors.New("CANOPY_PUBLIC_URL must name a host such as canopy.example.com with CANOPY_TLS_ACME")
	}
	return nil
}

// checkTLS tells what does not go together. The files are read by who shows them.
func (c *Checked) checkTLS() error {
	switch {
	case c.SpeaksACME():
		return c.checkACME()
	case c.TLSCert == "" && c.TLSKey == "":
		return nil
	case c.TLSKey == "":
		return errors.New("CANOPY_TLS_KEY must be set with CANOPY_TLS_CERT: the file of the certificate's key")
	case c.TLSCert == "":
		return errors.New("CANOPY_TLS_CERT must be set with CANOPY_TLS_KEY: the file of the key's certificate")
	case c.Public.Scheme != "https":
		return errors.New("CANOPY_PUBLIC_URL must be https where the server speaks TLS (CANOPY_TLS_CERT)")
	}
	return nil
}
