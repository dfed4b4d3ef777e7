package invite_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// An answer that can't be recorded is not given: neither the refusal of a wrong
// password nor the membership.
func TestAcceptThatCannotBeRecordedFails(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", "alex@acme.com")
		s := &invite.Service{DB: p.DB, Guard: p.Guard, Limits: p.Limits, Mail: p.Mail, Life: 168 * time.Hour}
		alex := p.Caller(p.SignIn("alex@acme.com"))
		_ = p.Person("dana@acme.com")
		tokens := map[string]string{}
		for _, email := range []string{"dana@acme.com", "new@acme.com"} {
			d := invite.Draft{Email: email, FirstName: "Dana", LastName: "Cole"}
			if _, err := s.Create(t.Context(), alex, acme.Account, d); err != nil {
				t.Fatal(err)
			}
			tokens[email] = p.Token(email)
		}
		eventtest.Break(t, p.DB)
		for _, c := range []struct{ email, password string }{
			{"dana@acme.com", "Wrong-Horse-7"},
			{"dana@acme.com", portaltest.Password},
			{"new@acme.com", portaltest.Password},
		} {
			err := s.Accept(t.Context(), portaltest.Guest("192.0.2.1"), invite.Acceptance{
				Token: tokens[c.email], Password: c.password, FirstName: "Dana", LastName: "Cole",
			})
			if !strings.Contains(dbtest.Outcome(err), "audit_event") {
				t.Errorf("%s: %v", c.email, err)
			}
		}
		for query, want := range map[string]int{
			`SELECT count(*) FROM user_invite WHERE status = 'pending'`: 2,
			`SELECT count(*) FROM account_member`:                       1,
			`SELECT count(*) FROM portal_user`:                          2,
		} {
			if n := dbtest.Number(t, p.DB, query); n != want {
				t.Errorf("%s gives %d, want %d", query, n, want)
			}
		}
	})
}

// Who is switched off or removed beside a call writes nothing more: neither an invite nor
// its new link nor its end. An invite that stood before stays.
func TestWhoIsOutInvitesNobody(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", "alex@acme.com")
		s := &invite.Service{DB: p.DB, Guard: p.Guard, Limits: p.Limits, Mail: p.Mail, Life: 168 * time.Hour}
		dana := p.Join(acme.Account, "dana@acme.com", permission.Admin)
		by := p.Caller(p.SignIn("dana@acme.com"))
		draft := invite.Draft{Email: "new@acme.com", FirstName: "Noa", LastName: "Cole"}
		inv, err := s.Create(t.Context(), by, acme.Account, draft)
		if err != nil {
			t.Fatal(err)
		}
		link := p.Token("new@acme.com")
		p.Clock.Advance(time.Hour) // past the cooldown
		draft.Email = "late@acme.com"
		ends := map[string]func(tx *database.Tx) error{
			"switched off": func(tx *database.Tx) error {
				return portaluser.SetMemberActive(t.Context(), tx, acme.ID, dana.ID, false)
			},
			"removed": func(tx *database.Tx) error { return portaluser.RemoveMember(t.Context(), tx, acme.ID, dana.ID) },
		}
		for end, leave := range ends {
			for what, call := range map[string]func() error{
				"create": func() error { _, err := s.Create(t.Context(), by, acme.Account, draft); return err },
				"resend": func() error { return s.Resend(t.Context(), by, acme.Account, inv.ID) },
				"revoke": func() error { return s.Revoke(t.Context(), by, acme.Account, inv.ID) },
			} {
				err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
					if _, err := portaluser.Lock(t.Context(), tx, dana.ID); err != nil {
						return err
					}
					return leave(tx)
				}, call)
				if !errors.Is(err, fault.PermissionDenied) {
					t.Errorf("%s, %s: %v", end, what, err)
				}
				_ = p.Join(acme.Account, dana.Email, permission.Admin)
				p.SetActive(acme.Account, dana, true)
			}
		}
		if p.Token("new@acme.com") != link || len(p.Mails("late@acme.com")) != 0 {
			t.Error("something was mailed")
		}
		if i, err := s.Get(t.Context(), acme.Account, inv.ID); err != nil || i.Status != invite.Pending || i.SendCount != 1 {
			t.Errorf("what stood before: %+v, %v", i, err)
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM user_invite`); n != 1 {
			t.Errorf("%d invites", n)
		}
	})
}
