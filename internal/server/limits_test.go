package server_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
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

// TestEveryRequestIsOneLogLine: what was asked by whom is logged, by the route's
// pattern; what was sent is not.
func TestEveryRequestIsOneLogLine(t *testing.T) {
	s := servertest.New(t, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	me := alex.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
	alex.Must(201, "POST", invites(slug), dana)
	var lines []string
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, "user-invites") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines of one request: %q", len(lines), lines)
	}
	for _, want := range []string{`route="POST /portal/v1/accounts/{accountSlug}/user-invites"`, "status=201", "duration_ms=", "request_id=", "principal=user",
		"principal_id=" + me, "account=" + slug} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	for _, secret := range []string{alex.Token, servertest.Password, "dana@acme.com", s.MailedToken("dana@acme.com")} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
