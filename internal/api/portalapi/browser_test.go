package portalapi_test

import (
	"net/http"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// browserCookie is the cookie of an answer that marks the browser.
func browserCookie(t *testing.T, a answer) *http.Cookie {
	t.Helper()
	for _, line := range a.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(cookie.Name, "canopy_known") {
			return cookie
		}
	}
	return nil
}

// TestWhatMarksABrowser: each proof of the password does, and nothing else.
func TestWhatMarksABrowser(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		_, slug := s.SignUp("alex@acme.com", "Acme")
		c := anyone(s)
		login := c.login("alex@acme.com", servertest.Password)
		cookie := browserCookie(t, login)
		if cookie == nil || cookie.Name != "canopy_known" || len(cookie.Value) != 43 || cookie.Path != "/" ||
			cookie.MaxAge != 7776000 || !cookie.HttpOnly || cookie.Secure || cookie.SameSite != http.SameSiteLaxMode {
			t.Fatalf("%+v", cookie)
		}
		c.Token = login.Text("data", "access_token")
		marks := func(what string, want bool, a answer) {
			t.Helper()
			if a.Status != 200 || (browserCookie(t, a) != nil) != want {
				t.Errorf("%s: %d, marks: %t", what, a.Status, !want)
			}
		}
		marks("refresh", false, c.Do("POST", "/v1/auth/refresh", nil))
		marks("change", true, c.Do("POST", "/v1/auth/change-password", m{
			"current_password": servertest.Password, "new_password": "Battery-Staple-8",
		}))
		marks("forgot", false, c.Do("POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"}))
		reset := m{"token": s.MailedToken("alex@acme.com"), "password": servertest.Password}
		marks("reset", true, c.Do("POST", "/v1/auth/reset-password", reset))
		c.SignIn("alex@acme.com")
		c.Must(201, "POST", "/portal/v1/accounts/"+slug+"/user-invites", dana)
		guest := anyone(s)
		marks("accept", false, guest.accept(s.MailedToken("dana@acme.com")))
		if strings.Contains(s.Log.String(), cookie.Value) {
			t.Error("the token is in the log")
		}
	})
}

// TestKnownBrowserGetsInWhileLocked, and one of two cookies of the name does not.
func TestKnownBrowserGetsInWhileLocked(t *testing.T) {
	t.Parallel()
	servertest.Each(t, limited, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		own := anyone(s)
		own.SignIn("alex@acme.com")
		stranger := anyone(s)
		for range 5 {
			is(t, "a guess", stranger.login("alex@acme.com", "Wrong-Horse-7"), 401, "auth.invalid_credentials")
		}
		is(t, "a stranger", stranger.login("alex@acme.com", servertest.Password), 429, "auth.too_many_attempts")
		known := "canopy_known=" + own.CookieValue("/", "canopy_known")
		in := m{"email": "alex@acme.com", "password": servertest.Password}
		is(t, "two cookies", s.Client().Do("POST", "/v1/auth/login", in, "Cookie", known+"; canopy_known=x"),
			429, "auth.too_many_attempts")
		is(t, "wrong, in the own browser", own.login("alex@acme.com", "Wrong-Horse-7"), 401, "auth.invalid_credentials")
		own.SignIn("alex@acme.com")
		own.Must(200, "POST", "/v1/auth/change-password", m{
			"current_password": servertest.Password, "new_password": "Battery-Staple-8",
		})
		is(t, "the stranger goes on", stranger.login("alex@acme.com", "Battery-Staple-8"), 429, "auth.too_many_attempts")
		is(t, "the token from before", s.Client().Do("POST", "/v1/auth/login",
			m{"email": "alex@acme.com", "password": "Battery-Staple-8"}, "Cookie", known), 429, "auth.too_many_attempts")
	})
}

// TestKnownBrowserOfAnInvitee: the proof of a password that an invite wants asks the same
// guard.
func TestKnownBrowserOfAnInvitee(t *testing.T) {
	t.Parallel()
	servertest.Each(t, limited, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		_, _ = s.SignUp("dana@acme.com", "Beta")
		own := anyone(s)
		own.SignIn("dana@acme.com")
		stranger := anyone(s)
		for range 5 {
			is(t, "a guess", stranger.login("dana@acme.com", "Wrong-Horse-7"), 401, "auth.invalid_credentials")
		}
		alex.Must(201, "POST", servertest.Invites(slug), dana)
		token := s.MailedToken("dana@acme.com")
		is(t, "elsewhere", stranger.accept(token), 429, "auth.too_many_attempts")
		is(t, "in the own browser", own.accept(token), 200, "")
	})
}

// TestBrowserCookieOverHTTPS: the prefix keeps siblings and plain http from setting it.
func TestBrowserCookieOverHTTPS(t *testing.T) {
	t.Parallel()
	secure := func(c *config.Settings) { c.PublicURL, c.RateLimits = "https://canopy.example.com", "" }
	servertest.Each(t, secure, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		c := anyone(s)
		cookie := browserCookie(t, c.login("alex@acme.com", servertest.Password))
		if cookie == nil || cookie.Name != "__Host-canopy_known" || !cookie.Secure || cookie.Path != "/" ||
			cookie.Domain != "" {
			t.Fatalf("%+v", cookie)
		}
		for range 5 {
			is(t, "a guess", anyone(s).login("alex@acme.com", "Wrong-Horse-7"), 401, "auth.invalid_credentials")
		}
		in := m{"email": "alex@acme.com", "password": servertest.Password}
		is(t, "without the prefix", s.Client().Do("POST", "/v1/auth/login", in, "Cookie", "canopy_known="+cookie.Value),
			429, "auth.too_many_attempts")
		is(t, "with it", s.Client().Do("POST", "/v1/auth/login", in, "Cookie", cookie.Name+"="+cookie.Value), 200, "")
	})
}

// limited has the limits of an install that sets none.
func limited(c *config.Settings) { c.RateLimits = "" }
