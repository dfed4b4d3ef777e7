package session_test

import (
	"errors"
	"testing"

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
				if _, err := portaluser.SetPassword(t.Context(), tx, u, "replaced"); err != nil {
					return err
				}
				return session.EndForPassword(t.Context(), tx, principal.System(), u, session.ID{}, session.PasswordReset)
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

// Of a refresh and a switch at once one gives way; on SQLite the switch follows.
func TestRefreshedBesideASwitch(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		b := p.SignIn(alex)
		u, till := p.Caller(b), p.Application(acme.Account, "Till")
		err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE portal_session SET refresh_hash = 'renewed' WHERE id = $1`, u.SessionID)
			return err
		}, func() error {
			_, err := p.Sessions.Switch(t.Context(), u, till)
			return err
		})
		var want error
		if p.DB.Engine == database.Postgres {
			want = session.ErrConflict
		}
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	})
}
