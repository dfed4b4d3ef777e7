package member_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/member"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
)

// acme is an Account with the owner Alex.
type acme struct {
	*portaltest.Portal
	portaltest.Company
	*member.Service

	t    *testing.T
	alex principal.User
}

func eachAcme(t *testing.T, fn func(t *testing.T, a acme)) {
	t.Helper()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		a := acme{p, p.Company("Acme", "alex@acme.com"), &member.Service{DB: p.DB}, t, principal.User{}}
		a.alex = a.owner("alex@acme.com")
		_ = eventtest.Take(t, p.DB)
		fn(t, a)
	})
}

// as is the caller that a person of Acme is.
func (a acme) as(email string) principal.User {
	u := a.User(email)
	return principal.User{
		Actor:  principal.Actor{Kind: principal.KindUser, ID: u.ID.Any(), Label: email},
		UserID: u.ID, Account: a.Account,
	}
}

// owner is the caller that an owner of Acme is.
func (a acme) owner(email string) principal.User {
	u := a.as(email)
	u.Role = permission.Owner
	return u
}

func (a acme) join(email string, role permission.AccountRole) portaluser.User {
	a.t.Helper()
	u := a.Join(a.Account, email, role)
	_ = eventtest.Take(a.t, a.Portal.DB)
	return u
}

// now is what somebody is in Acme: "owner", "admin", either with "off", or "".
func (a acme) now(u portaluser.User) string {
	a.t.Helper()
	m, err := a.Get(a.t.Context(), a.Account, u.ID)
	switch {
	case errors.Is(err, portaluser.ErrNotFound):
		return ""
	case err != nil:
		a.t.Error(err)
	case !m.Active:
		return string(m.Role) + " off"
	}
	return string(m.Role)
}

func (a acme) remove(by principal.User, u portaluser.User) error {
	return a.Remove(a.t.Context(), by, a.Account, u.ID)
}

func (a acme) setActive(by principal.User, u portaluser.User, active bool) error {
	return a.Service.SetActive(a.t.Context(), by, a.Account, u.ID, active)
}

func (a acme) setRole(by principal.User, u portaluser.User, role permission.AccountRole) error {
	_, err := a.SetRole(a.t.Context(), by, a.Account, u.ID, role)
	return err
}

// Who may do what to whom: the role that counts is the one in the store.
func TestWhoMayChangeWhom(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		_, _ = a.join("admin@acme.com", permission.Admin), a.join("off@acme.com", permission.Owner)
		a.Portal.SetActive(a.Account, a.User("off@acme.com"), false)
		_ = a.Portal.Company("Globex", "kim@globex.com")
		denied, absent := fault.PermissionDenied, portaluser.ErrNotFound
		for _, c := range []struct {
			by, on                string
			remove, active, toAdm error
		}{
			{"alex@acme.com", "owner@acme.com", nil, nil, nil},
			{"alex@acme.com", "plain@acme.com", nil, nil, nil},
			{"alex@acme.com", "kim@globex.com", absent, absent, absent},
			{"admin@acme.com", "plain@acme.com", nil, nil, denied},
			{"admin@acme.com", "owner@acme.com", denied, denied, denied},
			{"admin@acme.com", "kim@globex.com", absent, absent, absent},
			{"off@acme.com", "plain@acme.com", denied, denied, denied},
			{"kim@globex.com", "plain@acme.com", denied, denied, denied},
		} {
			try := func(what string, want error, fn func(by principal.User, u portaluser.User) error) {
				t.Helper()
				owner, plain := a.join("owner@acme.com", permission.Owner), a.join("plain@acme.com", permission.Admin)
				u := a.User(c.on)
				before := a.now(u)
				if err := fn(a.as(c.by), u); !errors.Is(err, want) {
					t.Errorf("%s %ss %s: %v, want %v", c.by, what, c.on, err, want)
				}
				if want != nil && a.now(u) != before {
					t.Errorf("%s %ss %s: %s, and was %s", c.by, what, c.on, a.now(u), before)
				}
				for _, u := range []portaluser.User{owner, plain} {
					dbtest.Exec(t, a.Portal.DB, `DELETE FROM account_member WHERE user_id = $1`, u.ID)
				}
			}
			try("remove", c.remove, a.remove)
			try("deactivate", c.active, func(by principal.User, u portaluser.User) error { return a.setActive(by, u, false) })
			try("demote", c.toAdm, func(by principal.User, u portaluser.User) error {
				return a.setRole(by, u, permission.Admin)
			})
		}
	})
}

