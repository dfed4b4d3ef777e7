package signup_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
)

// waiting is what the store holds of a sign-up, the address aside.
type waiting struct {
	AccountName, ApplicationName, ApplicationSlug, FirstName, LastName, Status string
	Hashed, Linked, Reserved, Promised                                         bool
	Life                                                                       time.Duration
}

// newest is the newest sign-up of an address.
func newest(t *testing.T, p *portaltest.Portal, email string) (w waiting) {
	t.Helper()
	dbtest.Do(t, p.DB, func(tx *database.Tx) error {
		var passwordHash, tokenHash string
		var userID portaluser.ID
		var created, expires, reserved time.Time
		err := tx.QueryRow(t.Context(), `SELECT account_name, application_name, application_slug, first_name, last_name,
			status, password_hash, token_hash, user_id, created_at, expires_at, reserved_until
			FROM registration r JOIN account_slug s ON s.account_id = r.account_id
			WHERE email = $1 ORDER BY created_at DESC LIMIT 1`, email).Scan(&w.AccountName, &w.ApplicationName,
			&w.ApplicationSlug, &w.FirstName, &w.LastName, &w.Status, &passwordHash, &tokenHash, &userID, &created, &expires,
			&reserved)
		w.Hashed, w.Linked, w.Promised = len(passwordHash) > 40, len(tokenHash) == 43, !userID.IsZero()
		w.Reserved, w.Life = reserved.Equal(expires), expires.Sub(created).Round(time.Second)
		return err
	})
	return w
}

// A sign-up of an address that is taken leaves the rows, costs the hashes and
// lives the life of any other.
func TestDecoyIsLikeASignUp(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Taken", "taken@acme.com")
		_ = eventtest.Take(t, p.DB)
		type trace struct {
			Hashes         int64
			Rows, Resent   waiting
			Events, Slug   string
			Mails, Pending int
		}
		var free, decoy trace
		for email, seen := range map[string]*trace{"free@acme.com": &free, "taken@acme.com": &decoy} {
			before := p.Hasher.Done()
			r := register(t, p, email, "North")
			seen.Hashes, seen.Rows, seen.Events = p.Hasher.Done()-before, newest(t, p, email), eventtest.Actions(t, p.DB)
			seen.Mails, seen.Slug = len(p.Mails(email)), r.AccountSlug
			p.Clock.Advance(30 * time.Hour)
			resend(t, p, email)
			seen.Resent = newest(t, p, email)
			_ = eventtest.Take(t, p.DB)
			seen.Pending = dbtest.Number(t, p.DB, `SELECT count(*) FROM registration WHERE email = $1`, email)
			p.Clock.Advance(100 * time.Hour) // its slug is free for the next
		}
		if diff := cmp.Diff(free, decoy); diff != "" {
			t.Error(diff)
		}
		want := waiting{
			AccountName: "North", ApplicationName: "Desk", ApplicationSlug: "desk", FirstName: "Alex", LastName: "Reed",
			Status: "pending", Hashed: true, Linked: true, Reserved: true, Promised: true, Life: 24 * time.Hour,
		}
		if diff := cmp.Diff(want, free.Rows); diff != "" || free.Hashes != 1 || free.Mails != 1 || free.Slug != "north" {
			t.Errorf("%+v\n%s", free, diff)
		}
		want.Life = 54 * time.Hour
		if diff := cmp.Diff(want, free.Resent); diff != "" {
			t.Error(diff)
		}
	})
}

func TestNoLinkLeadsToADecoy(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		_ = register(t, p, alex, "North")
		// Nobody was ever told a decoy's token; this one somebody has guessed.
		dbtest.Exec(t, p.DB, `UPDATE registration SET token_hash = $1 WHERE is_decoy = 1`, secret.Hash("guessed"))
		verify(t, p, "a decoy's token", "guessed", portaluser.ErrLinkNotFound)
		list := p.Mails(alex)
		if len(list) != 1 || list[0].Subject == "" {
			t.Fatalf("%+v", list)
		}
		_ = eventtest.Take(t, p.DB)
		resend(t, p, alex)
		if rows := eventtest.Take(t, p.DB); len(p.Mails(alex)) != 1 || len(rows) != 1 || rows[0].Outcome != "failure" {
			t.Errorf("a decoy's new link was mailed, or told to be: %v", rows)
		}
	})
}

// The password of what waits under an address is known for three days, though its link
// is older: of the newest sign-up or decoy.
func TestPendingHash(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		matches := func(email, password string) (waits, ok bool) {
			t.Helper()
			dbtest.Do(t, p.DB, func(tx *database.Tx) error {
				hash, err := signup.PendingHash(t.Context(), tx, email)
				waits = hash != ""
				if err == nil {
					var which int
					which, _, err = p.Hasher.Verify(t.Context(), secret.From{}, password, hash)
					ok = which == 0
				}
				return err
			})
			return waits, ok
		}
		for _, email := range []string{alex, "free@acme.com"} {
			if waits, _ := matches(email, "x"); waits {
				t.Errorf("%s waits before it signs up", email)
			}
			_ = register(t, p, email, "North")
			second := portaltest.Params(email, "North")
			second.Password = "Second-Horse-7"
			if _, err := p.Signups.Register(t.Context(), guest, second); err != nil {
				t.Fatal(err)
			}
			if _, ok := matches(email, "Second-Horse-7"); !ok {
				t.Errorf("%s: not the newest one's", email)
			}
			p.Clock.Advance(72*time.Hour - time.Second)
			if _, ok := matches(email, "Second-Horse-7"); !ok {
				t.Errorf("%s does not wait for three days", email)
			}
			p.Clock.Advance(time.Second)
			if waits, _ := matches(email, "x"); waits {
				t.Errorf("%s waits after three days", email)
			}
		}
	})
}
