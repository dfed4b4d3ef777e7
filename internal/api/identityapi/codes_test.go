package identityapi_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/server/servertest"
)

func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	ended := func(code string, end func(w *world, id, token string)) servertest.Provocation {
		return func(t *testing.T, p servertest.Provoker) answer {
			w := newWorld(t, p)
			id, token := w.invite("dana@acme.com", nil)
			end(w, id, token)
			is(t, "the preview", w.preview(token), code)
			return w.accept(joining(token))
		}
	}
	servertest.EveryCode(t, servertest.DoorCodes("identityapi"), map[string]servertest.Provocation{
		"invites.not_found": func(_ *testing.T, p servertest.Provoker) answer {
			return p.Client().Do("POST", previewing, m{"token": servertest.NoToken})
		},
		"invites.expired": ended("invites.expired", func(w *world, _, _ string) { w.Clock.Advance(168 * time.Hour) }),
		"invites.revoked": ended("invites.revoked", func(w *world, id, _ string) {
			w.owner.Must(204, "DELETE", w.at+"/identity-invites/"+id, nil)
		}),
		"invites.already_accepted": ended("invites.already_accepted", func(w *world, _, token string) {
			is(w.t, "the first", w.accept(joining(token)), "ok")
		}),
		"invites.assignment_unavailable": func(t *testing.T, p servertest.Provoker) answer {
			w := newWorld(t, p)
			root, role := w.owner.Tree(w.at), w.role()
			_, token := w.invite("dana@acme.com", m{"role_id": role, "node_id": root})
			w.owner.Must(200, "PATCH", w.at+"/roles/"+role, m{"is_active": false})
			return w.accept(joining(token))
		},
		"identities.inactive": func(t *testing.T, p servertest.Provoker) answer {
			w := newWorld(t, p)
			id := w.memberAt(w.account+production, "dana@acme.com")
			_, token := w.invite("dana@acme.com", nil)
			w.owner.Must(200, "POST", w.account+production+"/identities/"+id+"/deactivate", nil)
			return w.accept(joining(token))
		},
		"identities.password_breached": func(t *testing.T, p servertest.Provoker) answer {
			w := newWorld(t, p)
			_, token := w.invite("dana@acme.com", nil)
			body := joining(token)
			body["password"] = "sunshine"
			return w.accept(body)
		},
		"identities.password_reused": func(t *testing.T, p servertest.Provoker) answer {
			w := newWorld(t, p)
			w.member("dana@acme.com")
			_, token := w.invite("dana@acme.com", m{"intent": "password_reset"})
			return w.accept(joining(token))
		},
		"auth.invalid_credentials": func(t *testing.T, p servertest.Provoker) answer {
			w := newWorld(t, p)
			w.memberAt(w.account+production, "dana@acme.com")
			_, token := w.invite("dana@acme.com", nil)
			return w.accept(m{"token": token, "password": "a wrong one"})
		},
		"auth.too_many_attempts": func(t *testing.T, p servertest.Provoker) answer {
			limited := servertest.New(t, p.DB.Engine, func(c *config.Settings) { c.RateLimits = "sign_in=1/1h" })
			w := newWorld(t, limited.Provoker())
			w.memberAt(w.account+production, "dana@acme.com")
			_, token := w.invite("dana@acme.com", nil)
			is(t, "the first", w.accept(m{"token": token, "password": "a wrong one"}), "auth.invalid_credentials")
			return w.accept(m{"token": token, "password": password})
		},
		"server.busy": busy,
	})
}

// busy: more acceptances at once than passwords may wait to be compared, since the person's hash
// is an expensive one.
func busy(t *testing.T, p servertest.Provoker) answer {
	w := newWorld(t, p)
	id := w.memberAt(w.account+production, "dana@acme.com")
	_, token := w.invite("dana@acme.com", nil)
	hasher := secret.NewHasher(secret.Params{MemoryKiB: 19 * 1024, Time: 1, Threads: 1}, 1, 1)
	slow, err := hasher.Hash(t.Context(), secret.From{}, password)
	if err != nil {
		t.Fatal(err)
	}
	p.Execute(`UPDATE identity SET password_hash = $1 WHERE id = $2`, slow, id)
	answers := make(chan answer, 200)
	for range cap(answers) {
		go func() { answers <- w.accept(m{"token": token, "password": "a wrong one"}) }()
	}
	last := answer{}
	for range cap(answers) {
		if a := <-answers; a.Code() == "server.busy" {
			last = a
		}
	}
	return last
}
