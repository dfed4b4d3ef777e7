package session_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/application"
)

// live tells whether a session goes on.
func live(t *testing.T, p *portaltest.Portal, b *session.Bound) bool {
	t.Helper()
	_, err := p.Sessions.Authenticate(t.Context(), b.AccessToken)
	if err != nil && !errors.Is(err, signingkey.ErrInvalidToken) {
		t.Error(err)
	}
	return err == nil
}

// enter opens a session of alex in one of several Accounts.
func enter(t *testing.T, p *portaltest.Portal, c portaltest.Company) *session.Bound {
	t.Helper()
	in, err := p.Login(guest, alex, portaltest.Password)
	if err != nil {
		t.Fatal(err)
	}
	who, err := p.Sessions.Authenticate(t.Context(), in.PreAuthToken)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Sessions.Select(t.Context(), who.(principal.PreAuth), c.ID, c.Desk)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func expectLive(t *testing.T, p *portaltest.Portal, want map[*session.Bound]bool) {
	t.Helper()
	for b, want := range want {
		if live(t, p, b) != want {
			t.Errorf("the session of %s in %s goes on: %v", b.User.Email, b.Membership.Account.Slug, !want)
		}
	}
}

func TestAuthenticateLooksAtWhatHoldsNow(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = p.Join(acme.Account, dana, permission.Admin)
		b := p.SignIn(dana)
		if u := p.Caller(b); u.Role != permission.Admin || u.Holds(permission.UserManageOwners) {
			t.Errorf("%+v", u)
		}
		dbtest.Exec(t, p.DB, `UPDATE portal_user SET email = 'd@acme.com' WHERE id = $1`, b.User.ID)
		dbtest.Do(t, p.DB, func(tx *database.Tx) error {
			return portaluser.SetMemberRole(t.Context(), tx, acme.ID, b.User.ID, permission.Owner)
		})
		if u := p.Caller(b); u.Role != permission.Owner || !u.Holds(permission.UserManageOwners) || u.Label != "d@acme.com" {
			t.Errorf("%+v", u)
		}
		p.SetActive(acme.Account, b.User, false)
		if live(t, p, b) {
			t.Error("a membership switched off")
		}
		p.SetActive(acme.Account, b.User, true)
		if !live(t, p, b) {
			t.Error("and on again")
		}
		for name, token := range map[string]string{
			"none": "", "a refresh token": b.Refresh.Reveal(), "damage": b.AccessToken + "x",
		} {
			if _, err := p.Sessions.Authenticate(t.Context(), token); !errors.Is(err, signingkey.ErrInvalidToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestSwitch(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		till := p.Application(acme.Account, "Till")
		_ = p.Join(globex.Account, alex, permission.Admin)
		b := enter(t, p, acme)
		u := p.Caller(b)
		_ = eventtest.Take(t, p.DB)

		within, err := p.Sessions.Switch(t.Context(), u, till, b.Refresh.Reveal())
		if err != nil || within.Application.ID != till || p.Caller(within).SessionID != u.SessionID {
			t.Fatalf("%+v, %v", within, err)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Account != acme.ID.Any() || rows[0].Metadata != `{"from_application_id":"`+
			acme.Desk.String()+`","to_application_id":"`+till.String()+`"}` {
			t.Errorf("%v", rows)
		}

		beyond, err := p.Sessions.Switch(t.Context(), p.Caller(within), globex.Desk, within.Refresh.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		now := p.Caller(beyond)
		if now.Account != globex.Account || now.Role != permission.Admin || now.SessionID != u.SessionID {
			t.Errorf("%+v", now)
		}
		if then := p.Caller(within); then.Account != acme.Account || then.Role != permission.Owner {
			t.Errorf("the older access token went along: %+v", then)
		}
		told := map[string]string{}
		for _, r := range eventtest.Take(t, p.DB) {
			told[r.Account.String()] = r.Metadata
		}
		if len(told) != 2 ||
			told[acme.ID.String()] != `{"from_application_id":"`+till.String()+`","to_application_id":null}` ||
			told[globex.ID.String()] != `{"from_application_id":null,"to_application_id":"`+globex.Desk.String()+`"}` {
			t.Errorf("an Account learns of another: %v", told)
		}
		// Its answer may have been lost.
		again, same, err := refresh(t, p, within.Refresh.Reveal())
		if err != nil || same != beyond.Refresh.Reveal() || again.Application.ID != globex.Desk {
			t.Errorf("the refresh token from before: %+v, %v", again, err)
		}
		renewed, _, err := refresh(t, p, beyond.Refresh.Reveal())
		if err != nil || renewed.Application.ID != globex.Desk {
			t.Errorf("%+v, %v", renewed, err)
		}
	})
}

// Without the session's current refresh token a switch gives none: an access token never
// becomes one, and the browser's cookie stays good.
func TestSwitchWithoutTheCookieGivesNone(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		till := p.Application(acme.Account, "Till")
		_ = p.Company("Globex", "kim@globex.com")
		other := p.SignIn("kim@globex.com")
		b := enter(t, p, acme)
		before := b.Refresh.Reveal()
		_, current, err := refresh(t, p, before)
		if err != nil {
			t.Fatal(err)
		}
		for name, token := range map[string]string{
			"none": "", "one used before": before, "another's": other.Refresh.Reveal(), "another word": "x",
		} {
			to, err := p.Sessions.Switch(t.Context(), p.Caller(b), till, token)
			if err != nil || !to.Refresh.IsZero() || to.Application.ID != till {
				t.Errorf("%s: %+v, %v", name, to, err)
			}
		}
		if after, _, err := refresh(t, p, current); err != nil || after.Application.ID != till {
			t.Errorf("the cookie: %+v, %v", after, err)
		}
	})
}

// A person has a hundred live sessions at most: a further one ends the one unused longest.
func TestHundredSessions(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_, _ = p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		other := p.SignIn("kim@globex.com")
		first, second := p.SignIn(alex), p.SignIn(alex)
		p.Clock.Advance(time.Second)
		if _, _, err := refresh(t, p, first.Refresh.Reveal()); err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(time.Second)
		for range 99 {
			_ = p.SignIn(alex)
		}
		expectLive(t, p, map[*session.Bound]bool{first: true, second: false, other: true})
		list, err := p.Sessions.List(t.Context(), p.Caller(first))
		if len(list) != 100 || err != nil {
			t.Errorf("%d sessions, %v", len(list), err)
		}
	})
}

