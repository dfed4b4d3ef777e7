package recovery_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/recovery"
)

const (
	alex  = "alex@acme.com"
	fresh = "Battery-Staple-8"
)

var guest = portaltest.Guest("192.0.2.1")

// failed is why a call failed.
func failed(_ secret.Token, err error) error { return err }

// forgot asks for a link and gives its token.
func forgot(t *testing.T, p *portaltest.Portal) string {
	t.Helper()
	if err := forget(t, p, alex); err != nil {
		t.Fatal(err)
	}
	return p.Token(alex)
}

// forget does what the worker does once somebody has asked for a link.
func forget(t *testing.T, p *portaltest.Portal, email string) error {
	t.Helper()
	return database.Do(t.Context(), p.DB, func(tx *database.Tx) error {
		return p.Recovery.Forgot(t.Context(), tx, guest, email)
	})
}

func reset(t *testing.T, p *portaltest.Portal, what, token string, want error) {
	t.Helper()
	before := p.Hasher.Done()
	err := failed(p.Recovery.Reset(t.Context(), guest, recovery.NewPassword{Token: token, Password: fresh}))
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
	if want != nil && p.Hasher.Done() != before {
		t.Errorf("%s: a password was hashed for nothing", what)
	}
}

func signsIn(p *portaltest.Portal, password string) bool {
	_, err := p.Login(portaltest.Guest("192.0.2.99"), alex, password)
	return err == nil
}

func TestForgot(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = eventtest.Take(t, p.DB)
		first := forgot(t, p)
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.password.reset_requested" || rows[0].Account != acme.ID.Any() ||
			rows[0].ActorType != "anonymous" || rows[0].ResourceID != p.User(alex).ID.Any() || rows[0].Metadata != "{}" {
			t.Errorf("%v", rows)
		}
		second := forgot(t, p)
		reset(t, p, "the earlier link", first, portaluser.ErrLinkNotFound)
		reset(t, p, "the link", second, nil)

		_ = eventtest.Take(t, p.DB)
		if err := forget(t, p, "nobody@acme.com"); err != nil {
			t.Error(err)
		}
		if n := len(p.Mails("nobody@acme.com")); n != 0 {
			t.Errorf("%d mails to nobody", n)
		}
		rows = eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Outcome != "failure" || rows[0].Visible || !rows[0].ResourceID.IsZero() {
			t.Errorf("%v", rows)
		}
	})
}

