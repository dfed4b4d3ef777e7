package session_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/session"
)

// refresh renews with a token and gives the next one.
func refresh(t *testing.T, p *portaltest.Portal, token string) (*session.Bound, string, error) {
	t.Helper()
	b, err := p.Sessions.Refresh(t.Context(), guest, token)
	if err != nil {
		return nil, "", err
	}
	return b, b.Refresh.Reveal(), nil
}

// refuse expects a refresh token to be refused.
func refuse(t *testing.T, p *portaltest.Portal, what, token string, want error) {
	t.Helper()
	if _, _, err := refresh(t, p, token); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// remove takes an Application away, for which there is no use case yet.
func remove(t *testing.T, p *portaltest.Portal, application scope.ApplicationID) {
	t.Helper()
	dbtest.Exec(t, p.DB, `DELETE FROM application WHERE id = $1`, application)
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		first := p.SignIn(alex)
		_ = eventtest.Take(t, p.DB)
		b, second, err := refresh(t, p, first.Refresh.Reveal())
		if err != nil || second == first.Refresh.Reveal() || b.RefreshLife != 30*day || b.ExpiresIn != 15*time.Minute {
			t.Fatalf("%+v, %v", b, err)
		}
		old, renewed := p.Caller(first), p.Caller(b)
		if diff := cmp.Diff(old, renewed); diff != "" {
			t.Errorf("the session is another one:\n%s", diff)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.session.refreshed" || rows[0].Visible ||
			rows[0].Account != acme.ID.Any() || rows[0].ResourceID != old.SessionID.Any() || rows[0].ActorID != old.ID {
			t.Errorf("%v", rows)
		}
		refuse(t, p, "no token", "x", signingkey.ErrInvalidToken)
		if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
			t.Errorf("%v", rows)
		}
	})
}

func TestRefreshOnceOfMany(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		token := p.SignIn(alex).Refresh.Reveal()
		got := dbtest.AtOnce(20, func() string {
			_, err := p.Sessions.Refresh(t.Context(), guest, token)
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.refresh_conflict": 19}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A used token is a race for ten seconds, and a theft from then on.
func TestReuse(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		other := p.SignIn(alex)
		b := p.SignIn(alex)
		who := p.Caller(b)
		first := b.Refresh.Reveal()
		_, second, err := refresh(t, p, first)
		if err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(9 * time.Second)
		_ = eventtest.Take(t, p.DB)
		refuse(t, p, "within ten seconds", first, session.ErrConflict)
		if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
			t.Errorf("%v", rows)
		}
		_, third, err := refresh(t, p, second)
		if err != nil {
			t.Fatalf("a conflict ended the session: %v", err)
		}
		p.Clock.Advance(time.Second)
		_ = eventtest.Take(t, p.DB)
		refuse(t, p, "after ten seconds", first, session.ErrRevoked)
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.session.reuse_detected" || rows[0].Severity != "critical" ||
			rows[0].Outcome != "denied" || rows[0].Account != acme.ID.Any() || !rows[0].Visible ||
			rows[0].ResourceID != who.SessionID.Any() || rows[0].Metadata != `{"ip_address":"192.0.2.1"}` {
			t.Errorf("%v", rows)
		}
		for name, token := range map[string]string{"first": first, "second": second, "third": third} {
			refuse(t, p, name, token, session.ErrRevoked)
		}
		if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("its access token: %v", err)
		}
		if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
			t.Errorf("an end is told again: %v", rows)
		}
		if _, _, err := refresh(t, p, other.Refresh.Reveal()); err != nil {
			t.Errorf("another session: %v", err)
		}
	})
}

// Each use renews a session for thirty days, and never past ninety.
func TestSessionsGrowOld(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		idle := p.SignIn(alex).Refresh.Reveal()
		token := p.SignIn(alex).Refresh.Reveal()
		for _, c := range []struct{ wait, left time.Duration }{
			{29 * day, 30 * day}, {29 * day, 30 * day}, {29 * day, 3 * day},
		} {
			p.Clock.Advance(c.wait)
			b, next, err := refresh(t, p, token)
			if err != nil {
				t.Fatal(err)
			}
			if off := c.left - b.RefreshLife; off < 0 || off > time.Second {
				t.Errorf("lives for %s, want %s", b.RefreshLife, c.left)
			}
			token = next
		}
		refuse(t, p, "unused for thirty days", idle, signingkey.ErrInvalidToken)
		p.Clock.Advance(3 * day)
		refuse(t, p, "after ninety days", token, signingkey.ErrInvalidToken)
	})
}

func TestSessionWhoseApplicationIsGoneMovesToTheOldest(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		b := p.SignIn(alex)
		oldest := p.Application(acme.Account, "Zebra")
		_ = p.Application(acme.Account, "Ant")
		remove(t, p, acme.Desk)
		if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("a token for an Application that is gone: %v", err)
		}
		moved, next, err := refresh(t, p, b.Refresh.Reveal())
		if err != nil || moved.Application.ID != oldest || p.Caller(moved).Application.ID != oldest {
			t.Fatalf("%+v, %v", moved, err)
		}
		if list, err := p.Sessions.List(t.Context(), p.Caller(moved)); err != nil || list[0].ApplicationSlug != "zebra" {
			t.Errorf("%+v, %v", list, err)
		}
		if again, _, err := refresh(t, p, next); err != nil || again.Application.ID != oldest {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

// A session that can't go on ends, and comes back with nothing.
func TestRefreshEndsASessionThatCannotGoOn(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		u := p.Join(globex.Account, dana, permission.Admin)
		emptied, off := p.SignIn(alex).Refresh.Reveal(), p.SignIn(dana).Refresh.Reveal()
		remove(t, p, acme.Desk)
		refuse(t, p, "an Account without any Application", emptied, session.ErrRevoked)
		p.SetActive(globex.Account, u, false)
		refuse(t, p, "a membership switched off", off, session.ErrRevoked)

		_ = p.Application(acme.Account, "Till")
		p.SetActive(globex.Account, u, true)
		refuse(t, p, "an Application came back", emptied, session.ErrRevoked)
		refuse(t, p, "the membership came back", off, session.ErrRevoked)
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session WHERE ended_at IS NULL`); n != 0 {
			t.Errorf("%d sessions are open", n)
		}
	})
}
