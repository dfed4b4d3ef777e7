package portalapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// 10. Guesses at once are no more than the limit, wherever a password is judged; a right
// one among those that are refused opens nothing.
func TestGuessesAtOnce(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=off,link=off" }
	for name, begin := range map[string]func(w world) func(password string) answer{
		"login": func(w world) func(string) answer {
			return func(password string) answer { return w.anyone().login("alex@acme.com", password) }
		},
		"login of nobody": func(w world) func(string) answer {
			return func(password string) answer { return w.anyone().login("nobody@acme.com", password) }
		},
		"change-password": func(w world) func(string) answer {
			return func(password string) answer {
				c := w.Client() // the token without the browser that it was got in
				c.Token = w.Alex.Token
				return c.Do("POST", "/v1/auth/change-password",
					m{"current_password": password, "new_password": "Another-Horse-8"})
			}
		},
		"accept-invite": func(w world) func(string) answer {
			_, _ = w.SignUp("dana@acme.com", "Beta")
			_, token := w.Invite("dana@acme.com")
			return func(password string) answer {
				body := servertest.Acceptance(token)
				body["password"] = password
				return w.Client().Do("POST", "/v1/auth/accept-invite", body)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servertest.Each(t, limits, func(t *testing.T, s *server) {
				guess := begin(world{s.Acme()})
				counts := servertest.AtOnce(60, func() string {
					a := guess("Wrong-Pass-9")
					if a.Status == 429 && a.Header.Get("Retry-After") == "" {
						t.Error("there is no Retry-After")
					}
					return servertest.Outcome(a)
				})
				want := map[string]int{"auth.invalid_credentials": 5, "auth.too_many_attempts": 55}
				if diff := cmp.Diff(want, counts); diff != "" {
					t.Error(diff)
				}
				is(t, "the right one", guess(servertest.Password), 429, "auth.too_many_attempts")
			})
		})
	}
}

// Right passwords side by side wait for each other and all pass.
func TestRightPasswordsAtOnce(t *testing.T) {
	t.Parallel()
	servertest.Each(t, limited, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		counts := servertest.AtOnce(20, func() string {
			return servertest.Outcome(w.anyone().login("alex@acme.com", servertest.Password))
		})
		if diff := cmp.Diff(map[string]int{"ok": 20}, counts); diff != "" {
			t.Error(diff)
		}
	})
}
