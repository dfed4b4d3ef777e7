package session_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	alex  = "alex@acme.com"
	dana  = "dana@acme.com"
	day   = 24 * time.Hour
	wrong = "Wrong-Horse-7"
)

var guest = portaltest.Guest("192.0.2.1")

func TestLoginOpensASession(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = eventtest.Take(t, p.DB)
		by := guest
		by.Request.UserAgent = strings.Repeat("ü", 300)
		in, err := p.Login(by, alex, portaltest.Password)
		if err != nil || in.Bound == nil || in.PreAuthToken != "" {
			t.Fatalf("%+v, %v", in, err)
		}
		b := in.Bound
		if b.User.Email != alex || b.Membership.Account != acme.Account || b.Application.ID != acme.Desk ||
			b.ExpiresIn != 15*time.Minute || b.RefreshLife != 30*day {
			t.Errorf("%+v", b)
		}
		u := p.Caller(b)
		want := principal.User{
			Actor:  principal.Actor{Kind: principal.KindUser, ID: b.User.ID.Any(), Label: alex},
			UserID: b.User.ID, Email: alex, SessionID: u.SessionID, Role: permission.Owner, Account: acme.Account,
			Application: scope.Application{Account: acme.Account, ID: acme.Desk, Slug: "desk"},
			TokenEnds:   p.DB.Now().Add(b.ExpiresIn).Truncate(time.Second).UTC(),
		}
		if diff := cmp.Diff(want, u); diff != "" {
			t.Error(diff)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.login.succeeded" || rows[0].ActorID != u.ID ||
			rows[0].Account != acme.ID.Any() || rows[0].Application != acme.Desk.Any() ||
			!strings.HasPrefix(rows[0].Metadata, `{"session_id":"`+u.SessionID.String()+`","ip_address":"192.0.2.1"`) {
			t.Errorf("%+v", rows)
		}
		list, err := p.Sessions.List(t.Context(), u)
		if err != nil || len(list) != 1 || list[0].ID != u.SessionID || list[0].UserAgent != strings.Repeat("ü", 256) ||
			list[0].IPAddress != "192.0.2.1" || list[0].AccountSlug != "acme" || list[0].ApplicationSlug != "desk" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestPermissionsStandInTheTokenWhenAskedFor(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		in, err := p.Sessions.Login(t.Context(), guest,
			session.Credentials{Email: alex, Password: portaltest.Password, Permissions: true})
		if err != nil {
			t.Fatal(err)
		}
		renewed, err := p.Sessions.Refresh(t.Context(), guest, in.Bound.Refresh.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, k := range permission.Owner.Keys() {
			want = append(want, string(k))
		}
		for token, want := range map[string][]string{
			in.Bound.AccessToken: want, renewed.AccessToken: want, p.SignIn(alex).AccessToken: nil,
		} {
			c, err := p.Keys.Verify(t.Context(), token, p.DB.Now())
			if diff := cmp.Diff(want, c.Permissions); diff != "" || err != nil {
				t.Errorf("%v\n%s", err, diff)
			}
		}
	})
}

// What is refused, under which name, and what the log says of it.
func TestLoginRefuses(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = p.Person("nowhere@acme.com")
		off := p.Join(acme.Account, "off@acme.com", permission.Admin)
		p.SetActive(acme.Account, off, false)
		if _, err := p.Signups.Register(t.Context(), guest, portaltest.Params("new@acme.com", "New")); err != nil {
			t.Fatal(err)
		}
		taken := portaltest.Params(alex, "Decoy")
		taken.Password = "Offered-Pass-9"
		if _, err := p.Signups.Register(t.Context(), guest, taken); err != nil {
			t.Fatal(err)
		}
		_ = eventtest.Take(t, p.DB)
		for _, c := range []struct {
			email, password string
			want            error
			reason          string
			hashes          int64
		}{
			{alex, wrong, portaluser.ErrInvalidCredentials, "wrong_password", 2},
			{"nobody@acme.com", wrong, portaluser.ErrInvalidCredentials, "unknown_address", 2},
			{"new@acme.com", wrong, portaluser.ErrInvalidCredentials, "unknown_address", 2},
			{"new@acme.com", portaltest.Password, session.ErrEmailNotVerified, "not_verified", 2},
			{alex, "Offered-Pass-9", session.ErrEmailNotVerified, "not_verified", 2},
			{"nowhere@acme.com", portaltest.Password, session.ErrNoActiveAccount, "no_active_account", 1},
			{"off@acme.com", portaltest.Password, session.ErrNoActiveAccount, "no_active_account", 1},
		} {
			before := p.Hasher.Done()
			_, err := p.Login(guest, c.email, c.password)
			if !errors.Is(err, c.want) || p.Hasher.Done()-before != c.hashes {
				t.Errorf("%s with %s: %v after %d hashes", c.email, c.password, err, p.Hasher.Done()-before)
			}
			rows := eventtest.Take(t, p.DB)
			if len(rows) != 1 || rows[0].Action != "user.login.failed" ||
				rows[0].Metadata != `{"reason":"`+c.reason+`","ip_address":"192.0.2.1"}` {
				t.Errorf("%s with %s: %v", c.email, c.password, rows)
			}
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session`); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// A refusal that can't be recorded is no refusal but an error.
func TestRefusalThatCannotBeRecordedFails(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		_ = p.Person("nowhere@acme.com")
		eventtest.Break(t, p.DB)
		for email, password := range map[string]string{
			alex: wrong, "nobody@acme.com": wrong, "nowhere@acme.com": portaltest.Password,
		} {
			if _, err := p.Login(guest, email, password); !strings.Contains(dbtest.Outcome(err), "audit_event") {
				t.Errorf("%s: %v", email, err)
			}
		}
		if _, err := p.Login(guest, alex, portaltest.Password); !strings.Contains(dbtest.Outcome(err), "audit_event") {
			t.Errorf("a right password: %v", err)
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session`); n != 0 {
			t.Errorf("%d sessions", n)
		}
		if n := dbtest.Number(t, p.DB, `SELECT sum(count) FROM rate_count`); n != 0 {
			t.Errorf("counted %d without telling", n)
		}
	})
}

