package session_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// TestCallerIsKeptUntilItsTablesAreWritten looks from behind: what is written past the
// store's door is not seen until something comes through it.
func TestCallerIsKeptUntilItsTablesAreWritten(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		b := p.SignIn(alex)
		p.Caller(b)
		past := `UPDATE portal_session SET ended_at = 1`
		if _, err := p.DB.Pool().ExecContext(t.Context(), past); err != nil {
			t.Fatal(err)
		}
		_, err := p.Sessions.Authenticate(t.Context(), b.AccessToken)
		if kept := err == nil; kept != (p.DB.Engine == database.SQLite) {
			t.Errorf("kept: %t, %v", kept, err)
		}
		dbtest.Exec(t, p.DB, `UPDATE account_member SET is_active = 1`)
		if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("after a write: %v", err)
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
		if !good() {
			t.Error("before the session's end")
		}
		p.Clock.Advance(5 * time.Minute)
		if good() {
			t.Error("past the session's end")
		}
	})
}
