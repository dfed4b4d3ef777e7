package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

type healthcheckCmd struct {
	URL string `help:"The server to ask; its listen address on this machine when not given."`
}

// onThisMachine is where a server answers that listens on addr.
func onThisMachine(scheme, addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", errors.New("CANOPY_ADDR must be host:port or :port")
	}
	switch a, err := netip.ParseAddr(host); {
	case host == "", err == nil && a.IsUnspecified() && a.Is4():
		host = "127.0.0.1"
	case err == nil && a.IsUnspecified():
		host = "::1"
	}
	return scheme + "://" + net.JoinHostPort(host, port), nil
}

// Run asks /readyz.
func (v *healthcheckCmd) Run(ctx context.Context, e *environment) error {
	target, client := v.URL, &http.Client{Timeout: 5 * time.Second}
	if target == "" {
		scheme := "http"
		if e.settings.SpeaksTLS() {
			scheme = "https"
			// The certificate is the public URL's, and not this address's. The server is on this
			// machine, and gets and gives nothing that is secret.
			client.Transport = &http.Transport{
				TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
			}
		}
		var err error
		if target, err = onThisMachine(scheme, e.settings.Addr); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(target, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", req.URL, res.Status)
	}
	return nil
}
