package server_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestClockSetBack: after an hour backwards, what a whole server has kept lasts no longer
// than its own length.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	limited := func(s *config.Settings) { s.RateLimits = "link=2/1m" }
	servertest.Each(t, limited, func(t *testing.T, s *servertest.Server) {
		w := s.Acme()
		id, token := w.Invite("dana@acme.com")
		resend := servertest.Invites(w.Slug) + "/" + id + "/resend"
		s.Clock.Advance(time.Minute)
		link := func() string {
			return servertest.Outcome(s.Client().Do("POST", "/v1/auth/invite-info", m{"token": token}))
		}
		for _, want := range []string{"ok", "ok", "rate_limit.exceeded"} {
			if got := link(); got != want {
				t.Errorf("the link: %s, want %s", got, want)
			}
		}
		s.Clock.Advance(-time.Hour)
		if err := s.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Alex.SignIn("alex@acme.com")
		early := w.Alex.Do("POST", resend, nil)
		if early.Code() != "invites.resend_cooldown" || early.Header.Get("Retry-After") != "300" {
			t.Errorf("resend: %s, %v", early.Raw, early.Header)
		}
		s.Clock.Advance(time.Minute)
		if got := link(); got != "ok" {
			t.Errorf("the link, a minute later: %s", got)
		}
		s.Clock.Advance(4 * time.Minute)
		w.Alex.Must(200, "POST", resend, nil)
	})
}
