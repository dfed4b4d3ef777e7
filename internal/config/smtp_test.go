package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"canopy.dev/canopy/internal/platform/mail"
)

// given are the settings of a command line, with the defaults of all others. The
// tests' environment sets none.
func given(t *testing.T, args ...string) Settings {
	t.Helper()
	var s Settings
	parser, err := kong.New(&s)
	if err == nil {
		_, err = parser.Parse(args)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEHLOIsASetting(t *testing.T) {
	t.Parallel()
	const smtp = "--smtp-url=smtp://mx.acme.example"
	machine, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if machine, err = mail.ParseEHLO(machine); err != nil {
		machine = "" // the address it is, then
	}
	for set, want := range map[string]string{
		"": machine, "Canopy.Bücher.example": "canopy.xn--bcher-kva.example", "192.0.2.1": "[192.0.2.1]",
	} {
		c, err := given(t, smtp, "--smtp-ehlo="+set).Check()
		if err != nil || c.SMTP.EHLO != want {
			t.Errorf("%q is %+v, %v; want %q", set, c, err, want)
		}
		if lines := given(t, smtp, "--smtp-ehlo="+set).Lines(); !slices.Contains(lines, "CANOPY_SMTP_EHLO="+want) {
			t.Errorf("%q is told as %q, want %q", set, lines, want)
		}
	}
	for _, args := range [][]string{{"--smtp-ehlo=my_host"}, {smtp, "--smtp-ehlo=my host"}} {
		_, err := given(t, args...).Check()
		if err == nil || !strings.HasPrefix(err.Error(), "CANOPY_SMTP_EHLO must be a host name") {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestSenderOfAnIDN(t *testing.T) {
	t.Parallel()
	for from, good := range map[string]bool{
		"Canopy (EU), Inc. <no-reply@bücher.example>": true, "Büro <büro@bücher.example>": true,
		"no-reply@bü_cher.example": false, "a@b.example, c@d.example": false,
	} {
		if _, err := given(t, "--mail-from="+from).Check(); (err == nil) != good {
			t.Errorf("%s: %v", from, err)
		}
	}
}
