package portalapi_test

import (
	"context"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestMailServerDown: an invite is created while the mail server is down or
// slow; the mail follows when it is back, and a refusal for good is told as
// failed.
func TestMailServerDown(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			mailServerDown(t, engine)
		})
	}
}

func mailServerDown(t *testing.T, engine database.Engine) {
	smtp := mailtest.New(t)
	s := servertest.New(t, engine, func(c *config.Settings) { c.SMTPURL = smtp.URL() })
	c := s.Client()
	c.Must(201, "POST", "/v1/auth/register", servertest.Registration("alex@acme.com"))
	s.Deliver()
	c.Must(200, "POST", "/v1/auth/verify-email", m{"token": mailtest.Token(t, smtp.Wait(t, 1)[0])})
	c.SignIn("alex@acme.com")
	invite := func(email string) (id string) {
		a := c.Must(201, "POST", servertest.Invites("acme"), servertest.Invitation(email))
		return a.Text("data", "id")
	}
	delivery := func(id, want string) {
		t.Helper()
		a := c.Must(200, "GET", servertest.Invites("acme")+"/"+id, nil)
		if a.Text("data", "delivery") != want {
			t.Errorf("%s, want %s", a.Raw, want)
		}
	}

	smtp.Down()
	one := invite("dana@acme.com")
	s.Deliver()
	delivery(one, "queued")
	smtp.Up()
	s.Clock.Advance(time.Minute)
	s.Deliver()
	delivery(one, "sent")
	got := smtp.Wait(t, 2)[1]
	if got.Subject() != "You have been invited" || mailtest.Token(t, got) == "" {
		t.Errorf("%q to %v", got.Subject(), got.To)
	}

	smtp.Refuse(550)
	one = invite("kim@acme.com")
	s.Deliver()
	delivery(one, "failed")

	// While a slow server is being talked to, invites are made all the same.
	smtp.Refuse(0)
	smtp.Slow(time.Hour)
	one = invite("omar@acme.com")
	ctx, hangUp := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = s.Worker.RunDue(ctx)
	}()
	for smtp.Connections() == 0 {
		time.Sleep(time.Millisecond)
	}
	_ = invite("lee@acme.com")
	delivery(one, "queued")
	hangUp()
	<-ended
}
