package session_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
)

const openings = `SELECT (SELECT count(*) FROM portal_session WHERE ended_at IS NULL)
	+ (SELECT count(*) FROM pre_auth WHERE spent_at IS NULL)`

// An old password opens nothing beside the call that replaces it: neither a
// session nor a choice outlives it.
func TestPasswordReplacedBesideASignIn(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		replaceBeside := func() {
			t.Helper()
			u := p.User(alex)
			err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
				who, _, err := portaluser.SetPassword(t.Context(), tx, u, "replaced")
				if err != nil {
					return err
				}
				return session.EndForPassword(t.Context(), tx, principal.System(), who, session.ID{}, session.PasswordReset)
			}, func() error {
				_, err := p.Login(guest, alex, portaltest.Password)
				return err
			})
			if !errors.Is(err, portaluser.ErrInvalidCredentials) {
				t.Error(err)
			}
			if n := dbtest.Number(t, p.DB, openings); n != 0 {
				t.Errorf("%d sessions and choices", n)
			}
			dbtest.Exec(t, p.DB, `UPDATE portal_user SET password_hash = $1 WHERE id = $2`, u.PasswordHash, u.ID)
		}
		replaceBeside()
		_ = p.Application(acme.Account, "Till") // now there is a choice
		replaceBeside()
	})
}

// A hash that another sign-in renews is that of the same password.
func TestHashRenewedBesideASignIn(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		u := p.User(alex)
		renewed, err := p.Hasher.Hash(t.Context(), secret.From{}, portaltest.Password)
		if err != nil {
			t.Fatal(err)
		}
		err = dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
			return portaluser.Rehash(t.Context(), tx, u, renewed)
		}, func() error {
			_, err := p.Login(guest, alex, portaltest.Password)
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

// A refresh and a switch at once both go through: the later one sees what the first did.
func TestRefreshedBesideASwitch(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		b := p.SignIn(alex)
		u, till := p.Caller(b), p.Application(acme.Account, "Till")
		got := dbtest.AtOnce(10, func() string {
			_, err := p.Sessions.Switch(t.Context(), u, till, b.Refresh.Reveal())
			if err == nil {
				_, _, err = refresh(t, p, b.Refresh.Reveal())
			}
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 10}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Nobody who is switched off, removed, or given another password beside a sign-in, a
// choice, a refresh or a switch has a session afterwards, nor one that comes back with
// the membership.
func TestEndedBesideAnOpening(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		desk, till := acme.Desk, p.Application(acme.Account, "Till") // so that there is a choice
		u := p.User(alex)
		leave := func(change func(tx *database.Tx) error, why session.EndReason) func(tx *database.Tx) error {
			return func(tx *database.Tx) error {
				who, err := portaluser.Lock(t.Context(), tx, u.ID)
				if err != nil {
					return err
				}
				if err := change(tx); err != nil {
					return err
				}
				return session.EndInAccount(t.Context(), tx, guest, acme.ID, who, why)
			}
		}
		ends := map[string]func(tx *database.Tx) error{
			"switched off": leave(func(tx *database.Tx) error {
				return portaluser.SetMemberActive(t.Context(), tx, acme.ID, u.ID, false)
			}, session.MemberDeactivated),
			"removed": leave(func(tx *database.Tx) error {
				return portaluser.RemoveMember(t.Context(), tx, acme.ID, u.ID)
			}, session.MemberRemoved),
			"another password": func(tx *database.Tx) error {
				who, set, err := portaluser.SetPassword(t.Context(), tx, u, "replaced")
				if err != nil || !set {
					return errors.Join(err, errors.New("the password stays"))
				}
				return session.EndForPassword(t.Context(), tx, guest, who, session.ID{}, session.PasswordReset)
			},
		}
		for end, first := range ends {
			for open := range 4 {
				choice, err := p.Login(guest, alex, portaltest.Password)
				if err != nil {
					t.Fatal(err)
				}
				who, err := p.Sessions.Authenticate(t.Context(), choice.PreAuthToken)
				if err != nil {
					t.Fatal(err)
				}
				b := enter(t, p, acme)
				me := p.Caller(b)
				err = dbtest.Overtake(t, p.DB, first, []func() error{
					func() error { _, err := p.Login(guest, alex, portaltest.Password); return err },
					func() error {
						_, err := p.Sessions.Select(t.Context(), who.(principal.PreAuth), acme.ID, desk)
						return err
					},
					func() error { _, _, err := refresh(t, p, b.Refresh.Reveal()); return err },
					func() error { _, err := p.Sessions.Switch(t.Context(), me, till, b.Refresh.Reveal()); return err },
				}[open])
				if err == nil {
					t.Errorf("%s: opening %d went through", end, open)
				}
				dbtest.Exec(t, p.DB, `UPDATE portal_user SET password_hash = $1 WHERE id = $2`, u.PasswordHash, u.ID)
				u = p.User(alex)
				_ = p.Join(acme.Account, alex, permission.Owner)
				p.SetActive(acme.Account, u, true)
				if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session WHERE ended_at IS NULL`); n != 0 {
					t.Errorf("%s: %d sessions after opening %d", end, n, open)
				}
				dbtest.Exec(t, p.DB, `DELETE FROM rate_count`)
			}
		}
	})
}