func TestSwitchRefuses(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		b := p.SignIn(alex)
		u := p.Caller(b)
		for name, to := range map[string]scope.ApplicationID{"somebody else's": globex.Desk, "none": {1}} {
			if _, err := p.Sessions.Switch(t.Context(), u, to, ""); !errors.Is(err, application.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		off := p.Join(globex.Account, alex, permission.Admin)
		p.SetActive(globex.Account, off, false)
		if _, err := p.Sessions.Switch(t.Context(), u, globex.Desk, ""); !errors.Is(err, application.ErrNotFound) {
			t.Errorf("where one is switched off: %v", err)
		}
		if _, _, err := refresh(t, p, b.Refresh.Reveal()); err != nil {
			t.Errorf("a refused switch cost the session: %v", err)
		}
		p.SetActive(globex.Account, off, true)
		if n, err := p.Sessions.Logout(t.Context(), u, false); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if _, err := p.Sessions.Switch(t.Context(), u, globex.Desk, ""); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("an ended session: %v", err)
		}
	})
}

func TestEndingOnesOwnSessions(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = p.Join(acme.Account, dana, permission.Admin)
		a, b, c, d, other := p.SignIn(alex), p.SignIn(alex), p.SignIn(alex), p.SignIn(alex), p.SignIn(dana)
		me := p.Caller(a)
		list, err := p.Sessions.List(t.Context(), me)
		if err != nil || len(list) != 4 || list[0].ID != p.Caller(d).SessionID || list[3].ID != me.SessionID {
			t.Fatalf("not newest first: %+v, %v", list, err)
		}
		_ = eventtest.Take(t, p.DB)

		revoke := func(id session.ID, want error) {
			t.Helper()
			if err := p.Sessions.Revoke(t.Context(), me, id); !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
		sessionB := p.Caller(b).SessionID
		revoke(sessionB, nil)
		revoke(sessionB, session.ErrNotFound)
		revoke(p.Caller(other).SessionID, session.ErrNotFound)
		revoke(session.ID{1}, session.ErrNotFound)
		if rows := eventtest.Take(t, p.DB); len(rows) != 1 || rows[0].Action != "user.session.revoked" ||
			rows[0].ResourceID != sessionB.Any() || rows[0].ActorID != me.ID {
			t.Errorf("%v", rows)
		}
		if n, err := p.Sessions.Logout(t.Context(), p.Caller(c), false); n != 1 || err != nil {
			t.Error(n, err)
		}
		if got := eventtest.Actions(t, p.DB); got != "user.logout" {
			t.Error(got)
		}
		expectLive(t, p, map[*session.Bound]bool{a: true, b: false, c: false, d: true, other: true})
		if n, err := p.Sessions.Logout(t.Context(), me, true); n != 2 || err != nil {
			t.Error(n, err)
		}
		if rows := eventtest.Take(t, p.DB); len(rows) != 1 || rows[0].Metadata != `{"revoked_count":2,"reason":"logout"}` {
			t.Errorf("%v", rows)
		}
		expectLive(t, p, map[*session.Bound]bool{a: false, d: false, other: true})

		e := p.SignIn(alex)
		_ = eventtest.Take(t, p.DB)
		if err := p.Sessions.RevokeAll(t.Context(), p.Caller(e)); err != nil {
			t.Error(err)
		}
		if rows := eventtest.Take(t, p.DB); len(rows) != 1 || rows[0].Action != "session.all_revoked" ||
			rows[0].Metadata != `{"revoked_count":1,"reason":"user_request"}` {
			t.Errorf("%v", rows)
		}
		expectLive(t, p, map[*session.Bound]bool{e: false, other: true})
	})
}

