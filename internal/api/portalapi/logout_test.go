package portalapi_test

import (
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestLogoutByCookie: with no good access token the cookie signs out, so that nobody
// stays signed in for having been idle.
func TestLogoutByCookie(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		signIn := func() (c *client, cookie string) {
			t.Helper()
			c = s.Client()
			a := c.Must(200, "POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", servertest.Password))
			cookie, _, _ = strings.Cut(a.Header.Get("Set-Cookie"), ";")
			c.Token = a.Text("data", "access_token")
			return c, cookie
		}
		// out signs out by a cookie, and perhaps a token.
		out := func(token string, body any, cookie string, header ...string) answer {
			t.Helper()
			c := s.Client()
			c.Token = token
			if cookie != "" {
				header = append(header, "Cookie", cookie)
			}
			return c.Do("POST", "/v1/auth/logout", body, header...)
		}
		refused := func(what string, a answer, status int, code string, clears bool) {
			t.Helper()
			is(t, what, a, status, code)
			if cleared := strings.Contains(a.Header.Get("Set-Cookie"), "canopy_refresh=;"); cleared != clears {
				t.Errorf("%s: Set-Cookie: %q", what, a.Header.Get("Set-Cookie"))
			}
		}
		count := func(a answer) any { return a.At("data", "revoked_count") }

		refused("neither", out("", nil, ""), 401, "auth.invalid_token", false)
		refused("an unknown cookie", out("", nil, "canopy_refresh=x"), 401, "auth.invalid_token", true)
		refused("an empty cookie", out("", nil, "canopy_refresh="), 401, "auth.invalid_token", false)

		_, cookie := signIn()
		refused("two cookies", out("", nil, cookie+"; canopy_refresh=planted"), 401, "auth.invalid_token", false)
		refused("from another origin", out("", nil, cookie, "Origin", "https://evil.example"),
			403, "auth.origin_refused", false)
		refused("a bad body", out("", `{"revoke_all":7}`, cookie), 400, "validation", false)
		both := out("x.y.z", nil, cookie, "X-API-Key", "cnpy_x")
		refused("two credentials", both, 400, "auth.two_credentials", false)
		s.Client().Must(200, "POST", "/v1/auth/refresh", nil, "Cookie", cookie) // it has survived all that

		_, cookie = signIn()
		a := out("", nil, cookie, "Origin", s.URL)
		refused("the cookie alone", a, 200, "", true)
		if count(a) != 1.0 {
			t.Error(a.Raw)
		}
		refused("twice", out("", nil, cookie), 401, "auth.invalid_token", true)

		idle, cookie := signIn()
		s.Clock.Advance(time.Hour)
		is(t, "the access token", idle.Do("GET", "/v1/auth/me", nil), 401, "auth.invalid_token")
		refused("beside a token that has run out", out(idle.Token, m{}, cookie), 200, "", true)

		// A good access token is the credential, whatever the cookie is.
		c, _ := signIn()
		_, other := signIn()
		refused("beside a good token", out(c.Token, nil, other), 200, "", true)
		is(t, "its session", c.Do("GET", "/v1/auth/me", nil), 401, "auth.invalid_token")
		s.Client().Must(200, "POST", "/v1/auth/refresh", nil, "Cookie", other)

		_, older := signIn()
		s.Client().Must(200, "POST", "/v1/auth/refresh", nil, "Cookie", older)
		s.Clock.Advance(31 * time.Second)
		refused("one used before", out("", m{"revoke_all": true}, older), 401, "auth.invalid_token", true)

		one, cookie := signIn()
		two, _ := signIn()
		a = out("", m{"revoke_all": true}, cookie)
		refused("all", a, 200, "", true)
		if n, ok := count(a).(float64); !ok || n < 2 {
			t.Error(a.Raw)
		}
		for _, c := range []*client{one, two} {
			is(t, "after all", c.Do("GET", "/v1/auth/me", nil), 401, "auth.invalid_token")
		}
	})
}
