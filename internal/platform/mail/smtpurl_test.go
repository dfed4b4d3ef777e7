package mail_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/mail"
)

func TestParseSMTPURL(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]mail.SMTPConfig{
		"smtp://mx.acme.example":              {Host: "mx.acme.example", Port: 587, TLS: mail.StartTLS},
		"smtp://mx.acme.example/":             {Host: "mx.acme.example", Port: 587, TLS: mail.StartTLS},
		"smtp://mx.acme.example?tls=implicit": {Host: "mx.acme.example", Port: 465, TLS: mail.ImplicitTLS},
		"smtp://mx.acme.example?tls=none":     {Host: "mx.acme.example", Port: 25, TLS: mail.NoTLS},
		"smtp://u:p@mx.acme.example:2525": {
			Host: "mx.acme.example", Port: 2525, Username: "u", Password: "p", TLS: mail.StartTLS,
		},
		"smtp://a%40b:p%2F%23%40%25@mx:587?tls=starttls": {
			Host: "mx", Port: 587, Username: "a@b", Password: "p/#@%", TLS: mail.StartTLS,
		},
		"smtp://u:p@[2001:db8::1]:465?tls=implicit": {
			Host: "2001:db8::1", Port: 465, Username: "u", Password: "p", TLS: mail.ImplicitTLS,
		},
		"smtp://u:p@127.0.0.1:1025?tls=none": {
			Host: "127.0.0.1", Port: 1025, Username: "u", Password: "p", TLS: mail.NoTLS,
		},
		"smtp://u:p@LOCALHOST:1025?tls=none": {
			Host: "LOCALHOST", Port: 1025, Username: "u", Password: "p", TLS: mail.NoTLS,
		},
		"smtp://u:p@[::1]:1025?tls=none": {
			Host: "::1", Port: 1025, Username: "u", Password: "p", TLS: mail.NoTLS,
		},
		"smtp://MX.Bücher.example:25":            {Host: "mx.xn--bcher-kva.example", Port: 25, TLS: mail.StartTLS},
		"SMTP://mx.acme.example:25?tls=starttls": {Host: "mx.acme.example", Port: 25, TLS: mail.StartTLS},
	} {
		got, err := mail.ParseSMTPURL(url)
		if err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", url, diff)
		}
	}
}

func TestParseEHLO(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"canopy.acme.example": "canopy.acme.example", "Canopy.ACME.example.": "canopy.acme.example",
		"host-1": "host-1", "mx.bücher.example": "mx.xn--bcher-kva.example",
		"192.0.2.1": "[192.0.2.1]", "[192.0.2.1]": "[192.0.2.1]",
		"2001:DB8::1": "[IPv6:2001:db8::1]", "[IPv6:2001:db8::1]": "[IPv6:2001:db8::1]",
		"[2001:db8::1]": "[IPv6:2001:db8::1]", "::ffff:192.0.2.1": "[192.0.2.1]",
	} {
		if got, err := mail.ParseEHLO(in); got != want || err != nil {
			t.Errorf("%q is read as %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".", "my_host", "a b", "a\r\nMAIL FROM:<x@y>", "a..b", "-a", "canopy:25", "https://canopy.example", "192.0.2",
		"192.0.2.256", "[192.0.2.1", "[canopy]", "fe80::1%eth0", "\u202ea", strings.Repeat("a", 64) + ".example",
		strings.Repeat("a.", 127) + "example",
	} {
		if got, err := mail.ParseEHLO(in); err == nil || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%q is read as %q, %v", in, got, err)
		}
	}
}

func TestParseSMTPURLRefuses(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"":                                       "must start with smtp://",
		"mx.acme.example:587":                    "must start with smtp://",
		"https://u:hunter2@mx":                   "must start with smtp://",
		"smtps://u:hunter2@mx":                   "tls=implicit",
		"smtp:mx":                                "host is missing",
		"smtp://":                                "host is missing",
		"smtp://u:hunter2@:587":                  "host is missing",
		"smtp://u:hunter2@mx:0":                  "port must be",
		"smtp://u:hunter2@mx:65536":              "port must be",
		"smtp://u:hunter2@mx:smtp":               "can't be read",
		"smtp://u:hunter2%@mx":                   "can't be read",
		"smtp://u:hunter2#x@mx":                  "percent-encoded",
		"smtp://u:1/hunter2@mx":                  "percent-encoded",
		"smtp://u:1?hunter2@mx":                  "the one parameter is tls",
		"smtp://u:hunter2@mx/path":               "percent-encoded",
		"smtp://u:hunter2@mx?tls=starttls&x=1":   "the one parameter is tls",
		"smtp://u:hunter2@mx?tls=none&tls=none":  "the one parameter is tls",
		"smtp://u:hunter2@mx?tls=%zz":            "the one parameter is tls",
		"smtp://u:hunter2@mx?tls=":               "tls must be",
		"smtp://u:hunter2@mx?tls=opportunistic":  "tls must be",
		"smtp://u@mx":                            "both user and password",
		"smtp://:hunter2@mx":                     "both user and password",
		"smtp://u:hunter2%0d%0a@mx":              "line breaks",
		"smtp://u:hunter2@mx.acme?tls=none":      "loopback",
		"smtp://u:hunter2@10.0.0.1?tls=none":     "loopback",
		"smtp://u:hunter2@localhost.x?tls=none":  "loopback",
		"smtp://u:hunter2@m\u202ex?tls=starttls": "the host must be a name",
	} {
		_, err := mail.ParseSMTPURL(url)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: the error is more than one line or shows the password: %v", url, err)
		}
	}
}

func TestSMTPConfigPrintsNoPassword(t *testing.T) {
	t.Parallel()
	c, err := mail.ParseSMTPURL("smtp://u:hunter2@mx:587?tls=starttls")
	if err != nil {
		t.Fatal(err)
	}
	for _, got := range []string{
		fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), c.LogValue().String(), fmt.Sprint(&c),
	} {
		if got != "smtp://u:xxxxx@mx:587?tls=starttls" {
			t.Errorf("printed %s", got)
		}
	}
}
