package session_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/recovery"
	"canopy.dev/canopy/internal/portal/session"
)

// at is a guest whose browser sends a token.
func at(ip string, browser secret.Token) principal.Actor {
	by := portaltest.Guest(ip)
	if !browser.IsZero() {
		by.Request.Browser = browser.Hash()
	}
	return by
}

// knows reports whether a person gets in with the browser though the address is locked.
func knows(t *testing.T, p *portaltest.Portal, browser secret.Token) bool {
	t.Helper()
	_, err := p.Login(at("203.0.113.77", browser), dana, portaltest.Password)
	if err != nil && !errors.Is(err, portaluser.ErrTooManyAttempts) {
		t.Fatal(err)
	}
	return err == nil
}

// eachLockedOut is a portal with Dana, whose address is locked, and the browser that
// Dana signed in with before.
func eachLockedOut(t *testing.T, fn func(t *testing.T, p *portaltest.Portal, browser secret.Token)) {
	t.Helper()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		p.Company("Acme", dana)
		browser := p.SignIn(dana).Browser
		p.LockOut(dana)
		if browser.IsZero() || knows(t, p, secret.Token{}) {
			t.Fatal("no token, or no lock")
		}
		fn(t, p, browser)
	})
}

// TestKnownBrowserPassesLockAndThrottles: neither who guesses nor who shares the address
// keeps a person out of a browser that is known.
func TestKnownBrowserPassesLockAndThrottles(t *testing.T) {
	t.Parallel()
	eachLockedOut(t, func(t *testing.T, p *portaltest.Portal, browser secret.Token) {
		for n := range 50 {
			_, err := p.Login(portaltest.Guest("203.0.113.77"), fmt.Sprintf("p%d@acme.com", n), wrong)
			if !errors.Is(err, portaluser.ErrInvalidCredentials) {
				t.Fatal(err)
			}
		}
		_, err := p.Login(portaltest.Guest("203.0.113.77"), "x@acme.com", wrong)
		if !errors.Is(err, portaluser.ErrTooManyAttempts) {
			t.Errorf("the IP is not full: %v", err)
		}
		in, err := p.Login(at("203.0.113.77", browser), dana, portaltest.Password)
		if err != nil || in.Bound == nil || in.Bound.Browser.IsZero() || in.Bound.Browser.Reveal() == browser.Reveal() {
			t.Fatalf("%+v, %v", in, err)
		}
		if knows(t, p, secret.Token{}) {
			t.Error("a right password in a known browser clears the lock for others")
		}
		if knows(t, p, browser) || !knows(t, p, in.Bound.Browser) {
			t.Error("the browser has two tokens, or none")
		}
	})
}

// TestTenthWrongPasswordForgetsTheBrowser: of sixty at once, too.
func TestTenthWrongPasswordForgetsTheBrowser(t *testing.T) {
	t.Parallel()
	eachLockedOut(t, func(t *testing.T, p *portaltest.Portal, browser secret.Token) {
		guess := func() string {
			_, err := p.Login(at("203.0.113.77", browser), dana, wrong)
			return dbtest.Outcome(err)
		}
		for range 9 {
			if got := guess(); got != "auth.invalid_credentials" {
				t.Fatal(got)
			}
		}
		in, err := p.Login(at("203.0.113.77", browser), dana, portaltest.Password)
		if err != nil {
			t.Fatalf("after nine: %v", err)
		}
		browser = in.Bound.Browser
		got := dbtest.AtOnce(60, guess)
		if diff := cmp.Diff(map[string]int{"auth.invalid_credentials": 10, "auth.too_many_attempts": 50}, got); diff != "" {
			t.Error(diff)
		}
		if knows(t, p, browser) {
			t.Error("still known after ten")
		}
	})
}

