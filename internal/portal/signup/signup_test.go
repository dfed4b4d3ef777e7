package signup_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/application"
)

const alex = "alex@acme.com"

var guest = portaltest.Guest("192.0.2.1")

func register(t *testing.T, p *portaltest.Portal, email, accountName string) signup.Result {
	t.Helper()
	r, err := p.Signups.Register(t.Context(), guest, portaltest.Params(email, accountName))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verify(t *testing.T, p *portaltest.Portal, what, token string, want error) {
	t.Helper()
	if err := p.Signups.Verify(t.Context(), guest, signup.Proof{Token: token}); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// prove is verify with the password of a sign-up.
func prove(t *testing.T, p *portaltest.Portal, what, token, password string, want error) {
	t.Helper()
	err := p.Signups.Verify(t.Context(), guest, signup.Proof{Token: token, Password: &password})
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func resend(t *testing.T, p *portaltest.Portal, email string) {
	t.Helper()
	if err := again(t, p, email); err != nil {
		t.Fatal(err)
	}
}

// again does what the worker does once somebody has asked for a link again.
func again(t *testing.T, p *portaltest.Portal, email string) error {
	t.Helper()
	return database.Do(t.Context(), p.DB, func(tx *database.Tx) error {
		return p.Signups.Resend(t.Context(), tx, guest, email)
	})
}

// slugs are all slugs in use.
func slugs(t *testing.T, p *portaltest.Portal) string {
	t.Helper()
	list := dbtest.Write(t, p.DB, func(tx *database.Tx) ([]string, error) {
		return database.All(t.Context(), tx, func(row database.Scanner) (slug string, err error) {
			return slug, row.Scan(&slug)
		}, `SELECT slug FROM account_slug ORDER BY slug`)
	})
	return strings.Join(list, " ")
}

// Everything that a sign-up is told comes true when its link is used.
func TestVerifyMakesWhatRegisterPromised(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		r := register(t, p, alex, "Acme")
		if r.AccountSlug != "acme" || r.ApplicationSlug != "desk" {
			t.Errorf("%+v", r)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.registration_requested" || rows[0].Visible ||
			rows[0].Metadata != `{"account_slug":"acme"}` || rows[0].ResourceLabel != "" {
			t.Errorf("%v", rows)
		}
		verify(t, p, "the link", p.Token(alex), nil)
		rows = eventtest.Take(t, p.DB)
		var actions []string
		for _, row := range rows {
			actions = append(actions, row.Action)
			if row.Account != r.AccountID.Any() || row.ActorID != r.UserID.Any() || row.ActorLabel != alex {
				t.Errorf("%s by %s", row, row.ActorLabel)
			}
		}
		if diff := cmp.Diff([]string{
			"account.created", "application.created", "environment.created", "environment.created", "user.registered",
		}, actions); diff != "" {
			t.Error(diff)
		}
		b := p.SignIn(alex)
		want := portaluser.Membership{
			AccountName: "Acme", UserID: r.UserID, Role: permission.Owner, Active: true, JoinedAt: b.Membership.JoinedAt,
		}
		want.Account.ID, want.Account.Slug = r.AccountID, "acme"
		if diff := cmp.Diff(want, b.Membership); diff != "" || b.User.ID != r.UserID || b.User.LastName != "Reed" {
			t.Errorf("%+v\n%s", b.User, diff)
		}
		app := b.Application
		if diff := cmp.Diff(application.Application{
			ID: r.ApplicationID, AccountID: r.AccountID, Name: "Desk", Slug: "desk", DefaultEnvironmentSlug: "development",
			DefaultEnvironmentID: app.DefaultEnvironmentID, Settings: []byte("{}"), Version: 1,
			CreatedAt: app.CreatedAt, UpdatedAt: app.CreatedAt,
		}, app); diff != "" {
			t.Error(diff)
		}
		p.Clock.Advance(365 * 24 * time.Hour)
		if next := register(t, p, "kim@acme.com", "Acme"); next.AccountSlug != "acme-2" {
			t.Errorf("the slug was given away: %+v", next)
		}
	})
}

func TestLinkLivesForADay(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_, _ = register(t, p, alex, "Acme"), register(t, p, "kim@acme.com", "Globex")
		early, late := p.Token(alex), p.Token("kim@acme.com")
		verify(t, p, "no link", "x", portaluser.ErrLinkNotFound)
		p.Clock.Advance(24*time.Hour - time.Second)
		verify(t, p, "within a day", early, nil)
		verify(t, p, "twice", early, portaluser.ErrLinkUsed)
		p.Clock.Advance(time.Second)
		verify(t, p, "after a day", late, portaluser.ErrLinkExpired)
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_user`); n != 1 {
			t.Errorf("%d users", n)
		}
	})
}

// A new link can be had for three days, and none lives longer.
func TestResend(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		first := p.Token(alex)
		_ = eventtest.Take(t, p.DB)
		p.Clock.Advance(30 * time.Hour)
		if next := register(t, p, "kim@globex.com", "Acme"); next.AccountSlug != "acme" {
			t.Fatalf("the reservation has not run out: %+v", next)
		}
		_ = eventtest.Take(t, p.DB)
		resend(t, p, alex)
		second := p.Token(alex)
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.verification_resent" || rows[0].Visible {
			t.Errorf("%v", rows)
		}
		if got := slugs(t, p); got != "acme acme-2" {
			t.Errorf("not reserved again: %s", got)
		}
		verify(t, p, "the first link", first, portaluser.ErrLinkNotFound)
		p.Clock.Advance(40 * time.Hour)
		resend(t, p, alex) // 70 hours after the sign-up
		third := p.Token(alex)
		verify(t, p, "the second link", second, portaluser.ErrLinkNotFound)
		p.Clock.Advance(2*time.Hour - time.Minute)
		resend(t, p, alex)
		fourth := p.Token(alex)
		verify(t, p, "the third link", third, portaluser.ErrLinkNotFound)
		p.Clock.Advance(time.Minute)
		verify(t, p, "after three days", fourth, portaluser.ErrLinkExpired)

		_ = eventtest.Take(t, p.DB)
		mails := len(p.Mails(alex))
		resend(t, p, alex)
		resend(t, p, "nobody@acme.com")
		rows = eventtest.Take(t, p.DB)
		if len(rows) != 2 || len(p.Mails(alex)) != mails || len(p.Mails("nobody@acme.com")) != 0 {
			t.Errorf("too late, and answered: %v", rows)
		}
		for _, row := range rows {
			if row.Outcome != "failure" || row.Visible {
				t.Errorf("%+v", row)
			}
		}
	})
}

func TestResendIsForTheNewestSignUp(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Older")
		older := p.Token(alex)
		_ = register(t, p, alex, "Newer")
		newer := p.Token(alex)
		resend(t, p, alex)
		verify(t, p, "the newer one's link", newer, portaluser.ErrLinkNotFound)
		prove(t, p, "the older one's link", older, portaltest.Password, nil)
	})
}

// A mail that waits carries a link that is still good, or isn't sent.
func TestOnlyTheCurrentLinkIsMailed(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		resend(t, p, alex)
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox WHERE payload IS NOT NULL`); n != 1 {
			t.Errorf("%d links are kept", n)
		}
		verify(t, p, "the only link mailed", p.Token(alex), nil)
		if n := len(p.Mails(alex)); n != 1 {
			t.Errorf("%d mails", n)
		}
		_ = register(t, p, "kim@acme.com", "Globex")
		p.Clock.Advance(24 * time.Hour)
		if n := len(p.Mails("kim@acme.com")); n != 0 {
			t.Error("a link that has expired was mailed")
		}
	})
}

