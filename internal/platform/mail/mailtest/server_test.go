package mailtest_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func message(to string) mail.Message {
	return mail.Message{
		From: "a@acme.example", To: to, Subject: "x", MessageID: "x@acme.example",
		Text: "https://acme.example/app/verify-email#token=abc-DEF_1\n", HTML: "<p>x</p>",
	}
}

func TestWaitReturnsWithTheMail(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sent := make(chan error, 1)
	go func() { sent <- mail.NewSender(server.Config()).Send(t.Context(), message("b@acme.example")) }()
	got := server.Wait(t, 1)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if got[0].Subject() != "x" || mailtest.Token(t, got[0]) != "abc-DEF_1" {
		t.Errorf("%+v", got[0])
	}
	if n := len(server.Wait(t, 0)); n != 1 {
		t.Errorf("%d mails", n)
	}
}

// A server ends with its test even while a client waits for a slow reply.
func TestEndWhileSlow(t *testing.T) { //nolint:tparallel // the end of the inner test is what counts
	t.Parallel()
	sent := make(chan error, 1)
	t.Run("server", func(t *testing.T) {
		server := mailtest.New(t)
		server.Slow(time.Hour)
		c := server.Config()
		go func() { sent <- mail.NewSender(c).Send(t.Context(), message("b@acme.example")) }()
	})
	if err := <-sent; err == nil || mail.IsPermanent(err) {
		t.Errorf("%v", err)
	}
}

func TestURLIsReadByTheSender(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t, mailtest.Options{TLS: mail.ImplicitTLS, Username: "u@x", Password: "p/#?%"})
	c, err := mail.ParseSMTPURL(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	if c.Username != "u@x" || c.Password != "p/#?%" || c.TLS != mail.ImplicitTLS {
		t.Errorf("%s", c)
	}
	c.RootCAs = server.Roots()
	if err := mail.NewSender(c).Check(t.Context()); err != nil {
		t.Error(err)
	}
}
