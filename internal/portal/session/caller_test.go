package session_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
)

// TestCallerIsKeptUntilItsAccountIsWritten looks from behind: what is written past the rooms'
// doors is not seen until something comes through one.
func TestCallerIsKeptUntilItsAccountIsWritten(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		kim := p.Join(acme.Account, "kim@acme.com", permission.Admin)
		b := p.SignIn(alex)
		p.Caller(b)
		past := `UPDATE portal_session SET ended_at = 1`
		if _, err := p.DB.Pool().ExecContext(t.Context(), past); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); err != nil {
			t.Errorf("not kept: %v", err)
		}
		p.SetActive(acme.Account, kim, false)
		if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("after a write: %v", err)
		}
	})
}

// TestOtherProcessesSeeWhatEndsASession: each way to end one is seen by a process that keeps
// its caller in memory, at the next call, also through the token of an Account that the session
// has left.
func TestOtherProcessesSeeWhatEndsASession(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		if p.DB.Engine == database.SQLite {
			return // one process writes, and sees all that is written
		}
		acme := p.Company("Acme", alex)
		other := &session.Service{
			DB: p.DB, Prover: &revision.Prover{DB: p.DB}, Guard: p.Guard, Keys: p.Keys,
			AccessTTL: time.Hour, RefreshTTL: time.Hour, RefreshMax: time.Hour,
		}
		for name, end := range map[string]func(by principal.User, who portaluser.User) error{
			"signed out": func(by principal.User, _ portaluser.User) error {
				_, err := p.Sessions.Logout(t.Context(), by, false)
				return err
			},
			"signed out everywhere": func(by principal.User, _ portaluser.User) error {
				_, err := p.Sessions.Logout(t.Context(), by, true)
				return err
			},
			"all revoked": func(by principal.User, _ portaluser.User) error {
				return p.Sessions.RevokeAll(t.Context(), by)
			},
			"revoked": func(by principal.User, _ portaluser.User) error {
				return p.Sessions.Revoke(t.Context(), by, by.SessionID)
			},
			"switched off": func(_ principal.User, who portaluser.User) error {
				return database.Do(t.Context(), p.DB, func(tx *database.Tx) error {
					return portaluser.SetMemberActive(t.Context(), tx, acme.ID, who.ID, false)
				})
			},
			"taken out": func(_ principal.User, who portaluser.User) error {
				return database.Do(t.Context(), p.DB, func(tx *database.Tx) error {
					return portaluser.RemoveMember(t.Context(), tx, acme.ID, who.ID)
				})
			},
		} {
			email := strings.ReplaceAll(name, " ", "-") + "@acme.com"
			who := p.Join(acme.Account, email, permission.Admin)
			b := p.SignIn(email)
			by, err := other.Authenticate(t.Context(), b.AccessToken)
			if err != nil {
				t.Fatal(name, err)
			}
			if _, err := other.Authenticate(t.Context(), b.AccessToken); err != nil {
				t.Fatal(name, err)
			}
			if err := end(by.(principal.User), who); err != nil {
				t.Error(name, err)
			}
			if _, err := other.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestNoCallIsAnsweredFromBeforeAWrite: whatever ends or changes what a token stands for
// is seen by each call that begins after it was answered, while others ask without pause.
func TestNoCallIsAnsweredFromBeforeAWrite(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		other := p.Join(acme.Account, "kim@acme.com", permission.Admin)
		b := p.SignIn("kim@acme.com")
		stop, asking := make(chan struct{}), sync.WaitGroup{}
		for range 4 {
			asking.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_, _ = p.Sessions.Authenticate(t.Context(), b.AccessToken)
					}
				}
			})
		}
		defer asking.Wait()
		defer close(stop)
		good := func() bool {
			_, err := p.Sessions.Authenticate(t.Context(), b.AccessToken)
			if err != nil && !errors.Is(err, signingkey.ErrInvalidToken) {
				t.Error(err)
			}
			return err == nil
		}
		for round := range 100 {
			active := round%2 == 1
			p.SetActive(acme.Account, other, active)
			if good() != active {
				t.Fatalf("round %d: answered from before", round)
			}
		}
		for _, role := range []permission.AccountRole{permission.Owner, permission.Admin} {
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				return portaluser.SetMemberRole(t.Context(), tx, acme.ID, other.ID, role)
			})
			if got := p.Caller(b).Role; got != role {
				t.Errorf("%s, want %s", got, role)
			}
		}
		dbtest.Exec(t, p.DB, `UPDATE portal_session SET ends_at = $1`, p.Clock.Now().Add(5*time.Minute))
		p.SetActive(acme.Account, other, true) // has it read again
		if !good() {
			t.Error("before the session's end")
		}
		p.Clock.Advance(5 * time.Minute)
		if good() {
			t.Error("past the session's end")
		}
	})
}
