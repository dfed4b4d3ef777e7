package command

import (
	"log/slog"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/certificate"
	"canopy.dev/canopy/internal/server"
)

// withCertificate has the server speak TLS where the settings say so.
func withCertificate(o *server.Options) error {
	c, log := o.Config, o.Log
	if !c.SpeaksTLS() {
		return nil
	}
	if c.SpeaksACME() {
		source := certificate.NewACME(certificate.ACMEConfig{
			Host: c.Public.Hostname(), Directory: c.ACMEDirectory(), Folder: c.ACMEFolder(), Log: log,
			Client: &http.Client{Timeout: 30 * time.Second},
		})
		o.TLS, o.Obtain = source.Config(), source.Run
		return nil
	}
	files, err := certificate.Open(c.TLSCert, c.TLSKey, log, time.Now)
	if err != nil {
		return err
	}
	if err := files.Covers(c.Public.Hostname()); err != nil {
		log.Warn("the TLS certificate is not for the public URL's host: clients will refuse it", "error", err)
	}
	o.TLS = files.Config()
	return nil
}

// checkCertificate says how long the certificate of the settings is good for.
func checkCertificate(c *config.Checked) (time.Duration, error) {
	files, err := certificate.Open(c.TLSCert, c.TLSKey, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		return 0, err
	}
	return time.Until(files.Expires()), files.Covers(c.Public.Hostname())
}
