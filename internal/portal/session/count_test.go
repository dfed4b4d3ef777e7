package session_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/portal/portaltest"
)

// Who signs out everywhere is told how many sessions ended, each Account how many of its
// own.
func TestAnAccountLearnsOfItsOwnSessionsAlone(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		_ = p.Join(globex.Account, alex, permission.Admin)
		for name, all := range map[string]func(u principal.User) error{
			"logout": func(u principal.User) error {
				n, err := p.Sessions.Logout(t.Context(), u, true)
				if n != 3 {
					t.Errorf("%d sessions", n)
				}
				return err
			},
			"user_request": func(u principal.User) error { return p.Sessions.RevokeAll(t.Context(), u) },
		} {
			here, _, _ := enter(t, p, acme), enter(t, p, globex), enter(t, p, globex)
			u := p.Caller(here)
			_ = eventtest.Take(t, p.DB)
			if err := all(u); err != nil {
				t.Error(err)
			}
			got := map[id.ID]string{}
			for _, r := range eventtest.Take(t, p.DB) {
				got[r.Account] = r.Metadata
			}
			want := map[id.ID]string{
				acme.ID.Any():   `{"revoked_count":1,"reason":"` + name + `"}`,
				globex.ID.Any(): `{"revoked_count":2,"reason":"` + name + `"}`,
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
		}
	})
}