// A mail that waits carries a link that is still good, or isn't sent.
func TestOnlyTheCurrentLinkIsMailed(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		for range 3 {
			if err := forget(t, p, alex); err != nil {
				t.Fatal(err)
			}
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM outbox WHERE payload IS NOT NULL`); n != 1 {
			t.Errorf("%d links are kept", n)
		}
		reset(t, p, "the only link mailed", p.Token(alex), nil)
		if err := forget(t, p, alex); err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(time.Hour)
		if list := p.Mails(alex); len(list) != 2 { // one link, and word of the new password
			t.Errorf("%d mails", len(list))
		}
	})
}

func TestMailsToOneAddressAreLimited(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		for range 9 {
			_ = forgot(t, p)
		}
		last := forgot(t, p)
		_ = eventtest.Take(t, p.DB)
		if err := forget(t, p, alex); err != nil {
			t.Error(err)
		}
		if rows := eventtest.Take(t, p.DB); len(p.Mails(alex)) != 10 || len(rows) != 1 || rows[0].Outcome != "failure" {
			t.Errorf("%d mails, %v", len(p.Mails(alex)), rows)
		}
		reset(t, p, "the last link", last, nil)
		if list := p.Mails(alex); len(list) != 11 {
			t.Errorf("%d mails; the warning goes out whatever the limit", len(list))
		}
	})
}

func TestLinkLivesForAnHour(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		reset(t, p, "no link", "x", portaluser.ErrLinkNotFound)
		token := forgot(t, p)
		p.Clock.Advance(time.Hour - time.Second)
		reset(t, p, "within an hour", token, nil)
		reset(t, p, "twice", token, portaluser.ErrLinkUsed)
		token = forgot(t, p)
		p.Clock.Advance(time.Hour)
		reset(t, p, "after an hour", token, portaluser.ErrLinkExpired)

		p.Clock.Advance(7*24*time.Hour - time.Minute)
		sweep := func() {
			t.Helper()
			if err := p.Recovery.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		sweep()
		reset(t, p, "a week later", token, portaluser.ErrLinkExpired)
		p.Clock.Advance(time.Minute)
		sweep()
		reset(t, p, "swept", token, portaluser.ErrLinkNotFound)
	})
}

// A new password ends what the old one had made possible, and no more.
func TestReset(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_, _ = p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		a, b, other := p.SignIn(alex), p.SignIn(alex), p.SignIn("kim@globex.com")
		token := forgot(t, p)
		p.LockOut(alex)
		_ = eventtest.Take(t, p.DB)
		reset(t, p, "the link", token, nil)
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 2 || rows[0].Action != "session.all_revoked" || rows[1].Action != "user.password.reset" ||
			rows[0].Metadata != `{"revoked_count":2,"reason":"password_reset"}` || rows[1].Severity != "notice" ||
			rows[1].ActorType != "user" || rows[1].ActorID != a.User.ID.Any() {
			t.Errorf("%v", rows)
		}
		for name, access := range map[string]string{"one": a.AccessToken, "another": b.AccessToken} {
			if _, err := p.Sessions.Authenticate(t.Context(), access); !errors.Is(err, signingkey.ErrInvalidToken) {
				t.Errorf("%s session goes on: %v", name, err)
			}
		}
		_ = p.Caller(other)
		if signsIn(p, portaltest.Password) || !signsIn(p, fresh) {
			t.Error("the password was not replaced, or is locked still")
		}
		list := p.Mails(alex)
		if last := list[len(list)-1]; !strings.Contains(last.Text, "password") || strings.Contains(last.Text, "#token=") {
			t.Errorf("%s\n%s", last.Subject, last.Text)
		}
	})
}

func TestResetOnceOfMany(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		token := forgot(t, p)
		got := dbtest.AtOnce(20, func() string {
			_, err := p.Recovery.Reset(t.Context(), guest, recovery.NewPassword{Token: token, Password: fresh})
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.link_used": 19}, got); diff != "" {
			t.Error(diff)
		}
		if n := len(p.Mails(alex)); n != 2 {
			t.Errorf("%d mails", n)
		}
	})
}

// A link is for the password that was forgotten, not for the one after it.
func TestLinkToAPasswordThatWasReplacedSince(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		token, me := forgot(t, p), p.Caller(p.SignIn(alex))
		change := recovery.PasswordChange{Current: portaltest.Password, New: fresh}
		if err := failed(p.Recovery.Change(t.Context(), me, change)); err != nil {
			t.Fatal(err)
		}
		reset(t, p, "replaced since", token, portaluser.ErrLinkUsed)

		token = forgot(t, p)
		u := p.User(alex)
		err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
			_, _, err := portaluser.SetPassword(t.Context(), tx, u, "replaced")
			if err == nil {
				_, err = tx.Exec(t.Context(), `UPDATE password_reset SET status = 'used' WHERE status = 'live'`)
			}
			return err
		}, func() error {
			return failed(p.Recovery.Reset(t.Context(), guest, recovery.NewPassword{Token: token, Password: fresh}))
		})
		if !errors.Is(err, portaluser.ErrLinkUsed) || p.User(alex).PasswordHash != "replaced" {
			t.Errorf("replaced meanwhile: %v", err)
		}
	})
}

func TestChangeKeepsTheCurrentSession(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		here, elsewhere := p.SignIn(alex), p.SignIn(alex)
		me := p.Caller(here)
		_ = eventtest.Take(t, p.DB)
		change := recovery.PasswordChange{Current: portaltest.Password, New: fresh}
		if err := failed(p.Recovery.Change(t.Context(), me, change)); err != nil {
			t.Fatal(err)
		}
		if got := eventtest.Actions(t, p.DB); got != "session.all_revoked user.password.changed" {
			t.Error(got)
		}
		_ = p.Caller(here)
		_, err := p.Sessions.Authenticate(t.Context(), elsewhere.AccessToken)
		if !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("the other session goes on: %v", err)
		}
		if _, err := p.Sessions.Refresh(t.Context(), guest, here.Refresh.Reveal()); err != nil {
			t.Error(err)
		}
		if signsIn(p, portaltest.Password) || !signsIn(p, fresh) || len(p.Mails(alex)) != 1 {
			t.Error("the password was not replaced, or nobody was told")
		}
	})
}

func TestChangeRefuses(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		me, before := p.Caller(p.SignIn(alex)), p.User(alex)
		_ = eventtest.Take(t, p.DB)
		refused := func(current, next string, want error, events string) {
			t.Helper()
			err := failed(p.Recovery.Change(t.Context(), me, recovery.PasswordChange{Current: current, New: next}))
			if got := eventtest.Actions(t, p.DB); !errors.Is(err, want) || got != events {
				t.Errorf("%v with %q, want %v with %q", err, got, want, events)
			}
		}
		refused(portaltest.Password, portaltest.Password, recovery.ErrSamePassword, "")
		refused("Wrong-Horse-7", fresh, portaluser.ErrInvalidCredentials, "user.login.failed")
		for range 3 {
			refused("Wrong-Horse-7", "Wrong-Horse-7", portaluser.ErrInvalidCredentials, "user.login.failed")
		}
		refused("Wrong-Horse-7", fresh, portaluser.ErrInvalidCredentials, "user.login.failed user.login.failed")
		refused(portaltest.Password, fresh, portaluser.ErrTooManyAttempts, "")
		p.Clock.Advance(15 * time.Minute)
		_ = p.SignIn(alex) // forgets the run
		p.LockOut(alex)
		_ = eventtest.Take(t, p.DB)
		me.Request = portaltest.Guest("192.0.2.99").Request
		refused(portaltest.Password, fresh, portaluser.ErrTooManyAttempts, "")
		if p.User(alex).PasswordHash != before.PasswordHash {
			t.Error("the password was replaced")
		}
	})
}

func TestChangeOnceOfMany(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		me, u := p.Caller(p.SignIn(alex)), p.User(alex)
		err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
			_, _, err := portaluser.SetPassword(t.Context(), tx, u, "replaced")
			return err
		}, func() error {
			return failed(p.Recovery.Change(t.Context(), me, recovery.PasswordChange{Current: portaltest.Password, New: fresh}))
		})
		if !errors.Is(err, portaluser.ErrInvalidCredentials) || p.User(alex).PasswordHash != "replaced" {
			t.Error(err)
		}
	})
}

func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		b, token, before := p.SignIn(alex), forgot(t, p), p.User(alex)
		me := p.Caller(b)
		change := recovery.PasswordChange{Current: portaltest.Password, New: fresh}
		eventtest.Break(t, p.DB)
		for name, err := range map[string]error{
			"forgot": forget(t, p, alex),
			"reset":  failed(p.Recovery.Reset(t.Context(), guest, recovery.NewPassword{Token: token, Password: fresh})),
			"change": failed(p.Recovery.Change(t.Context(), me, change)),
			"wrong":  failed(p.Recovery.Change(t.Context(), me, recovery.PasswordChange{Current: "x", New: fresh})),
		} {
			if !strings.Contains(dbtest.Outcome(err), "audit_event") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if p.User(alex) != before || len(p.Mails(alex)) != 1 {
			t.Error("something happened")
		}
		_ = p.Caller(b)
	})
}
