package identityapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestOnlyTheWholeTokenOpens: every prefix, every extension, every flipped byte, the id and the
// tokens of another purpose are one and the same unknown.
func TestOnlyTheWholeTokenOpens(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		id, token := w.invite("dana@acme.com", nil)
		colleague := strings.TrimSuffix(w.account, "/")
		w.owner.Must(201, "POST", colleague+"/user-invites", servertest.Invitation("kim@acme.com"))
		ofUser := w.MailedToken("kim@acme.com")
		who := w.member("mia@acme.com")
		w.owner.Must(204, "POST", w.at+"/identities/"+who+"/password/reset", nil)
		ofReset := w.MailedToken("mia@acme.com")
		wrong := []string{id, ofUser, ofReset, token + "A", token + "=", " " + token, "", w.owner.Token}
		for i := range token {
			flipped := []byte(token)
			flipped[i] ^= 1
			wrong = append(wrong, token[:i], string(flipped))
		}
		for _, one := range wrong {
			for _, a := range []answer{w.preview(one), w.accept(joining(one))} {
				if a.Status != 404 && a.Status != 400 || a.Status == 404 && a.Code() != "invites.not_found" {
					t.Errorf("%q: %d %s", one, a.Status, a.Raw)
				}
			}
		}
		for _, path := range []string{"/v1/auth/invite-info", "/v1/auth/accept-invite"} {
			body := m{"token": token}
			if strings.HasSuffix(path, "accept-invite") {
				body = servertest.Acceptance(token)
			}
			is(t, path, w.Client().Do("POST", path, body), "invites.not_found")
		}
		for path, body := range map[string]m{
			"/v1/auth/verify-email":   {"token": token},
			"/v1/auth/reset-password": {"token": token, "password": servertest.Password},
		} {
			is(t, path, w.Client().Do("POST", path, body), "auth.link_not_found")
		}
		for _, empty := range []m{{}, {"token": nil}, {"token": token, "password": nil}, {"token": token, "role_id": id}} {
			is(t, fmt.Sprint(empty), w.accept(empty), "validation")
		}
		is(t, "the token", w.accept(joining(token)), "ok")
	})
}

// TestWhoeverAcceptsIsNobody: being signed in as somebody else neither helps nor harms.
func TestWhoeverAcceptsIsNobody(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		_, token := w.invite("dana@acme.com", nil)
		key := w.owner.Key(w.at)
		for _, header := range [][]string{
			{"Authorization", "Bearer " + w.owner.Token},
			{"Authorization", "Bearer x"},
			{"X-API-Key", key},
			{"Authorization", "Bearer x", "X-API-Key", "y"},
			{"Cookie", "canopy_identity_refresh=x; canopy_refresh=y"},
			{"X-Forwarded-Host", "evil.example", "X-Canopy-Environment", "production"},
		} {
			a := w.Client().Do("POST", previewing, m{"token": token}, header...)
			is(t, fmt.Sprint("preview with ", header), a, "ok")
		}
		a := w.Client().Do("POST", accepting, joining(token), "Authorization", "Bearer "+w.owner.Token, "Cookie", "a=b")
		is(t, "accept", a, "ok")
		w.owner.Must(200, "GET", w.at+"/identities?q=dana", nil)
		n := dbtest.Number(t, w.DB, `SELECT count(*) FROM audit_event WHERE action = 'invite.accepted'
			AND actor_type = 'identity' AND actor_label = 'dana@acme.com'`)
		if n != 1 {
			t.Error("somebody else has accepted")
		}
	})
}

// TestLinkExpires: the instant of expiry is too late; expired is computed.
func TestLinkExpires(t *testing.T) {
	t.Parallel()
	each(t, nil, func(t *testing.T, w *world) {
		now := w.Clock.Now().Truncate(time.Millisecond)
		w.Clock.Stop(now)
		id, token := w.invite("dana@acme.com", nil)
		_, second := w.invite("kim@acme.com", nil)
		w.Clock.Stop(now.Add(168*time.Hour - time.Millisecond))
		is(t, "a millisecond before", w.preview(token), "ok")
		is(t, "a millisecond before", w.accept(joining(second)), "ok")
		for _, late := range []time.Duration{0, time.Millisecond} {
			w.Clock.Stop(now.Add(168*time.Hour + late))
			is(t, late.String(), w.preview(token), "invites.expired")
			is(t, late.String(), w.accept(joining(token)), "invites.expired")
		}
		w.owner.SignIn(w.email)
		if w.status(id) != "expired" {
			t.Error(w.status(id))
		}
		for method, path := range map[string]string{"POST": "/resend", "DELETE": ""} {
			is(t, method, w.owner.Do(method, w.at+"/identity-invites/"+id+path, nil), "invites.not_pending")
		}
		again, _ := w.invite("dana@acme.com", nil)
		if again == id || w.status(id) != "expired" || w.status(again) != "pending" {
			t.Error("an expired invite stands in the way")
		}
	})
}

