package recovery_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/recovery"
)

// Asking and what the worker does then write as many rows for an address that gets
// nothing as for one that gets a link, the first time and later, and leave as much behind.
func TestForgottenPasswordsWriteAlike(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		_ = p.Person("alone@acme.com") // in no Account
		type trace struct {
			Changes                       []int
			Links, Events, Jobs, Payloads int
		}
		seen := map[string]trace{}
		count := func(query string) int { return dbtest.Number(t, p.DB, query) }
		rows := func() trace {
			return trace{
				Links:    count(`SELECT count(*) FROM password_reset`),
				Events:   count(`SELECT count(*) FROM audit_event WHERE action = 'user.password.reset_requested'`),
				Jobs:     count(`SELECT count(*) FROM outbox`),
				Payloads: count(`SELECT count(*) FROM outbox WHERE payload IS NOT NULL`),
			}
		}
		for _, email := range []string{alex, "alone@acme.com", "nobody@acme.com"} {
			before, changes := rows(), []int{}
			for range 3 {
				changes = append(changes, dbtest.Changes(t, p.DB, func(tx *database.Tx) error {
					return p.Recovery.Forgot(t.Context(), tx, guest, email)
				}))
			}
			_ = p.Mails(email)
			after := rows()
			seen[email] = trace{
				changes, after.Links - before.Links, after.Events - before.Events,
				after.Jobs - before.Jobs, after.Payloads - before.Payloads,
			}
		}
		// Of three links the last lives; the mails before it were taken back. A row each of
		// counter, link, mail and event, and later the mail before.
		want := trace{Changes: []int{5, 6, 6}, Links: 1, Events: 3, Jobs: 3, Payloads: 0}
		for email, got := range seen {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", email, diff)
			}
		}
	})
}

// An address that has had its mails of the day is written of alike, whether somebody has
// it or not.
func TestForgottenPasswordsBeyondTheLimitWriteAlike(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		seen := map[string][]int{}
		for _, email := range []string{alex, "nobody@acme.com"} {
			for range 13 {
				seen[email] = append(seen[email], dbtest.Changes(t, p.DB, func(tx *database.Tx) error {
					return p.Recovery.Forgot(t.Context(), tx, guest, email)
				}))
				_ = p.Mails(email)
			}
		}
		// A full counter is not raised.
		want := []int{5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 4}
		for email, got := range seen {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", email, diff)
			}
		}
	})
}

// What is asked for is written down at once, alike for every address, and done once.
func TestAsk(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		_ = eventtest.Take(t, p.DB)
		for _, email := range []string{alex, "nobody@acme.com"} {
			before := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox`)
			if err := p.Recovery.Ask(t.Context(), guest, email); err != nil {
				t.Error(err)
			}
			n := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox WHERE state = 'queued'`)
			if all := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox`); n != 1 || all != before+1 {
				t.Errorf("%s: %d jobs are queued, and %d are new", email, n, all-before)
			}
			if got := eventtest.Take(t, p.DB); len(got) != 0 {
				t.Errorf("%s: done within the request: %v", email, got)
			}
			_ = p.Mails(email)
			got := eventtest.Take(t, p.DB)
			if len(got) != 1 || got[0].Correlation != guest.Request.ID || got[0].ActorType != "anonymous" {
				t.Errorf("%s: %+v", email, got)
			}
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox WHERE payload IS NOT NULL`); n != 0 {
			t.Errorf("%d jobs keep what they held", n)
		}
		reset(t, p, "the link", p.Token(alex), nil)
	})
}

// Of many that ask at once, one gets the link that lives; it is the last one mailed.
func TestForgottenAtOnce(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		got := dbtest.AtOnce(8, func() string { return dbtest.Outcome(forget(t, p, alex)) })
		if got["ok"] != 8 {
			t.Error(got)
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM password_reset WHERE status = 'live'`); n != 1 {
			t.Errorf("%d links live", n)
		}
		if list := p.Mails(alex); len(list) != 1 {
			t.Errorf("%d links were mailed", len(list))
		}
		reset(t, p, "the link", p.Token(alex), nil)
	})
}

// What could not be committed has left nothing, and is done when it can be, once.
func TestErrandThatFailsIsDoneOnce(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		if err := p.Recovery.Ask(t.Context(), guest, alex); err != nil {
			t.Fatal(err)
		}
		eventtest.Break(t, p.DB) // so that its transaction can't commit
		if list, err := p.TryMails(alex); len(list) != 0 || !strings.Contains(dbtest.Outcome(err), "audit_event") {
			t.Errorf("%d mails of what can't be recorded, %v", len(list), err)
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM password_reset`); n != 0 {
			t.Errorf("%d links of what can't be recorded", n)
		}
		dbtest.Exec(t, p.DB, `ALTER TABLE audit_event_gone RENAME TO audit_event`)
		p.Clock.Advance(time.Minute)
		if n := len(p.Mails(alex)); n != 1 {
			t.Errorf("%d mails", n)
		}
		reset(t, p, "the link", p.Token(alex), nil)
	})
}

// A full queue refuses, whoever is asked for.
func TestAFullQueueOfErrands(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		for n := range 100 {
			if err := p.Recovery.Ask(t.Context(), portaltest.Guest(fmt.Sprintf("198.51.100.%d", n)), alex); err != nil {
				t.Fatal(n, err)
			}
		}
		if err := p.Recovery.Ask(t.Context(), guest, alex); !errors.Is(err, fault.Busy) {
			t.Error(err)
		}
		if err := p.Signups.AskAgain(t.Context(), guest, alex); !errors.Is(err, fault.Busy) {
			t.Error(err)
		}
		_ = p.Mails(alex)
		if err := p.Recovery.Ask(t.Context(), guest, alex); err != nil {
			t.Error(err)
		}
	})
}

// The link of nobody opens nothing, though somebody guessed it.
func TestNobodysLink(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		if err := forget(t, p, "nobody@acme.com"); err != nil {
			t.Fatal(err)
		}
		dbtest.Exec(t, p.DB, `UPDATE password_reset SET token_hash = $1`, secret.Hash("guessed"))
		_, err := p.Recovery.Reset(t.Context(), guest, recovery.NewPassword{Token: "guessed", Password: fresh})
		if !errors.Is(err, portaluser.ErrLinkNotFound) {
			t.Error(err)
		}
	})
}
