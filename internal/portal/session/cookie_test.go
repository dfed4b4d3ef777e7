package session_test

import (
	"errors"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/session"
)

// leave signs out by a refresh token.
func leave(t *testing.T, p *portaltest.Portal, what, token string, all bool, count int, want error, events string) {
	t.Helper()
	_ = eventtest.Take(t, p.DB)
	n, err := p.Sessions.LogoutByCookie(t.Context(), guest, token, all)
	got := eventtest.Actions(t, p.DB)
	if n != count || !errors.Is(err, want) || got != events {
		t.Errorf("%s: %d, %v, %q, want %d, %v, %q", what, n, err, got, count, want, events)
	}
}

// Whoever has been idle signs out by the cookie, from one session or from all.
func TestLogoutByCookie(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		a, b, c, d := p.SignIn(alex), p.SignIn(alex), p.SignIn(alex), p.SignIn(alex)
		p.Clock.Advance(time.Hour) // no access token is good any more
		me := p.User(alex)
		_ = eventtest.Take(t, p.DB)
		if n, err := p.Sessions.LogoutByCookie(t.Context(), guest, a.Refresh.Reveal(), false); n != 1 || err != nil {
			t.Error(n, err)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.logout" || rows[0].ActorID != me.ID.Any() ||
			rows[0].ActorLabel != alex || rows[0].Account != acme.ID.Any() || rows[0].Correlation != guest.Request.ID {
			t.Errorf("%+v", rows)
		}
		refuse(t, p, "the cookie of the session", a.Refresh.Reveal(), session.ErrRevoked)
		invalid := signingkey.ErrInvalidToken
		leave(t, p, "twice", a.Refresh.Reveal(), false, 0, invalid, "")
		leave(t, p, "all by a cookie that has ended", a.Refresh.Reveal(), true, 0, invalid, "")
		leave(t, p, "an unknown cookie", "x", true, 0, invalid, "")

		// The one before the current one signs out, like the current one.
		_, next, err := refresh(t, p, b.Refresh.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(29 * time.Second)
		leave(t, p, "the one before", b.Refresh.Reveal(), false, 1, nil, "user.logout")
		refuse(t, p, "its successor", next, session.ErrRevoked)

		// One used before that is another's, or was taken: it ends its session and no other.
		_, next, err = refresh(t, p, c.Refresh.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(30 * time.Second)
		leave(t, p, "an older one", c.Refresh.Reveal(), true, 0, invalid, "user.session.reuse_detected")
		refuse(t, p, "its successor", next, session.ErrRevoked)

		e := p.SignIn(alex)
		leave(t, p, "all", d.Refresh.Reveal(), true, 2, nil, "session.all_revoked")
		refuse(t, p, "the other one's", e.Refresh.Reveal(), session.ErrRevoked)

		f := p.SignIn(alex)
		p.Clock.Advance(30 * day)
		leave(t, p, "one too old", f.Refresh.Reveal(), false, 0, invalid, "")
	})
}

// Who may no longer enter the Account signs out all the same.
func TestLogoutByCookieOfAFormerMember(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		b := p.SignIn(alex)
		p.SetActive(acme.Account, p.User(alex), false)
		leave(t, p, "a former member", b.Refresh.Reveal(), false, 1, nil, "user.logout")
		refuse(t, p, "the cookie", b.Refresh.Reveal(), session.ErrRevoked)
	})
}
