package mail_test

import (
	"fmt"
	netmail "net/mail"
	"net/url"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

// Keywords count in any case, in clear, before and over TLS.
func TestKeywordsCountInAnyCase(t *testing.T) {
	t.Parallel()
	mixed := func(s string) string {
		b := []byte(strings.ToLower(s))
		for i := 0; i < len(b); i += 2 {
			b[i] = strings.ToUpper(string(b[i]))[0]
		}
		return string(b)
	}
	for name, change := range map[string]func(string) string{"small": strings.ToLower, "mixed": mixed} {
		for _, mode := range modes {
			t.Run(fmt.Sprintf("%s %s", name, mode), func(t *testing.T) {
				t.Parallel()
				server := mailtest.New(t, mailtest.Options{
					TLS: mode, Username: "canopy", Password: "hunter2", Keywords: change, UTF8: true,
				})
				m := render(t, data(mail.UserInvite))
				m.From = "Büro <büro@acme.example>"
				if err := mail.NewSender(server.Config()).Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				r := server.Wait(t, 1)[0]
				if !r.UTF8 || r.From != "büro@acme.example" || r.Size != int64(len(r.Raw)) {
					t.Errorf("SMTPUTF8 %v, from %s, size %d of %d", r.UTF8, r.From, r.Size, len(r.Raw))
				}
			})
		}
	}
}

// The servers of old write AUTH=, offer it twice, or know HELO alone.
func TestOldServers(t *testing.T) {
	t.Parallel()
	m := render(t, data(mail.UserInvite))
	end := []string{"250 ok", "250 ok", "354 go on", "250 taken", "221 bye"}
	for name, tt := range map[string]struct {
		replies []string
		user    string
	}{
		"AUTH=":      {[]string{"220 x", "250-x\r\n250 auth=Plain LOGIN", "235 in"}, "canopy"},
		"AUTH twice": {[]string{"220 x", "250-x\r\n250-AUTH CRAM-MD5X\r\n250 AUTH=PLAIN", "235 in"}, "canopy"},
		"HELO":       {[]string{"220 x", "502 what?", "250 x"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := script(t, nil, append(tt.replies, end...)...)
			c.TLS = mail.NoTLS
			if c.Username = tt.user; tt.user != "" {
				c.Password = "hunter2"
			}
			if err := mail.NewSender(c).Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestEHLOName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"": "[127.0.0.1]", "canopy.acme.example": "canopy.acme.example", "[IPv6:2001:db8::1]": "[IPv6:2001:db8::1]",
	} {
		for _, mode := range modes {
			server := mailtest.New(t, mailtest.Options{TLS: mode})
			c := server.Config()
			c.EHLO = name
			if err := mail.NewSender(c).Send(t.Context(), render(t, data(mail.UserInvite))); err != nil {
				t.Fatal(err)
			}
			if got := server.Wait(t, 1)[0].EHLO; got != want {
				t.Errorf("%s: the server is told %q, want %q", mode, got, want)
			}
		}
	}
}

// What the server says to take is not exceeded.
func TestSizeIsHeeded(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{MaxSize: 1000})
	err := mail.NewSender(server.Config()).Send(t.Context(), render(t, data(mail.UserInvite)))
	refusedFor(t, err, true, "larger than the server takes")
}

// The sender's name arrives as it is written, and its domain in ASCII.
func TestSenderArrives(t *testing.T) {
	t.Parallel()
	public := &url.URL{Scheme: "https", Host: "id.acme.example"}
	long := strings.TrimSpace(strings.Repeat("長い名前 ", 60))
	for from, want := range map[string]netmail.Address{
		"a@acme.example":                          {Address: "a@acme.example"},
		" <a@acme.example> ":                      {Address: "a@acme.example"},
		"Canopy (Staging) <a@acme.example>":       {Name: "Canopy (Staging)", Address: "a@acme.example"},
		"Canopy [EU] <a@acme.example>":            {Name: "Canopy [EU]", Address: "a@acme.example"},
		"Canopy {EU} <a@acme.example>":            {Name: "Canopy {EU}", Address: "a@acme.example"},
		"Canopy <EU> <a@acme.example>":            {Name: "Canopy <EU>", Address: "a@acme.example"},
		`"Canopy (Staging)" <a@acme.example>`:     {Name: "Canopy (Staging)", Address: "a@acme.example"},
		"Acme, Inc.; Mail: Team <a@acme.example>": {Name: "Acme, Inc.; Mail: Team", Address: "a@acme.example"},
		`"Acme, \"Inc.\"" <a@acme.example>`:       {Name: `Acme, "Inc."`, Address: "a@acme.example"},
		`The "Canopy" Team <a@acme.example>`:      {Name: `The "Canopy" Team`, Address: "a@acme.example"},
		`Back\slash <a@acme.example>`:             {Name: `Back\slash`, Address: "a@acme.example"},
		"O'Neil & Søn (Ålborg) <a@acme.example>":  {Name: "O'Neil & Søn (Ålborg)", Address: "a@acme.example"},
		"株式会社カノピー <a@acme.example>":               {Name: "株式会社カノピー", Address: "a@acme.example"},
		"=?utf-8?q?Zo=C3=AB?= <a@acme.example>":   {Name: "Zoë", Address: "a@acme.example"},
		"a@acme.example (Canopy)":                 {Name: "Canopy", Address: "a@acme.example"},
		"Zoë <zoe@bücher.example>":                {Name: "Zoë", Address: "zoe@xn--bcher-kva.example"},
		"zoe@BÜCHER。example":                      {Address: "zoe@xn--bcher-kva.example"},
		"Canopy <no-reply@localhost>":             {Name: "Canopy", Address: "no-reply@localhost"},
		long + " <a@b.example>":                   {Name: long, Address: "a@b.example"},
		"Büro <büro@bücher.example>":              {Name: "Büro", Address: "büro@xn--bcher-kva.example"},
	} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			server := mailtest.New(t, mailtest.Options{UTF8: true})
			r, err := mail.NewRenderer(public, from)
			if err != nil {
				t.Fatal(err)
			}
			m, err := r.Render(data(mail.UserInvite), "id")
			if err == nil {
				err = mail.NewSender(server.Config()).Send(t.Context(), m)
			}
			if err != nil {
				t.Fatal(err)
			}
			got := server.Wait(t, 1)[0]
			header, err := netmail.ParseAddress(got.Header.Get("From"))
			if err != nil || *header != want || got.From != want.Address {
				t.Errorf("from %+v (%v) by %s, want %+v", header, err, got.From, want)
			}
			if ascii := !strings.HasPrefix(want.Address, "b\u00fc"); got.UTF8 == ascii {
				t.Errorf("SMTPUTF8 %v", got.UTF8)
			}
			for line := range strings.SplitSeq(string(got.Raw), "\r\n") {
				if len(line) > 998 {
					t.Errorf("line of %d bytes", len(line))
				}
			}
		})
	}
}

// A local part that is not ASCII needs SMTPUTF8, which is the operator's to mend.
func TestLocalPartNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	m := render(t, data(mail.UserInvite))
	m.From = "büro@acme.example"
	refusedFor(t, mail.NewSender(server.Config()).Send(t.Context(), m), false, "SMTPUTF8")
}

func TestRecipientOfAnIDN(t *testing.T) {
	t.Parallel()
	for _, utf8 := range []bool{false, true} {
		server := mailtest.New(t, mailtest.Options{UTF8: utf8})
		d := data(mail.UserInvite)
		d.To = "dana@bücher.example"
		m := render(t, d)
		for _, to := range []string{m.To, d.To} {
			m.To = to
			if err := mail.NewSender(server.Config()).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		for _, r := range server.Wait(t, 2) {
			const want = "dana@xn--bcher-kva.example"
			if r.To != want || r.Header.Get("To") != "<"+want+">" || r.UTF8 {
				t.Errorf("to %s, header %s, SMTPUTF8 %v", r.To, r.Header.Get("To"), r.UTF8)
			}
		}
	}
}
