package portalapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// recovers are the calls that mail a link to whoever asks.
var recovers = []string{"/v1/auth/forgot-password", "/v1/auth/resend-verification"}

// recoverable are an address that nobody has, and one of each kind that somebody has.
func recoverable(s *server) []string {
	_, _ = s.SignUp("user@acme.com", "Acme")
	anyone(s).Must(201, "POST", "/v1/auth/register", servertest.Registration("pending@acme.com"))
	s.Deliver()
	return []string{"nobody@acme.com", "user@acme.com", "pending@acme.com"}
}

// asks sends such a call from a browser that nobody is known in.
func (g guest) asks(path, email string, header ...string) answer {
	a := g.Do("POST", path, m{"email": email}, header...)
	a.Header.Del("X-Request-Id")
	return a
}

// Five links may be asked for with one address, whoever has it; the sixth call is refused
// in the same words, until the window ends.
func TestRecoveriesOfAnAddressAreLimitedAlike(t *testing.T) {
	t.Parallel()
	servertest.Each(t, limited, func(t *testing.T, s *server) {
		addresses, now := recoverable(s), time.Now()
		for _, path := range recovers {
			s.Clock.Stop(now)
			var first []answer
			for _, email := range addresses {
				var got []answer
				for n := range 7 {
					a := anyone(s).asks(path, email)
					s.Deliver()
					want, code := 200, ""
					if n >= 5 {
						want, code = 429, "rate_limit.exceeded"
					}
					is(t, fmt.Sprintf("%s for %s, call %d", path, email, n+1), a, want, code)
					if limit := a.Header.Get("RateLimit-Limit"); want == 429 && limit != "5" {
						t.Errorf("refused by a limit of %q", limit)
					}
					a.Header.Del("Date")
					got = append(got, a)
				}
				if first == nil {
					first = got
				}
				if diff := cmp.Diff(first, got); diff != "" {
					t.Errorf("%s tells %s from %s:\n%s", path, email, addresses[0], diff)
				}
			}
			now = now.Add(15 * time.Minute)
		}
		s.Clock.Stop(now)
		for _, email := range addresses {
			is(t, "after the window", anyone(s).asks(recovers[0], email), 200, "")
		}
	})
}

// Thirty may be asked for from one IP, by both calls together; then it is refused
// whatever the address is, and others are not.
func TestRecoveriesOfAnIPAreLimitedAlike(t *testing.T) {
	t.Parallel()
	proxied := func(c *config.Settings) { c.RateLimits, c.TrustedProxies = "", []string{"127.0.0.1"} }
	servertest.Each(t, proxied, func(t *testing.T, s *server) {
		addresses, now := recoverable(s), time.Now()
		s.Clock.Stop(now)
		for n := range 30 {
			a := anyone(s).asks(recovers[n%2], fmt.Sprintf("p%d@acme.com", n), "X-Forwarded-For", "192.0.2.1")
			is(t, fmt.Sprintf("call %d", n+1), a, 200, "")
		}
		for _, path := range recovers {
			var first *answer
			for _, email := range addresses {
				a := anyone(s).asks(path, email, "X-Forwarded-For", "192.0.2.1")
				is(t, path+" for "+email, a, 429, "rate_limit.exceeded")
				if limit := a.Header.Get("RateLimit-Limit"); limit != "30" || a.Header.Get("Retry-After") == "" {
					t.Errorf("%s for %s: %v", path, email, a.Header)
				}
				a.Header.Del("Date")
				if first == nil {
					first = &a
				}
				if diff := cmp.Diff(*first, a); diff != "" {
					t.Errorf("%s tells %s from %s:\n%s", path, email, addresses[0], diff)
				}
				is(t, "from another IP", anyone(s).asks(path, email, "X-Forwarded-For", "192.0.2.2"), 200, "")
			}
		}
		s.Clock.Stop(now.Add(15 * time.Minute))
		for _, path := range recovers {
			is(t, "after the window", anyone(s).asks(path, addresses[0], "X-Forwarded-For", "192.0.2.1"), 200, "")
		}
	})
}