func TestLastOwnerStays(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		alex, off := a.User("alex@acme.com"), a.join("off@acme.com", permission.Owner)
		a.Portal.SetActive(a.Account, off, false) // is no owner to count on
		_ = a.join("admin@acme.com", permission.Admin)
		for name, err := range map[string]error{
			"remove": a.remove(a.alex, alex), "deactivate": a.setActive(a.alex, alex, false),
			"demote": a.setRole(a.alex, alex, permission.Admin),
		} {
			if !errors.Is(err, member.ErrLastOwner) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if rows := eventtest.Take(t, a.Portal.DB); a.now(alex) != "owner" || len(rows) != 0 {
			t.Errorf("%s, %v", a.now(alex), rows)
		}
		if err := a.remove(a.alex, off); err != nil || a.now(off) != "" {
			t.Errorf("an owner who is off can go: %v", err)
		}
		bea := a.join("bea@acme.com", permission.Owner)
		if err := a.setRole(a.as(bea.Email), alex, permission.Admin); err != nil || a.now(alex) != "admin" {
			t.Errorf("one of two: %v", err)
		}
	})
}

// Two owners who take each other's place at once: one does, and the other is told that
// the Account would have none.
func TestTwoOwnersDemoteEachOther(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		alex := a.User("alex@acme.com")
		for name, take := range map[string]func(by principal.User, u portaluser.User) error{
			"demote":     func(by principal.User, u portaluser.User) error { return a.setRole(by, u, permission.Admin) },
			"deactivate": func(by principal.User, u portaluser.User) error { return a.setActive(by, u, false) },
			"remove":     a.remove,
		} {
			bea := a.join("bea@acme.com", permission.Owner)
			turns := make(chan func() error, 2)
			turns <- func() error { return take(a.alex, bea) }
			turns <- func() error { return take(a.owner(bea.Email), alex) }
			got := dbtest.AtOnce(2, func() string { return dbtest.Outcome((<-turns)()) })
			if diff := cmp.Diff(map[string]int{"ok": 1, "account.last_owner": 1}, got); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
			dbtest.Exec(t, a.Portal.DB, `DELETE FROM account_member`)
			_ = a.join(alex.Email, permission.Owner)
		}
	})
}

// Changes in one Account follow one another: what the first has done is seen by
// the second, whoever reads first.
func TestOwnerDemotedMeanwhile(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		alex, bea := a.User("alex@acme.com"), a.join("bea@acme.com", permission.Owner)
		err := dbtest.Overtake(t, a.Portal.DB, func(tx *database.Tx) error {
			if _, err := tx.Exec(t.Context(), `UPDATE account SET version = version WHERE id = $1`, a.ID); err != nil {
				return err
			}
			return portaluser.SetMemberRole(t.Context(), tx, a.ID, bea.ID, permission.Admin)
		}, func() error { return a.setActive(a.alex, alex, false) })
		if !errors.Is(err, member.ErrLastOwner) || a.now(alex) != "owner" {
			t.Errorf("%v, %s", err, a.now(alex))
		}
	})
}

func TestRoles(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		dana := a.join("dana@acme.com", permission.Admin)
		after, err := a.SetRole(t.Context(), a.alex, a.Account, dana.ID, permission.Owner)
		if err != nil || after.Role != permission.Owner || after.Email != dana.Email || a.now(dana) != "owner" {
			t.Errorf("%+v, %v", after, err)
		}
		rows := eventtest.Take(t, a.Portal.DB)
		if len(rows) != 1 || rows[0].Action != "account_member.role_changed" || rows[0].Account != a.ID.Any() ||
			rows[0].Metadata != `{"from":"admin","to":"owner"}` || rows[0].ResourceID != dana.ID.Any() ||
			rows[0].ResourceLabel != dana.Email || rows[0].ActorID != a.alex.ID || rows[0].Severity != "notice" {
			t.Errorf("%v", rows)
		}
		again, err := a.SetRole(t.Context(), a.alex, a.Account, dana.ID, permission.Owner)
		if rows := eventtest.Take(t, a.Portal.DB); again != after || err != nil || len(rows) != 0 {
			t.Errorf("nothing to change: %+v, %v, %v", again, err, rows)
		}

		off := a.join("off@acme.com", permission.Admin)
		a.Portal.SetActive(a.Account, off, false)
		if err := a.setRole(a.alex, off, permission.Owner); !errors.Is(err, fault.Validation) || a.now(off) != "admin off" {
			t.Errorf("an owner who is off: %v, %s", err, a.now(off))
		}
		for role, want := range map[permission.AccountRole]int{"owner": 0, "admin": 0, "": 1, "viewer": 1} {
			if problems := text.Normalize(&member.RoleChange{Role: role}); len(problems) != want {
				t.Errorf("%q: %v", role, problems)
			}
		}
	})
}