func TestThrottledPairIsRefusedTheRightPasswordToo(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		for range 5 {
			_, _ = p.Login(guest, alex, wrong)
		}
		before := p.Hasher.Done()
		if _, err := p.Login(guest, alex, portaltest.Password); !errors.Is(err, portaluser.ErrTooManyAttempts) {
			t.Error(err)
		}
		if p.Hasher.Done() != before {
			t.Error("a throttled call costs a hash")
		}
		if _, err := p.Login(portaltest.Guest("192.0.2.2"), alex, portaltest.Password); err != nil {
			t.Error(err)
		}
	})
}

func TestOutdatedHashIsRenewed(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		before := p.User(alex)
		p.Guard.Hasher = secret.NewHasher(secret.Params{MemoryKiB: 128, Time: 1, Threads: 1}, 0, 64)
		_, _ = p.Login(guest, alex, wrong)
		if now := p.User(alex); now.PasswordHash != before.PasswordHash {
			t.Error("a wrong password renewed the hash")
		}
		_ = p.SignIn(alex)
		now := p.User(alex)
		if !strings.Contains(now.PasswordHash, "m=128,") || now.PasswordChangedAt != before.PasswordChangedAt {
			t.Errorf("%+v", now)
		}
		_ = p.SignIn(alex)
		if p.User(alex).PasswordHash != now.PasswordHash {
			t.Error("a fresh hash was renewed")
		}
	})
}

// Who has a choice gets a token that is good for choosing, once.
func TestChoice(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		globex, acme := p.Company("Globex", "kim@globex.com"), p.Company("Acme", alex)
		initech := p.Company("Initech", "lou@initech.com")
		till := p.Application(acme.Account, "Till")
		_ = p.Join(globex.Account, alex, permission.Admin)
		in, err := p.Login(guest, alex, portaltest.Password)
		if err != nil || in.Bound != nil {
			t.Fatalf("%+v, %v", in, err)
		}
		var offered []string
		for _, c := range in.Choices {
			for _, a := range c.Applications {
				offered = append(offered, c.Membership.AccountName+" "+a.Slug)
			}
		}
		if diff := cmp.Diff([]string{"Acme desk", "Acme till", "Globex desk"}, offered); diff != "" {
			t.Error(diff)
		}
		who, err := p.Sessions.Authenticate(t.Context(), in.PreAuthToken)
		by, is := who.(principal.PreAuth)
		if !is || by.UserID != in.User.ID || who.Holds(permission.AccountView) {
			t.Fatalf("%+v, %v", who, err)
		}
		_ = eventtest.Take(t, p.DB)
		for name, c := range map[string]struct {
			in scope.AccountID
			to scope.ApplicationID
		}{
			"an Account that one is not in":    {initech.ID, initech.Desk},
			"an Application of another of one": {acme.ID, globex.Desk},
			"no Application":                   {acme.ID, scope.ApplicationID{1}},
		} {
			_, err := p.Sessions.Select(t.Context(), by, c.in, c.to)
			if !errors.Is(err, application.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		got := dbtest.AtOnce(20, func() string {
			b, err := p.Sessions.Select(t.Context(), by, acme.ID, till)
			if err == nil && (b.Application.ID != till || b.Membership.Account != acme.Account) {
				return b.Application.Slug
			}
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.invalid_token": 19}, got); diff != "" {
			t.Error(diff)
		}
		if got := eventtest.Actions(t, p.DB); got != "user.login.succeeded" {
			t.Error(got)
		}
	})
}

func TestPreAuthTokenLivesFiveMinutesAndIsItsOwners(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		_ = p.Application(acme.Account, "Till")
		_ = p.Join(acme.Account, dana, permission.Admin)
		in, err := p.Login(guest, alex, portaltest.Password)
		if err != nil {
			t.Fatal(err)
		}
		who, err := p.Sessions.Authenticate(t.Context(), in.PreAuthToken)
		if err != nil {
			t.Fatal(err)
		}
		by := who.(principal.PreAuth)
		other := by
		other.UserID = p.User(dana).ID
		if _, err := p.Sessions.Select(t.Context(), other, acme.ID, acme.Desk); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("somebody else's: %v", err)
		}
		p.Clock.Advance(5 * time.Minute)
		if _, err := p.Sessions.Select(t.Context(), by, acme.ID, acme.Desk); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("after five minutes: %v", err)
		}
	})
}