func TestEndInAccountLeavesOtherAccounts(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		_ = p.Join(globex.Account, alex, permission.Admin)
		_ = p.Join(acme.Account, dana, permission.Admin)
		here, there, other := enter(t, p, acme), enter(t, p, globex), p.SignIn(dana)
		_ = eventtest.Take(t, p.DB)
		endIn := func() []eventtest.Row {
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				who, err := portaluser.Lock(t.Context(), tx, here.User.ID)
				if err != nil {
					return err
				}
				return session.EndInAccount(t.Context(), tx, guest, acme.ID, who, session.MemberRemoved)
			})
			return eventtest.Take(t, p.DB)
		}
		rows := endIn()
		expectLive(t, p, map[*session.Bound]bool{here: false, there: true, other: true})
		if len(rows) != 1 || rows[0].Account != acme.ID.Any() || rows[0].Action != "session.all_revoked" ||
			rows[0].Metadata != `{"revoked_count":1,"reason":"member_removed"}` {
			t.Errorf("%v", rows)
		}
		if rows := endIn(); len(rows) != 0 {
			t.Errorf("none ended: %v", rows)
		}
	})
}

func TestEndForPassword(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		_ = p.Join(globex.Account, alex, permission.Admin)
		_ = p.Join(acme.Account, dana, permission.Admin)
		kept, here, there := enter(t, p, acme), enter(t, p, acme), enter(t, p, globex)
		_ = enter(t, p, acme)
		other := p.SignIn(dana)
		choice, err := p.Login(guest, alex, portaltest.Password)
		if err != nil {
			t.Fatal(err)
		}
		_ = eventtest.Take(t, p.DB)
		endFor := func(keep session.ID) []eventtest.Row {
			t.Helper()
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				who, err := portaluser.Lock(t.Context(), tx, kept.User.ID)
				if err != nil {
					return err
				}
				return session.EndForPassword(t.Context(), tx, guest, who, keep, session.PasswordChange)
			})
			return eventtest.Take(t, p.DB)
		}
		told := func(what string, rows []eventtest.Row, inAcme, inGlobex int) {
			t.Helper()
			got := map[id.ID]string{}
			for _, r := range rows {
				got[r.Account] = r.Metadata
			}
			want := map[id.ID]string{ // neither learns of the other's
				acme.ID.Any():   fmt.Sprintf(`{"revoked_count":%d,"reason":"password_change"}`, inAcme),
				globex.ID.Any(): fmt.Sprintf(`{"revoked_count":%d,"reason":"password_change"}`, inGlobex),
			}
			if diff := cmp.Diff(want, got); diff != "" || len(rows) != 2 {
				t.Errorf("%s: %d rows\n%s", what, len(rows), diff)
			}
		}
		told("a change", endFor(p.Caller(kept).SessionID), 2, 1)
		expectLive(t, p, map[*session.Bound]bool{kept: true, here: false, there: false, other: true})
		who, err := p.Sessions.Authenticate(t.Context(), choice.PreAuthToken)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.Sessions.Select(t.Context(), who.(principal.PreAuth), acme.ID, acme.Desk)
		if !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("a choice outlives the password: %v", err)
		}
		if rows := endFor(p.Caller(kept).SessionID); len(rows) != 0 {
			t.Errorf("none but the kept one: %v", rows)
		}
		told("a reset", endFor(session.ID{}), 1, 0)
		told("a reset tells of none, too", endFor(session.ID{}), 0, 0)
		expectLive(t, p, map[*session.Bound]bool{kept: false, other: true})
	})
}

