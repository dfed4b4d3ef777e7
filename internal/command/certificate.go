package command

import (
	"crypto/tls"
	"log/slog"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/certificate"
)

// certificateOf is what the server speaks TLS by; nil where the settings name no certificate.
func certificateOf(c *config.Checked, log *slog.Logger) (*tls.Config, error) {
	if !c.SpeaksTLS() {
		return nil, nil //nolint:nilnil // the standard library's way to say plain HTTP
	}
	files, err := certificate.Open(c.TLSCert, c.TLSKey, log, time.Now)
	if err != nil {
		return nil, err
	}
	if err := files.Covers(c.Public.Hostname()); err != nil {
		log.Warn("the TLS certificate is not for the public URL's host: clients will refuse it", "error", err)
	}
	return files.Config(), nil
}

// checkCertificate says how long the certificate of the settings is good for.
func checkCertificate(c *config.Checked) (time.Duration, error) {
	files, err := certificate.Open(c.TLSCert, c.TLSKey, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return 0, err
	}
	return time.Until(files.Expires()), files.Covers(c.Public.Hostname())
}