// TestWhatForgetsABrowser: a changed password, ninety days, and twenty newer ones.
func TestWhatForgetsABrowser(t *testing.T) {
	t.Parallel()
	for what, forget := range map[string]func(t *testing.T, p *portaltest.Portal, in *session.Bound){
		"a change elsewhere": func(t *testing.T, p *portaltest.Portal, _ *session.Bound) {
			other := p.Caller(p.SignIn(dana))
			change := recovery.PasswordChange{Current: portaltest.Password, New: "Battery-Staple-8"}
			own, err := p.Recovery.Change(t.Context(), other, change)
			if err != nil {
				t.Fatal(err)
			}
			change.Current, change.New = change.New, portaltest.Password
			other.Request.Browser = own.Hash()
			if _, err = p.Recovery.Change(t.Context(), other, change); err != nil {
				t.Fatal(err)
			}
		},
		"a reset": func(t *testing.T, p *portaltest.Portal, _ *session.Bound) {
			if err := p.Recovery.Ask(t.Context(), portaltest.Guest("192.0.2.1"), dana); err != nil {
				t.Fatal(err)
			}
			reset := recovery.NewPassword{Token: p.Token(dana), Password: portaltest.Password}
			browser, err := p.Recovery.Reset(t.Context(), portaltest.Guest("192.0.2.1"), reset)
			if err != nil {
				t.Fatal(err)
			}
			p.LockOut(dana)
			if !knows(t, p, browser) {
				t.Error("the browser of the reset is not known")
			}
		},
		"ninety days": func(_ *testing.T, p *portaltest.Portal, _ *session.Bound) {
			p.Clock.Advance(90 * 24 * time.Hour)
		},
		"twenty others": func(_ *testing.T, p *portaltest.Portal, _ *session.Bound) {
			for range 20 {
				p.Clock.Advance(time.Second)
				p.SignIn(dana)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
				p.Company("Acme", dana)
				in := p.SignIn(dana)
				forget(t, p, in)
				if what != "a reset" {
					p.LockOut(dana)
				}
				if knows(t, p, in.Browser) {
					t.Error("still known")
				}
				if err := p.Guard.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_browser`); n > 20 {
					t.Errorf("%d are kept", n)
				}
			})
		})
	}
}

// TestABrowserIsKnownForItsPersonAlone: and of several people on one browser the last is.
func TestABrowserIsKnownForItsPersonAlone(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		p.Company("Acme", dana)
		p.Company("Beta", "kim@beta.com")
		kims := p.SignIn("kim@beta.com").Browser
		danas := p.SignIn(dana).Browser
		p.LockOut(dana)
		if knows(t, p, kims) || knows(t, p, secret.NewToken()) {
			t.Error("somebody else's token, or nobody's, opens the lock")
		}
		in, err := p.Login(at("192.0.2.9", danas), "kim@beta.com", portaltest.Password)
		if err != nil {
			t.Fatal(err)
		}
		if knows(t, p, danas) || knows(t, p, in.Bound.Browser) {
			t.Error("Dana is known in a browser that Kim has taken over")
		}
	})
}

// TestForAKnownBrowserAlsoTheChangePasses: change-password asks the same guard.
func TestForAKnownBrowserAlsoTheChangePasses(t *testing.T) {
	t.Parallel()
	eachLockedOut(t, func(t *testing.T, p *portaltest.Portal, browser secret.Token) {
		in, err := p.Login(at("203.0.113.77", browser), dana, portaltest.Password)
		if err != nil {
			t.Fatal(err)
		}
		me := p.Caller(in.Bound)
		change := recovery.PasswordChange{Current: portaltest.Password, New: "Battery-Staple-8"}
		if _, err := p.Recovery.Change(t.Context(), me, change); !errors.Is(err, portaluser.ErrTooManyAttempts) {
			t.Errorf("without the cookie: %v", err)
		}
		me.Request.Browser = in.Bound.Browser.Hash()
		if own, err := p.Recovery.Change(t.Context(), me, change); err != nil || own.IsZero() {
			t.Errorf("with it: %v", err)
		}
	})
}

// TestForgottenPasswordInAKnownBrowser: what strangers, or others behind the same IP, have
// used up is not the person's in a browser that is known; there the same numbers count.
func TestForgottenPasswordInAKnownBrowser(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		p.Company("Acme", dana)
		own := at("203.0.113.77", p.SignIn(dana).Browser)
		ask := func(by principal.Actor) string {
			got := dbtest.Outcome(p.Recovery.Ask(t.Context(), by, dana))
			_ = p.Mails(dana) // a mail that waits would be dropped for a newer one
			return got
		}
		for n := range 3 {
			for range 5 {
				if got := ask(portaltest.Guest(fmt.Sprintf("203.0.113.7%d", 7-n))); got != "ok" {
					t.Fatal(got)
				}
			}
		}
		if got := ask(portaltest.Guest("203.0.113.77")); got != "rate_limit.exceeded" {
			t.Errorf("the pair is not full: %s", got)
		}
		if n := len(p.Mails(dana)); n != 10 {
			t.Errorf("%d mails, want those of a day", n)
		}
		for n := range 5 {
			if got := ask(own); got != "ok" {
				t.Errorf("call %d in the known browser: %s", n, got)
			}
		}
		if n := len(p.Mails(dana)); n != 15 {
			t.Errorf("%d mails, want five more", n)
		}
		if got := ask(own); got != "rate_limit.exceeded" {
			t.Errorf("the known browser has no limit: %s", got)
		}
	})
}