// What has ended is remembered for a week, and only then forgotten.
func TestSweep(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = p.Application(acme.Account, "Till")
		ended, kept := enter(t, p, acme), enter(t, p, acme)
		first := kept.Refresh.Reveal()
		_, next, err := refresh(t, p, first)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Sessions.Logout(t.Context(), p.Caller(ended), false); err != nil {
			t.Fatal(err)
		}
		sweep := func(sessions, used, choices int) {
			t.Helper()
			if err := p.Sessions.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			for query, want := range map[string]int{
				`SELECT count(*) FROM portal_session`:      sessions,
				`SELECT count(*) FROM portal_session_used`: used,
				`SELECT count(*) FROM pre_auth`:            choices,
			} {
				if n := dbtest.Number(t, p.DB, query); n != want {
					t.Errorf("%s gives %d, want %d", query, n, want)
				}
			}
		}
		p.Clock.Advance(7*day - time.Minute)
		sweep(2, 1, 2)
		refuse(t, p, "an ended session", ended.Refresh.Reveal(), session.ErrRevoked)
		p.Clock.Advance(day)
		sweep(1, 1, 0)
		refuse(t, p, "a forgotten session", ended.Refresh.Reveal(), signingkey.ErrInvalidToken)
		if _, _, err := refresh(t, p, next); err != nil {
			t.Errorf("a live session was swept: %v", err)
		}
		p.Clock.Advance(98 * day) // a week after the ninetieth
		sweep(0, 0, 0)
	})
}

func TestSelf(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		b := p.SignIn(alex)
		u := p.Caller(b)
		self, err := p.Sessions.Self(t.Context(), u)
		if err != nil || self.User != p.User(alex) || self.Membership != b.Membership ||
			!cmp.Equal(self.Application, b.Application) {
			t.Errorf("%+v, %v", self, err)
		}
		choices, err := p.Sessions.Choices(t.Context(), u)
		if err != nil || len(choices) != 1 || choices[0].Membership != b.Membership || len(choices[0].Applications) != 1 {
			t.Errorf("%+v, %v", choices, err)
		}
		dbtest.Exec(t, p.DB, `DELETE FROM account_member WHERE account_id = $1`, acme.ID)
		if _, err := p.Sessions.Self(t.Context(), u); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("without a membership: %v", err)
		}
	})
}