// A sign-up that is verified while a new link is made has no use for one.
func TestVerifiedUnderAResend(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
			_, err := tx.Exec(t.Context(), `UPDATE registration SET status = 'used'`)
			return err
		}, func() error { return again(t, p, alex) })
		if err != nil {
			t.Error(err)
		}
	})
}

func TestVerifyOnceOfMany(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		token := p.Token(alex)
		got := dbtest.AtOnce(20, func() string {
			return dbtest.Outcome(p.Signups.Verify(t.Context(), guest, signup.Proof{Token: token}))
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.link_used": 19}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Of two sign-ups of one address one becomes the user, and the other one's links
// and slug are gone.
func TestOneSignUpOfAnAddressWins(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		tokens := make(chan string, 2)
		for _, name := range []string{"Acme", "Globex"} {
			_ = register(t, p, alex, name)
			tokens <- p.Token(alex)
		}
		_ = register(t, p, "kim@acme.com", "Initech")
		got := dbtest.AtOnce(2, func() string {
			password := portaltest.Password
			return dbtest.Outcome(p.Signups.Verify(t.Context(), guest, signup.Proof{Token: <-tokens, Password: &password}))
		})
		if got["ok"] != 1 || got["auth.link_not_found"]+got["auth.link_used"] != 1 {
			t.Error(got)
		}
		if got := slugs(t, p); got != "acme initech" && got != "globex initech" {
			t.Errorf("slugs: %s", got)
		}
		for query, want := range map[string]int{
			`SELECT count(*) FROM portal_user`: 1, `SELECT count(*) FROM account`: 1,
			`SELECT count(*) FROM registration WHERE status = 'pending'`: 1,
		} {
			if n := dbtest.Number(t, p.DB, query); n != want {
				t.Errorf("%s gives %d", query, n)
			}
		}
		verify(t, p, "another address's link", p.Token("kim@acme.com"), nil)
	})
}

func TestClosed(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		token, before := p.Token(alex), p.Hasher.Done()
		p.Signups.Closed = true
		_, err := p.Signups.Register(t.Context(), guest, portaltest.Params("kim@acme.com", "Globex"))
		if !errors.Is(err, signup.ErrClosed) || slugs(t, p) != "acme" || p.Hasher.Done() != before {
			t.Errorf("%v, %s", err, slugs(t, p))
		}
		verify(t, p, "a link from before", token, signup.ErrClosed)
		prove(t, p, "a link from before", token, portaltest.Password, signup.ErrClosed)
		verify(t, p, "no link", "x", portaluser.ErrLinkNotFound)
		if p.Hasher.Done() != before || dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_user`) != 0 {
			t.Error("a sign-up that was closed meanwhile is judged, or established")
		}
		_ = p.Company("Initech", "lou@initech.com") // the operator can still make one
	})
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Waiting")
		_ = eventtest.Take(t, p.DB)
		acme := p.Company("Acme", alex)
		if got := eventtest.Actions(t, p.DB); got !=
			"account.created application.created environment.created environment.created user.registered" {
			t.Error(got)
		}
		if got := slugs(t, p); got != "acme" {
			t.Errorf("what waited under the address is still there: %s", got)
		}
		if b := p.SignIn(alex); b.Membership.Account != acme.Account || b.Membership.Role != permission.Owner {
			t.Errorf("%+v", b.Membership)
		}
		_ = eventtest.Take(t, p.DB)
		_, err := p.Signups.Bootstrap(t.Context(), principal.System(), portaltest.Params(alex, "Second"))
		if !errors.Is(err, portaluser.ErrLinkUsed) {
			t.Error(err)
		}
		n := dbtest.Number(t, p.DB, `SELECT count(*) FROM account`)
		if rows := eventtest.Take(t, p.DB); n != 1 || slugs(t, p) != "acme" || len(rows) != 0 {
			t.Errorf("left behind: %d Accounts, %s, %v", n, slugs(t, p), rows)
		}
	})
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		token := p.Token(alex)
		eventtest.Break(t, p.DB)
		err := p.Signups.Verify(t.Context(), guest, signup.Proof{Token: token})
		if !strings.Contains(dbtest.Outcome(err), "audit_event") {
			t.Error(err)
		}
		_, err = p.Signups.Register(t.Context(), guest, portaltest.Params("kim@acme.com", "Globex"))
		if !strings.Contains(dbtest.Outcome(err), "audit_event") || slugs(t, p) != "acme" ||
			len(p.Mails("kim@acme.com")) != 0 {
			t.Error(err)
		}
		dbtest.Exec(t, p.DB, `ALTER TABLE audit_event_gone RENAME TO audit_event`)
		verify(t, p, "the link again", token, nil)
	})
}

// What has ended is remembered for a week, so that its link is told to be old.
func TestSweep(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_, _ = register(t, p, alex, "Acme"), register(t, p, "kim@acme.com", "Globex")
		used, expired := p.Token(alex), p.Token("kim@acme.com")
		verify(t, p, "the link", used, nil)
		sweep := func() {
			t.Helper()
			if err := p.Signups.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		p.Clock.Advance(8*24*time.Hour - time.Minute)
		sweep()
		verify(t, p, "used a week ago", used, portaluser.ErrLinkUsed)
		verify(t, p, "expired a week ago", expired, portaluser.ErrLinkExpired)
		p.Clock.Advance(time.Minute)
		sweep()
		verify(t, p, "used and swept", used, portaluser.ErrLinkNotFound)
		verify(t, p, "expired and swept", expired, portaluser.ErrLinkNotFound)
		if got := slugs(t, p); got != "acme" {
			t.Errorf("slugs: %s", got)
		}
		_ = p.SignIn(alex)
	})
}