// Whoever is switched off or removed is out of this Account at once, and stays in
// every other.
func TestSwitchedOffAndRemoved(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		dana := a.join("dana@acme.com", permission.Admin)
		globex := a.Portal.Company("Globex", "kim@globex.com")
		take := func(want ...string) {
			t.Helper()
			var got []string
			for _, r := range eventtest.Take(t, a.Portal.DB) {
				got = append(got, r.Action+r.Metadata)
				if r.Account != a.ID.Any() || r.ActorID != a.alex.ID || r.ResourceID != dana.ID.Any() {
					t.Errorf("%s", r)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		out := func(b *session.Bound) {
			t.Helper()
			guest := portaltest.Guest("192.0.2.1")
			if _, err := a.Sessions.Refresh(t.Context(), guest, b.Refresh.Reveal()); !errors.Is(err, session.ErrRevoked) {
				t.Errorf("goes on: %v", err)
			}
			if _, err := a.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
				t.Errorf("goes on: %v", err)
			}
		}
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		b := a.SignIn(dana.Email)
		_ = eventtest.Take(t, a.Portal.DB)
		do(a.setActive(a.alex, dana, false))
		take("account_member.deactivated{}", `session.all_revoked{"revoked_count":1,"reason":"member_deactivated"}`)
		out(b)
		do(a.setActive(a.alex, dana, false))
		take()
		do(a.setActive(a.alex, dana, true))
		take("account_member.activated{}")
		out(b) // what has ended does not come back
		do(a.setActive(a.alex, dana, true))
		take()

		b = a.SignIn(dana.Email)
		_ = a.Join(globex.Account, dana.Email, permission.Admin)
		_ = eventtest.Take(t, a.Portal.DB)
		do(a.remove(a.alex, dana))
		take("account_member.removed{}", `session.all_revoked{"revoked_count":1,"reason":"member_removed"}`)
		out(b)
		if a.now(dana) != "" || a.User(dana.Email) != dana {
			t.Error("the user is gone, or the membership is not")
		}
		if b := a.SignIn(dana.Email); b.Membership.Account != globex.Account {
			t.Errorf("%+v", b.Membership)
		}
	})
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		dana := a.join("dana@acme.com", permission.Admin)
		eventtest.Break(t, a.Portal.DB)
		for name, err := range map[string]error{
			"remove": a.remove(a.alex, dana), "deactivate": a.setActive(a.alex, dana, false),
			"promote": a.setRole(a.alex, dana, permission.Owner),
		} {
			if !strings.Contains(dbtest.Outcome(err), "audit_event") || a.now(dana) != "admin" {
				t.Errorf("%s: %v, %s", name, err, a.now(dana))
			}
		}
	})
}

func TestLists(t *testing.T) {
	t.Parallel()
	eachAcme(t, func(t *testing.T, a acme) {
		_ = a.Portal.Company("Globex", "kim@globex.com")
		for _, email := range []string{"bea@acme.com", "cem@acme.com", "dana@acme.com"} {
			a.Portal.SetActive(a.Account, a.join(email, permission.Admin), email != "cem@acme.com")
		}
		sort, _ := portaluser.Sorts.Find("email")
		r := page.Request{Page: 2, Take: 2, Sort: sort}
		list, info, err := a.List(t.Context(), a.Account, r, portaluser.Active)
		if err != nil || len(list) != 1 || list[0].Email != "dana@acme.com" || info != r.Of(3) {
			t.Errorf("%+v, %+v, %v", list, info, err)
		}
		all, err := a.All(t.Context(), a.Account)
		if err != nil || len(all) != 4 || all[0].Email != "alex@acme.com" {
			t.Errorf("%+v, %v", all, err)
		}
		if total, active, err := a.Counts(t.Context(), a.Account); total != 4 || active != 3 || err != nil {
			t.Error(total, active, err)
		}
		if _, err := a.Get(t.Context(), a.Account, a.User("kim@globex.com").ID); !errors.Is(err, portaluser.ErrNotFound) {
			t.Errorf("somebody of another Account: %v", err)
		}
	})
}
