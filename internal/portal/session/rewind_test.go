package session_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/session"
)

// TestClockSetBackEndsTheRepeatInItsTime: a used refresh token is good for half a minute.
func TestClockSetBackEndsTheRepeatInItsTime(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		first := p.SignIn(alex).Refresh.Reveal()
		_, second, err := refresh(t, p, first)
		if err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(-time.Hour)
		if err := p.Sessions.Rewind(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(29 * time.Second)
		if _, again, err := refresh(t, p, first); err != nil || again != second {
			t.Errorf("within half a minute: %v", err)
		}
		p.Clock.Advance(time.Second)
		refuse(t, p, "after half a minute", first, session.ErrRevoked)
	})
}
