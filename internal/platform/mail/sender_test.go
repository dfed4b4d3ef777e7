package mail_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

var modes = []mail.TLSMode{mail.StartTLS, mail.ImplicitTLS, mail.NoTLS}

// refusedFor checks an error of Send: whether it is final, that it holds want,
// and that it is one line without anything of the mail.
func refusedFor(t *testing.T, err error, permanent bool, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if mail.IsPermanent(err) != permanent {
		t.Errorf("permanent: %v, want %v: %v", !permanent, permanent, err)
	}
	text := err.Error()
	if !strings.Contains(text, want) {
		t.Errorf("error %q lacks %q", text, want)
	}
	for _, secret := range []string{token, token[:8], "dana", "hunter2", "Acme Realty", "\n", "\r"} {
		if strings.Contains(text, secret) {
			t.Errorf("error %q shows %q", text, secret)
		}
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSendInEachMode(t *testing.T) {
	t.Parallel()
	for _, mode := range modes {
		for _, user := range []string{"", "canopy"} {
			t.Run(fmt.Sprintf("%s user %q", mode, user), func(t *testing.T) {
				t.Parallel()
				o := mailtest.Options{TLS: mode, Username: user}
				if user != "" {
					o.Password = "hunter2 %/@"
				}
				server := mailtest.New(t, o)
				sender := mail.NewSender(server.Config())
				sender.Now = func() time.Time { return expires }
				if err := sender.Check(t.Context()); err != nil {
					t.Fatalf("check: %v", err)
				}
				want := render(t, data(mail.UserInvite))
				if err := sender.Send(t.Context(), want); err != nil {
					t.Fatalf("send: %v", err)
				}
				got := server.Wait(t, 1)
				if len(got) != 1 {
					t.Fatalf("%d mails", len(got))
				}
				r := got[0]
				if r.From != "no-reply@acme.example" || r.To != "dana@acme.com" {
					t.Errorf("envelope from %s to %s", r.From, r.To)
				}
				if diff := cmp.Diff(want.Text, r.Text); diff != "" {
					t.Errorf("text:\n%s", diff)
				}
				if diff := cmp.Diff(want.HTML, r.HTML); diff != "" {
					t.Errorf("HTML:\n%s", diff)
				}
				header := map[string]string{}
				for name, values := range r.Header {
					header[name] = strings.Join(values, "|")
				}
				if !strings.HasPrefix(header["Content-Type"], "multipart/alternative;") {
					t.Errorf("content type %s", header["Content-Type"])
				}
				delete(header, "Content-Type")
				if diff := cmp.Diff(map[string]string{
					"From": `"Canopy" <no-reply@acme.example>`, "To": "<dana@acme.com>", "Subject": "You have been invited",
					"Message-Id": "<018f3c1e-7b1a-7c3e-9b2d-0123456789ab@acme.example>", "Date": "Sun, 08 Mar 2026 23:30:00 +0000",
					"Auto-Submitted": "auto-generated", "Mime-Version": "1.0",
				}, header); diff != "" {
					t.Errorf("header:\n%s", diff)
				}
				if mailtest.Token(t, r) != token {
					t.Errorf("token %s", mailtest.Token(t, r))
				}
			})
		}
	}
}

func TestSendForeignScripts(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	d := data(mail.VerifyEmail)
	d.FirstName, d.AccountName = "Zoë 🏳️‍🌈", strings.Repeat("長い名前", 25)
	d.ApplicationName = ".\r\n.\r\n"
	want := render(t, d)
	want.From = "=?utf-8?q?Zo=C3=AB?= <zoe@acme.example>"
	if err := mail.NewSender(server.Config()).Send(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	r := server.Wait(t, 1)[0]
	if r.Text != want.Text || r.HTML != want.HTML {
		t.Errorf("bodies changed on the way:\n%s", cmp.Diff(want.Text, r.Text))
	}
	from, err := netmail.ParseAddress(r.Header.Get("From"))
	if err != nil || from.Name != "Zoë" {
		t.Errorf("from %v, %v", from, err)
	}
	for line := range strings.SplitSeq(string(r.Raw), "\r\n") {
		if len(line) > 998 {
			t.Errorf("line of %d bytes", len(line))
		}
	}
}

// A client that asks for TLS never goes on without.
func TestNoDowngrade(t *testing.T) {
	t.Parallel()
	m := render(t, data(mail.UserInvite))
	t.Run("STARTTLS is not offered", func(t *testing.T) {
		t.Parallel()
		server := mailtest.New(t, mailtest.Options{Username: "canopy", Password: "hunter2"})
		c := server.Config()
		c.TLS = mail.StartTLS
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "does not offer STARTTLS")
		refusedFor(t, mail.NewSender(c).Check(t.Context()), false, "does not offer STARTTLS")
		c.TLS = ""
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "does not offer STARTTLS")
		if len(server.Messages()) != 0 {
			t.Error("the mail was sent in clear")
		}
	})
	t.Run("STARTTLS is refused", func(t *testing.T) {
		t.Parallel()
		said := make(chan string, 16)
		c := script(t, said, "220 hello", "250-hello\r\n250-STARTTLS\r\n250 AUTH PLAIN", "454 4.7.0 TLS not available")
		c.Username, c.Password = "canopy", "hunter2"
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "tls: the server answered 454 4.7.0")
		for line := range said {
			if verb, _, _ := strings.Cut(line, " "); verb != "EHLO" && verb != "STARTTLS" && verb != "QUIT" {
				t.Errorf("said %q in clear", line)
			}
		}
	})
	t.Run("words slipped in before TLS are dropped", func(t *testing.T) {
		t.Parallel()
		c := script(t, nil, "220 hello", "250-hello\r\n250 STARTTLS", "220 go\r\n250-hello\r\n250 AUTH PLAIN")
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "tls: ")
	})
	t.Run("the certificate is not trusted", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []mail.TLSMode{mail.StartTLS, mail.ImplicitTLS} {
			server := mailtest.New(t, mailtest.Options{TLS: mode, Username: "canopy", Password: "hunter2"})
			c := server.Config()
			c.RootCAs = mailtest.New(t).Roots()
			refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "certificate")
		}
	})
	t.Run("the certificate is for another host", func(t *testing.T) {
		t.Parallel()
		for _, mode := range []mail.TLSMode{mail.StartTLS, mail.ImplicitTLS} {
			server := mailtest.New(t, mailtest.Options{TLS: mode, Hosts: []string{"mx.acme.example", "127.0.0.2"}})
			refusedFor(t, mail.NewSender(server.Config()).Send(t.Context(), m), false, "tls: ")
			if len(server.Messages()) != 0 {
				t.Error("the mail was sent to another host")
			}
		}
	})
	t.Run("implicit TLS meets a server in clear", func(t *testing.T) {
		t.Parallel()
		c := mailtest.New(t).Config()
		c.TLS = mail.ImplicitTLS
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "tls: ")
	})
	t.Run("credentials in clear to another machine", func(t *testing.T) {
		t.Parallel()
		c := mail.SMTPConfig{Host: "192.0.2.1", Port: 25, Username: "canopy", Password: "hunter2", TLS: mail.NoTLS}
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "loopback")
	})
	t.Run("unknown mode", func(t *testing.T) {
		t.Parallel()
		c := mailtest.New(t).Config()
		c.TLS = "opportunistic"
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "unknown TLS mode")
	})
}

