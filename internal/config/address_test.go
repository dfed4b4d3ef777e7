package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// good are settings that stand, with the public URL.
func good(publicURL string) Settings {
	return Settings{
		PublicURL: publicURL, DatabaseURL: DefaultDatabase, MailFrom: "no-reply@canopy.test",
		InviteTTL: 24e9 * 3600, AccessTTL: 60e9, RefreshTTL: 3600e9, RefreshMax: 3600e9,
	}
}

// TestOriginsHaveTheSpellingOfBrowsers: whatever spelling of an origin is set, the one that
// browsers send is compared, and what no browser sends stops the start.
func TestOriginsHaveTheSpellingOfBrowsers(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"https://canopy.example.com":       "https://canopy.example.com",
		"https://Canopy.Example.COM":       "https://canopy.example.com",
		"HTTPS://canopy.example.com":       "https://canopy.example.com",
		"https://canopy.example.com/":      "https://canopy.example.com",
		" https://canopy.example.com ":     "https://canopy.example.com",
		"https://canopy.example.com:443":   "https://canopy.example.com",
		"http://canopy.example.com:80/":    "http://canopy.example.com",
		"http://canopy.example.com:443":    "http://canopy.example.com:443",
		"https://canopy.example.com:0443":  "https://canopy.example.com",
		"https://canopy.example.com.":      "https://canopy.example.com",
		"https://bücher.example":           "https://xn--bcher-kva.example",
		"https://BÜCHER.example:8443":      "https://xn--bcher-kva.example:8443",
		"http://127.0.0.1:8080":            "http://127.0.0.1:8080",
		"http://[::1]:8080":                "http://[::1]:8080",
		"http://[2001:DB8:0::1]":           "http://[2001:db8::1]",
		"*":                                "",
		"null":                             "",
		"":                                 "",
		"canopy.example.com":               "",
		"//canopy.example.com":             "",
		"ftp://canopy.example.com":         "",
		"https://":                         "",
		"https://*.example.com":            "",
		"https://canopy..example.com":      "",
		"https://.example.com":             "",
		"https://canopy.example.com/app":   "",
		"https://canopy.example.com?a=b":   "",
		"https://canopy.example.com#a":     "",
		"https://user@canopy.example.com":  "",
		"https://canopy.example.com:0":     "",
		"https://canopy.example.com:66000": "",
		"https://canopy.example.com:http":  "",
		"https://canopy example.com":       "",
		"https://-canopy.example.com":      "",
	} {
		c, err := good(set).Check()
		told := err != nil && strings.HasPrefix(err.Error(), "CANOPY_PUBLIC_URL")
		if told == (want != "") || err == nil && (c.PublicURL != want || c.Origin != want) {
			t.Errorf("public URL %q: %+v, %v; want %q", set, c, err, want)
		}
		s := good("https://canopy.test")
		s.AllowedOrigins = []string{"https://app.test", set}
		c, err = s.Check()
		told = err != nil && strings.HasPrefix(err.Error(), "CANOPY_ALLOWED_ORIGINS")
		if told == (want != "") || err == nil && !cmp.Equal(c.AllowedOrigins, []string{"https://app.test", want}) {
			t.Errorf("allowed origin %q: %+v, %v; want %q", set, c, err, want)
		}
	}
}

// TestHostsAndProxiesCanMatch: what is set is what requests bring, or stops the start.
func TestHostsAndProxiesCanMatch(t *testing.T) {
	t.Parallel()
	for set, want := range map[string]string{
		"canopy.internal": "canopy.internal", "Canopy.Internal.": "canopy.internal",
		"bücher.example": "xn--bcher-kva.example",
		"192.0.2.1":      "192.0.2.1", "*": "", "https://canopy.internal": "", "canopy.internal:8080": "", "a/b": "", "": "",
	} {
		s := good("https://canopy.test")
		s.AllowedHosts = []string{set}
		c, err := s.Check()
		if (err == nil) != (want != "") || err == nil && c.AllowedHosts[0] != want {
			t.Errorf("host %q: %+v, %v; want %q", set, c, err, want)
		}
	}
	for set, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "10.1.2.3/8": "10.0.0.0/8", "192.0.2.1": "192.0.2.1/32",
		"::ffff:192.0.2.1": "192.0.2.1/32", "::ffff:10.0.0.0/104": "10.0.0.0/8", "2001:db8::1": "2001:db8::1/128",
		"fe80::1%eth0": "fe80::1/128", "2001:db8::/32": "2001:db8::/32",
		"proxy.internal": "", "10.0.0.0/33": "", "192.0.2.1:80": "", "*": "", "": "",
	} {
		s := good("https://canopy.test")
		s.TrustedProxies = []string{set}
		c, err := s.Check()
		if (err == nil) != (want != "") || err == nil && c.Proxies[0].String() != want {
			t.Errorf("proxy %q: %+v, %v; want %q", set, c, err, want)
		}
		s = good("https://canopy.test")
		s.WebhookNetworks = []string{set}
		c, err = s.Check()
		if (err == nil) != (want != "") || err == nil && c.Inside[0].String() != want {
			t.Errorf("network of webhooks %q: %+v, %v; want %q", set, c, err, want)
		}
	}
}

// TestListenAddressesCanWork: what no server can listen on stops the start.
func TestListenAddressesCanWork(t *testing.T) {
	t.Parallel()
	for address, ok := range map[string]bool{
		":8080": true, "127.0.0.1:8080": true, "[::1]:8080": true, "localhost:0": true,
		"8080": false, "localhost": false, "localhost:": false, ":99999": false, ":http": false, "::1:8080": false,
		"http://localhost:8080": false,
	} {
		for name, set := range map[string]func(*Settings){
			"CANOPY_ADDR":         func(s *Settings) { s.Addr = address },
			"CANOPY_METRICS_ADDR": func(s *Settings) { s.MetricsAddr = address },
		} {
			s := good("https://canopy.test")
			set(&s)
			_, err := s.Check()
			if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%s: %v", name, address, err)
			}
		}
	}
}

// TestPrintedSettingsHoldNoSecret, wherever in a URL it stands, and though the URL can't be
// read.
func TestPrintedSettingsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"postgres://u:hunter2@h/db", "postgres://h/db?user=u&password=hunter2", "postgres://h/db?PASSWORD=hunter2",
		"postgres://h/db?options=-c%20x=hunter2",
		"postgres://h/db?sslpassword=hunter2&sslmode=require", "postgres://h/db?pass%77ord=hunter2",
		"postgres://u:hunter2@h:port/db", "postgres://u:%zzhunter2@h/db", "postgres://h/db?a=%zz&password=hunter2",
		"postgres://h/db?a=1;password=hunter2", "smtp://u:hunter2@mx:587", "smtp://mx?password=hunter2",
		"host=h password=hunter2", "u:hunter2@h", "mysql:u:hunter2@h", "postgres:u:hunter2@h", "postgres://h/db#hunter2",
	} {
		for _, line := range (Settings{DatabaseURL: address, SMTPURL: address, SecretKey: "hunter2"}).Lines() {
			if strings.Contains(line, "hunter2") {
				t.Errorf("%s is printed as %s", address, line)
			}
		}
	}
	lines := strings.Join(Settings{DatabaseURL: "postgres:///db?host=/run", SMTPURL: "smtp://u@mx:587"}.Lines(), "\n")
	for _, want := range []string{"CANOPY_DATABASE_URL=postgres:///db?host=%2Frun", "CANOPY_SMTP_URL=smtp://u@mx:587"} {
		if !strings.Contains(lines, want) {
			t.Errorf("something that is not secret is hidden: %s", lines)
		}
	}
}
