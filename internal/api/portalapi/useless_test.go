package portalapi_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestRightPasswordsThatOpenNothingThrottleTheIP: a right password that ends in 403 costs
// its IP a place, as a wrong one does, so that nobody has passwords hashed for ever by
// signing an address up. One that opens a session costs nothing.
func TestRightPasswordsThatOpenNothingThrottleTheIP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code  string
		begin func(w world, email string)
	}{
		"sign-up that waits": {"auth.email_not_verified", func(w world, email string) {
			w.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
		}},
		"no active membership": {"auth.no_active_account", func(w world, email string) {
			id := w.Join(email).Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
			w.Alex.Must(200, "POST", w.account()+"/users/"+id+"/deactivate", nil)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servertest.Each(t, limited, func(t *testing.T, s *server) {
				w := world{s.Acme()}
				c.begin(w, "dana@acme.com")
				for range 50 {
					w.anyone().Must(200, "POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", servertest.Password))
					is(t, "the right password", w.anyone().login("dana@acme.com", servertest.Password), 403, c.code)
				}
				for _, email := range []string{"dana@acme.com", "alex@acme.com", "nobody@acme.com"} {
					var a answer
					n := hashes(t, s, func() { a = w.anyone().login(email, servertest.Password) })
					is(t, email, a, 429, "auth.too_many_attempts")
					if n != 0 || a.Header.Get("Retry-After") == "" || a.Header.Get("RateLimit-Limit") != "50" {
						t.Errorf("%s: %d hashes, %v", email, n, a.Header)
					}
				}
				s.Clock.Advance(15 * time.Minute)
				is(t, "after the window", w.anyone().login("dana@acme.com", servertest.Password), 403, c.code)
			})
		})
	}
}
