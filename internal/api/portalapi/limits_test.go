package portalapi_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// The limit of a client IP comes before everything that is said in the body: a
// caller can't try tokens for nothing by sending them in bad bodies, and one who
// is over the limit learns nothing of the body.
func TestLimitPerIPComesBeforeTheBody(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=2/1h,link=2/1h" }
	servertest.Each(t, limits, func(t *testing.T, s *server) {
		c := s.Client()
		for _, path := range []string{"/v1/auth/register", "/v1/auth/verify-email"} {
			for range 2 {
				c.Must(400, "POST", path, `{"unknown":1}`)
			}
			a := c.Must(429, "POST", path, `{"unknown":1}`)
			is(t, path, a, 429, "rate_limit.exceeded")
			if a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Limit") != "2" {
				t.Errorf("%s: %s %v", path, a.Raw, a.Header)
			}
		}
		// All calls with a link share one count.
		for _, path := range []string{"/v1/auth/invite-info", "/v1/auth/accept-invite", "/v1/auth/reset-password"} {
			c.Must(429, "POST", path, `{}`)
		}
		c.Must(429, "GET", "/v1/auth/verify-email?token=x", nil)
	})
}

func TestSignInIsThrottledAndLocked(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=off,link=off,mail_recipient=off" }
	servertest.Each(t, limits, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		c := anyone(s)
		wrong := func(want string) {
			t.Helper()
			if a := c.login("alex@acme.com", "Wrong-Pass-9"); a.Code() != want {
				t.Errorf("%d %s, want %s", a.Status, a.Raw, want)
			}
		}
		for range 5 {
			wrong("auth.invalid_credentials")
		}
		wrong("auth.too_many_attempts")
		if a := c.login("alex@acme.com", servertest.Password); a.Status != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("the right password passes a full window: %d", a.Status)
		}
		s.Clock.Advance(15 * time.Minute)
		for range 5 {
			wrong("auth.invalid_credentials")
		}
		s.Clock.Advance(15*time.Minute - time.Second) // the lock of the tenth is about to end, the window is over
		wrong("auth.too_many_attempts")
		s.Clock.Advance(2 * time.Second)
		c.Must(200, "POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", servertest.Password))
	})
}
