package portalapi_test

import (
	"fmt"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// 11. Whatever a stranger fills from the IP that both have, the pair's and the IP's
// counters of guesses and of recoveries and the day's mails to the address: the person
// signs in, asks for a reset and uses it in the own browser.
func TestKnownBrowserBehindAFullIP(t *testing.T) {
	t.Parallel()
	// The stranger's mails of the day are fewer than the calls that one window allows.
	limits := func(c *config.Settings) { c.RateLimits = "mail_recover=3/24h" }
	servertest.Each(t, limits, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		own := anyone(s)
		own.SignIn("alex@acme.com")
		for n := range 50 {
			email := "alex@acme.com"
			if n >= 5 {
				email = fmt.Sprintf("p%d@acme.com", n)
			}
			is(t, "a guess", anyone(s).login(email, "Wrong-Horse-7"), 401, "auth.invalid_credentials")
		}
		for n := range 30 {
			email := "alex@acme.com"
			if n >= 5 {
				email = fmt.Sprintf("p%d@acme.com", n)
			}
			is(t, "a call", anyone(s).asks(recovers[0], email), 200, "")
			s.Deliver()
		}
		full := anyone(s).login("alex@acme.com", servertest.Password)
		is(t, "a sign-in elsewhere", full, 429, "auth.too_many_attempts")
		for _, email := range []string{"alex@acme.com", "nobody@acme.com"} {
			is(t, "a recovery elsewhere", anyone(s).asks(recovers[0], email), 429, "rate_limit.exceeded")
		}
		strangers := s.MailedToken("alex@acme.com")

		is(t, "a sign-in in the own browser", own.login("alex@acme.com", servertest.Password), 200, "")
		is(t, "somebody else's address there", own.asks(recovers[0], "kim@acme.com"), 429, "rate_limit.exceeded")
		is(t, "a recovery there", own.asks(recovers[0], "alex@acme.com"), 200, "")
		token := s.MailedToken("alex@acme.com")
		if token == strangers {
			t.Fatal("no link was mailed")
		}
		is(t, "the stranger's link", own.reset(strangers, "Another-Horse-8"), 404, "auth.link_not_found")
		is(t, "the reset", own.reset(token, "Another-Horse-8"), 200, "")
		is(t, "a sign-in after it", own.login("alex@acme.com", "Another-Horse-8"), 200, "")
	})
}