// TestWrongPasswordsAreCountedFirst: of fifty guesses at once five are compared, also where one
// is right; a run locks the identity, and neither says which guess was right.
func TestWrongPasswordsAreCountedFirst(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) {
		c.RateLimits = "sign_in=5/15m,lock=10/15m,sign_in_ip=off,link=off,principal=off"
	}
	each(t, limits, func(t *testing.T, w *world) {
		id := w.memberAt(w.account+production, "mia@acme.com")
		invited, token := w.invite("mia@acme.com", nil)
		guess := func() string { return servertest.Outcome(w.accept(m{"token": token, "password": "wrong"})) }
		got := servertest.AtOnce(50, guess)
		if got["auth.invalid_credentials"] != 5 || got["auth.too_many_attempts"] != 45 {
			t.Error(got)
		}
		is(t, "the right one", w.accept(m{"token": token, "password": password}), "auth.too_many_attempts")
		n := dbtest.Number(t, w.DB, `SELECT count(*) FROM audit_event WHERE action = 'identity.login.failed'
			AND outcome = 'failure' AND metadata LIKE '%wrong_password%' AND environment_id IS NOT NULL`)
		if n != 5 {
			t.Errorf("%d rows of wrong passwords", n)
		}
		w.Clock.Advance(16 * time.Minute)
		w.owner.SignIn(w.email)
		for range 5 {
			guess()
		}
		state := func() answer {
			return w.owner.Must(200, "GET", w.account+production+"/identities/"+id+"/auth-state", nil)
		}
		if a := state(); a.At("data", "locked") != any(true) || a.At("data", "failed_login_attempts") != 10. {
			t.Error(a.Raw)
		}
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM audit_event WHERE action = 'identity.locked'`); n != 1 {
			t.Errorf("%d rows of locks", n)
		}
		is(t, "locked", w.accept(m{"token": token, "password": password}), "auth.too_many_attempts")
		w.owner.Must(204, "POST", w.account+production+"/identities/"+id+"/password", m{"password": "another secret"})
		if a := state(); a.At("data", "locked") != any(false) {
			t.Error(a.Raw)
		}
		w.Clock.Advance(16 * time.Minute) // the pair of client and address still counts
		is(t, "with the new one", w.accept(m{"token": token, "password": "another secret"}), "ok")
		w.owner.SignIn(w.email)
		if w.status(invited) != "accepted" || state().At("data", "failed_login_attempts") != 0. {
			t.Error(w.status(invited), state().Raw)
		}
	})
}

// TestCountersOfPortalUsersAreApart: an address is locked in one world alone.
func TestCountersOfPortalUsersAreApart(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_in=1/15m,sign_in_ip=2/15m,lock=2/15m" }
	each(t, limits, func(t *testing.T, w *world) {
		w.memberAt(w.account+production, w.email)
		_, token := w.invite(w.email, nil)
		for range 3 {
			w.accept(m{"token": token, "password": "wrong"})
		}
		w.owner.SignIn(w.email)
		for range 3 {
			w.Client().Do("POST", "/v1/auth/login", servertest.Credentials("kim@acme.com", "Wrong-Pass-9"))
		}
		w.Clock.Advance(16 * time.Minute)
		is(t, "accept", w.accept(m{"token": token, "password": password}), "ok")
	})
}

// TestLinkLimit: both calls share the limit of mailed tokens.
func TestLinkLimit(t *testing.T) {
	t.Parallel()
	each(t, func(c *config.Settings) { c.RateLimits = "link=2/1m" }, func(t *testing.T, w *world) {
		w.Clock.Advance(2 * time.Minute) // past what the sign-up has used
		w.owner.SignIn(w.email)
		id, token := w.invite("dana@acme.com", nil)
		is(t, "first", w.preview(token), "ok")
		is(t, "second", w.accept(m{"token": token}), "validation")
		is(t, "third", w.accept(joining(token)), "rate_limit.exceeded")
		if w.status(id) != "pending" {
			t.Error(w.status(id))
		}
	})
}