func TestAuthentication(t *testing.T) {
	t.Parallel()
	m := render(t, data(mail.UserInvite))
	for _, mode := range modes {
		server := mailtest.New(t, mailtest.Options{TLS: mode, Username: "canopy", Password: "right"})
		c := server.Config()
		c.Password = "hunter2"
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "authentication: the server answered 535 5.7.8")
		refusedFor(t, mail.NewSender(c).Check(t.Context()), false, "authentication: the server answered 535 5.7.8")
		c.Username, c.Password = "", ""
		refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "sender: the server answered 530 5.7.0")
		if n := len(server.Messages()); n != 0 {
			t.Errorf("%s: %d mails taken", mode, n)
		}
	}
	open := mailtest.New(t).Config()
	open.Username, open.Password = "canopy", "hunter2"
	refusedFor(t, mail.NewSender(open).Check(t.Context()), false, "offers no way to sign in")
}

func TestAuthenticationByLogin(t *testing.T) {
	t.Parallel()
	c := script(t, nil, "220 hello", "250-hello\r\n250 AUTH LOGIN", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6",
		"235 2.7.0 welcome", "221 bye")
	c.TLS, c.Username, c.Password = mail.NoTLS, "canopy", "hunter2"
	if err := mail.NewSender(c).Check(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestDownAndUp(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sender := mail.NewSender(server.Config())
	m := render(t, data(mail.UserInvite))
	server.Down()
	refusedFor(t, sender.Send(t.Context(), m), false, "mail: ")
	refusedFor(t, sender.Check(t.Context()), false, "mail: ")
	server.Up()
	if err := sender.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	server.Wait(t, 1)

	closed, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(closed.Addr().String())
	closed.Close()
	c, err := mail.ParseSMTPURL("smtp://127.0.0.1:" + port)
	if err != nil {
		t.Fatal(err)
	}
	refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, "connect: ")
}

func TestTime(t *testing.T) {
	t.Parallel()
	m := render(t, data(mail.UserInvite))
	for _, mode := range modes {
		server := mailtest.New(t, mailtest.Options{TLS: mode})
		server.Slow(time.Minute)
		t.Run(string(mode)+" step", func(t *testing.T) {
			t.Parallel()
			sender := mail.NewSender(server.Config())
			sender.SetStep(30 * time.Millisecond)
			err := sender.Send(t.Context(), m)
			refusedFor(t, err, false, "timed out")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
		t.Run(string(mode)+" deadline", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			err := mail.NewSender(server.Config()).Send(ctx, m)
			refusedFor(t, err, false, "deadline")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v", err)
			}
		})
		t.Run(string(mode)+" cancelled", func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			err := mail.NewSender(server.Config()).Check(ctx)
			refusedFor(t, err, false, "canceled")
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("slow but in time", func(t *testing.T) {
		t.Parallel()
		server := mailtest.New(t)
		server.Slow(5 * time.Millisecond)
		if err := mail.NewSender(server.Config()).Send(t.Context(), m); err != nil {
			t.Error(err)
		}
	})
}

func TestSendRefusesMalformedMessages(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sender := mail.NewSender(server.Config())
	for name, change := range map[string]func(*mail.Message){
		"line break in recipient":  func(m *mail.Message) { m.To = "dana@acme.com\r\nBcc: eve@evil.example" },
		"two recipients":           func(m *mail.Message) { m.To = "dana@acme.com,eve@evil.example" },
		"command in recipient":     func(m *mail.Message) { m.To = "dana@acme.com> NOTIFY=NEVER" },
		"line break in sender":     func(m *mail.Message) { m.From = "Canopy\r\nBcc: eve@evil.example <a@b.example>" },
		"no sender":                func(m *mail.Message) { m.From = "" },
		"line break in subject":    func(m *mail.Message) { m.Subject = "Hello\r\nBcc: eve@evil.example" },
		"bare CR in subject":       func(m *mail.Message) { m.Subject = "Hello\rBcc: eve@evil.example" },
		"override in subject":      func(m *mail.Message) { m.Subject = "Hello \u202e" },
		"no subject":               func(m *mail.Message) { m.Subject = "" },
		"line break in Message-ID": func(m *mail.Message) { m.MessageID = "a@b\r\nBcc: eve@evil.example" },
		"bracket in Message-ID":    func(m *mail.Message) { m.MessageID = "a@b> <c@d" },
		"no Message-ID":            func(m *mail.Message) { m.MessageID = "" },
		"no text":                  func(m *mail.Message) { m.Text = "" },
		"no HTML":                  func(m *mail.Message) { m.HTML = "" },
	} {
		m := render(t, data(mail.UserInvite))
		change(&m)
		err := sender.Send(t.Context(), m)
		if !mail.IsPermanent(err) || strings.Contains(err.Error(), "eve") || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(server.Messages()); n != 0 {
		t.Errorf("%d mails taken", n)
	}
}

func TestManySenders(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{TLS: mail.StartTLS, Username: "canopy", Password: "hunter2"})
	sender, r := mail.NewSender(server.Config()), renderer(t)
	const n = 20
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			d := data(kinds[i%len(kinds)])
			d.To = fmt.Sprintf("person-%d@acme.com", i)
			m, err := r.Render(d, strconv.Itoa(i))
			if err == nil {
				err = sender.Send(t.Context(), m)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	seen := map[string]bool{}
	for _, r := range server.Wait(t, n) {
		seen[r.To] = true
	}
	if len(seen) != n {
		t.Errorf("%d recipients", len(seen))
	}
}
