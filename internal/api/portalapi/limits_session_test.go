package portalapi_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

func limitedTo(rules string) func(*config.Settings) {
	return func(c *config.Settings) { c.RateLimits = rules }
}

// TestLimitPerSession: renewals, switches and sign-outs of one session share a counter,
// whether it is named by the cookie or by the token; a cookie that nobody has is counted
// for nobody, and a refusal leaves session and cookie as they are.
func TestLimitPerSession(t *testing.T) {
	t.Parallel()
	rules := "session=3/1m,sign_up=off,mail_sign_up=off"
	servertest.Each(t, limitedTo(rules), func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		other := s.Client()
		other.SignIn("alex@acme.com")
		// Nothing of this is a renewal, a switch or a sign-out.
		for range 5 {
			alex.Must(200, "GET", "/v1/auth/sessions", nil)
			alex.Must(200, "GET", servertest.Invites(slug), nil)
		}
		unknown := s.Client()
		for range 5 {
			a := unknown.Do("POST", "/v1/auth/refresh", nil, "Cookie", "canopy_refresh=unknown")
			is(t, "an unknown cookie", a, 401, "auth.invalid_token")
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM rate_count WHERE name = 'session'`); n != 0 {
			t.Errorf("%d sessions are counted", n)
		}
		alex.Must(200, "POST", "/v1/auth/refresh", nil)
		switchTo := m{"application_id": servertest.NoID}
		is(t, "a switch to nothing counts", alex.Do("POST", "/v1/auth/switch-application", switchTo), 404,
			"applications.not_found")
		alex.Must(200, "POST", "/v1/auth/refresh", nil)
		cookie := alex.CookieValue("/v1/auth", "canopy_refresh")
		for path, body := range map[string]any{
			"/v1/auth/refresh": nil, "/v1/auth/switch-application": switchTo, "/v1/auth/logout": m{},
		} {
			a := alex.Do("POST", path, body)
			is(t, path, a, 429, "rate_limit.exceeded")
			if a.Header.Get("RateLimit-Limit") != "3" || a.Header.Get("Retry-After") == "" {
				t.Errorf("%s: %v", path, a.Header)
			}
		}
		token := alex.Token
		alex.Token = ""
		is(t, "a sign-out by the cookie", alex.Do("POST", "/v1/auth/logout", m{}), 429, "rate_limit.exceeded")
		alex.Token = token
		if alex.CookieValue("/v1/auth", "canopy_refresh") != cookie {
			t.Error("a refusal changed the cookie")
		}
		other.Must(200, "POST", "/v1/auth/refresh", nil) // another session of the same person
		s.Clock.Advance(time.Minute)
		alex.Must(200, "POST", "/v1/auth/refresh", nil)
		alex.Must(200, "POST", "/v1/auth/logout", m{})
	})
}

// TestLimitPerPrincipal counts what writes, by who calls, and is off by itself.
func TestLimitPerPrincipal(t *testing.T) {
	t.Parallel()
	rules := "principal=2/1m,sign_up=off,mail_sign_up=off,invite_mail=off"
	servertest.Each(t, limitedTo(rules), func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		noa, hers := s.SignUp("noa@northwind.com", "Northwind")
		for range 4 {
			alex.Must(200, "GET", servertest.Invites(slug), nil)
			is(t, "a body that breaks a rule", alex.Do("POST", servertest.Invites(slug), m{}), 400, "validation")
		}
		alex.Must(201, "POST", servertest.Invites(slug), servertest.Invitation("a@acme.com"), "Idempotency-Key", "k")
		alex.Must(200, "PATCH", "/portal/v1/accounts/"+slug, m{"name": "Beta"})
		refused := alex.Do("POST", servertest.Invites(slug), servertest.Invitation("b@acme.com"), "Idempotency-Key", "l")
		is(t, "a third write", refused, 429, "rate_limit.exceeded")
		alex.Must(201, "POST", servertest.Invites(slug), servertest.Invitation("a@acme.com"), "Idempotency-Key", "k")
		noa.Must(201, "POST", servertest.Invites(hers), servertest.Invitation("b@acme.com"))
		alex.Must(200, "GET", servertest.Invites(slug), nil)
		s.Clock.Advance(time.Minute)
		alex.Must(201, "POST", servertest.Invites(slug), servertest.Invitation("b@acme.com"), "Idempotency-Key", "l")
	})
}
