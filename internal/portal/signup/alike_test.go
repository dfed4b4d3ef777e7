package signup_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// A link that is asked for again costs as many rows for an address that gets nothing as
// for one that gets it, within the mails of a day and beyond them.
func TestResendsWriteAlike(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_, _ = p.Company("Acme", "user@acme.com"), p.Company("Globex", "taken@acme.com")
		_, _ = register(t, p, alex, "North"), register(t, p, "taken@acme.com", "South") // the latter is a decoy
		seen := map[string][]int{}
		addresses := []string{alex, "taken@acme.com", "user@acme.com", "nobody@acme.com"}
		for _, email := range addresses {
			if email == "user@acme.com" || email == "nobody@acme.com" {
				// As a sign-up has had its own mail, so that all counters are filled alike.
				resend(t, p, email)
			}
			_ = p.Mails(email)
			for range 12 {
				seen[email] = append(seen[email], dbtest.Changes(t, p.DB, func(tx *database.Tx) error {
					return p.Signups.Resend(t.Context(), tx, guest, email)
				}))
				_ = p.Mails(email)
			}
		}
		// A row each of counter, link, reservation, mail, event and its seal to come; a full counter is not raised.
		want := []int{6, 6, 6, 6, 6, 6, 6, 6, 6, 5, 5, 5}
		for email, got := range seen {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", email, diff)
			}
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox WHERE state = 'queued'`); n != 0 {
			t.Errorf("%d mails wait", n)
		}
	})
}

// What is asked for is written down at once, alike for every address, and done by the worker.
func TestAskAgain(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		first := p.Token(alex)
		for _, email := range []string{alex, "nobody@acme.com"} {
			if err := p.Signups.AskAgain(t.Context(), guest, email); err != nil {
				t.Error(err)
			}
			if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox WHERE state = 'queued'`); n != 1 {
				t.Errorf("%s: %d jobs are queued", email, n)
			}
			_ = p.Mails(email)
		}
		if second := p.Token(alex); second == first || len(p.Mails(alex)) != 2 || len(p.Mails("nobody@acme.com")) != 0 {
			t.Error("the link was not mailed again, or to nobody")
		}
	})
}

// A sign-up that did not see the user who came into being beside it, as it can be on
// PostgreSQL, is a decoy once its link is asked for.
func TestSignUpBesideItsUser(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		link := p.Token(alex)
		_ = p.Person(alex) // what waits under the address stays, as it was not seen
		verify(t, p, "its link", link, portaluser.ErrLinkUsed)
		resend(t, p, alex)
		if n := len(p.Mails(alex)); n != 1 {
			t.Errorf("a user got %d links", n-1)
		}
		decoys := dbtest.Number(t, p.DB, `SELECT count(*) FROM registration WHERE is_decoy = 1`)
		if decoys != 1 {
			t.Errorf("%d decoys", decoys)
		}
		verify(t, p, "its link", link, portaluser.ErrLinkNotFound)
	})
}
