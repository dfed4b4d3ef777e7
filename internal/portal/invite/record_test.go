package invite_test

import (
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/portaltest"
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
