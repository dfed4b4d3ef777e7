package server_test

import (
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// The limit of a client IP comes before everything that is said in the body: a
// caller can't try tokens for nothing by sending them in bad bodies, and one who
// is over the limit learns nothing of the body.
func TestLimitPerIPComesBeforeTheBody(t *testing.T) {
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=2/1h,link=2/1h" }
	servertest.Each(t, limits, func(t *testing.T, s *servertest.Server) {
		c := s.Client()
		for _, path := range []string{"/v1/auth/register", "/v1/auth/verify-email"} {
			for range 2 {
				c.Must(400, "POST", path, `{"unknown":1}`)
			}
			a := c.Must(429, "POST", path, `{"unknown":1}`)
			if a.Code() != "rate_limit.exceeded" || a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Limit") != "2" {
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
