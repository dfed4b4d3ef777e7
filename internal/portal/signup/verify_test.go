package signup_test

import (
	"fmt"
	"strings"
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

// strangers is the password of somebody who signs up another's address.
const strangers = "Strangers-Horse-7"

// intrude signs the address up with the stranger's password.
func intrude(t *testing.T, p *portaltest.Portal, email string) {
	t.Helper()
	params := portaltest.Params(email, "Evil")
	params.Password = strangers
	if _, err := p.Signups.Register(t.Context(), guest, params); err != nil {
		t.Fatal(err)
	}
}

// owns looks whether the owner's password is the one that counts, for the owner's
// Account.
func owns(t *testing.T, p *portaltest.Portal, email string) {
	t.Helper()
	if b := p.SignIn(email); b.Membership.AccountName != "Acme" {
		t.Errorf("the Account is %s", b.Membership.AccountName)
	}
	if _, err := p.Login(guest, email, strangers); dbtest.Outcome(err) != "auth.invalid_credentials" {
		t.Errorf("the stranger's password: %v", err)
	}
	n := dbtest.Number(t, p.DB, `SELECT count(*) FROM registration WHERE status = 'pending'`)
	if got := slugs(t, p); n != 0 || got != "acme" {
		t.Errorf("%d sign-ups and the slugs %s are left", n, got)
	}
}

// Whatever a stranger signs up and whenever, and whichever link the owner opens: the
// owner's password counts, and the stranger's is worth nothing.
func TestOwnersPasswordCountsWhicheverLinkIsOpened(t *testing.T) {
	t.Parallel()
	for name, links := range map[string]func(t *testing.T, p *portaltest.Portal) []string{
		"stranger before": func(t *testing.T, p *portaltest.Portal) []string {
			intrude(t, p, alex)
			first := p.Token(alex)
			_ = register(t, p, alex, "Acme")
			return []string{first, p.Token(alex)}
		},
		"stranger after": func(t *testing.T, p *portaltest.Portal) []string {
			_ = register(t, p, alex, "Acme")
			first := p.Token(alex)
			intrude(t, p, alex)
			return []string{first, p.Token(alex)}
		},
		"stranger before send again": func(t *testing.T, p *portaltest.Portal) []string {
			_ = register(t, p, alex, "Acme")
			first := p.Token(alex)
			intrude(t, p, alex)
			resend(t, p, alex)
			return []string{first, p.Token(alex)}
		},
		"own link is old": func(t *testing.T, p *portaltest.Portal) []string {
			_ = register(t, p, alex, "Acme")
			first := p.Token(alex)
			p.Clock.Advance(25 * time.Hour)
			verify(t, p, "the old link", first, portaluser.ErrLinkExpired)
			intrude(t, p, alex)
			second := p.Token(alex)
			p.Clock.Advance(20 * time.Hour)
			return []string{second}
		},
	} {
		for _, which := range []int{0, 1} {
			t.Run(fmt.Sprint(name, which), func(t *testing.T) {
				t.Parallel()
				portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
					open := links(t, p)
					if which >= len(open) {
						return
					}
					_ = eventtest.Take(t, p.DB)
					verify(t, p, "no password", open[which], signup.ErrPasswordRequired)
					if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
						t.Errorf("something has happened: %v", rows)
					}
					prove(t, p, "the owner's password", open[which], portaltest.Password, nil)
					prove(t, p, "again", open[which], portaltest.Password, portaluser.ErrLinkUsed)
					verify(t, p, "again, bare", open[which], portaluser.ErrLinkUsed)
					owns(t, p, alex)
				})
			})
		}
	}
}

// The link's own sign-up is tried first, then the newest, ten in all: a stranger who signs
// up ever so often does not push the owner's own link aside.
func TestOwnLinkAfterTenStrangers(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		own := p.Token(alex)
		p.Clock.Advance(time.Second)
		intrude(t, p, alex)
		other := p.Token(alex)
		for range 11 {
			p.Clock.Advance(time.Second)
			intrude(t, p, alex)
		}
		before := p.Hasher.Done()
		prove(t, p, "another's link", other, portaltest.Password, portaluser.ErrInvalidCredentials)
		if n := p.Hasher.Done() - before; n != 10 {
			t.Errorf("%d hashes", n)
		}
		before = p.Hasher.Done()
		prove(t, p, "the own link", own, portaltest.Password, nil)
		if n := p.Hasher.Done() - before; n != 1 {
			t.Errorf("%d hashes", n)
		}
		owns(t, p, alex)
	})
}

// Live is what is younger than three days and no decoy.
func TestLiveSignUpsAlone(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		intrude(t, p, alex)
		p.Clock.Advance(72*time.Hour - time.Second)
		_ = register(t, p, alex, "Acme")
		token := p.Token(alex)
		verify(t, p, "two are live", token, signup.ErrPasswordRequired)
		p.Clock.Advance(time.Second)
		prove(t, p, "the password of one that has ended", token, strangers, portaluser.ErrInvalidCredentials)
		verify(t, p, "one is live", token, nil)

		_ = register(t, p, "kim@acme.com", "Globex")
		_ = register(t, p, "kim@acme.com", "Decoy")
		dbtest.Exec(t, p.DB, `UPDATE registration SET is_decoy = 1 WHERE account_name = 'Globex'`)
		verify(t, p, "a decoy beside it", p.Token("kim@acme.com"), nil)
	})
}

// A decoy's password establishes nothing, nor does any link of an address that has become
// a user's meanwhile.
func TestDecoyIsNeverEstablished(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		intrude(t, p, alex)
		_ = register(t, p, alex, "Acme")
		token := p.Token(alex)
		dbtest.Exec(t, p.DB, `UPDATE registration SET is_decoy = 1 WHERE account_name = 'Evil'`)
		prove(t, p, "the decoy's password", token, strangers, portaluser.ErrInvalidCredentials)
		dbtest.Exec(t, p.DB, `UPDATE registration SET token_hash = $1 WHERE is_decoy = 1`, secret.Hash("guessed"))
		prove(t, p, "a decoy's token", "guessed", strangers, portaluser.ErrLinkNotFound)
		_ = p.Person(alex)
		before := p.Hasher.Done()
		prove(t, p, "a user's address", token, portaltest.Password, portaluser.ErrLinkUsed)
		verify(t, p, "a user's address", token, portaluser.ErrLinkUsed)
		if p.Hasher.Done() != before {
			t.Error("a password was compared for nothing")
		}
	})
}

// A wrong password counts as one attempt, is recorded, and leaves the link as it is; a
// full counter compares nothing; the lock stays out of it.
func TestWrongPasswordOfASignUpCounts(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		token := p.Token(alex)
		p.LockOut(alex)
		_ = eventtest.Take(t, p.DB)
		for n := range 5 {
			prove(t, p, "wrong", token, "Wrong-Horse-7", portaluser.ErrInvalidCredentials)
			rows := eventtest.Take(t, p.DB)
			want := []string{"wrong_password"}
			if n == 4 { // it fills the window
				want = []string{"throttled", "wrong_password"}
			}
			var got []string
			for _, row := range rows {
				got = append(got, strings.Split(row.Metadata, `"`)[3])
				if row.Action != "user.login.failed" || row.Visible || row.Outcome != "failure" || !row.ResourceID.IsZero() {
					t.Errorf("%+v", row)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		before := p.Hasher.Done()
		prove(t, p, "right, too late", token, portaltest.Password, portaluser.ErrTooManyAttempts)
		if p.Hasher.Done() != before {
			t.Error("a full counter compares")
		}
		verify(t, p, "the link", token, nil) // no password, no attempt
	})
}

// Of fifty at once with a password one wins.
func TestProveOnceOfMany(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		intrude(t, p, alex)
		token, password := p.Token(alex), portaltest.Password
		got := dbtest.AtOnce(50, func() string {
			return dbtest.Outcome(p.Signups.Verify(t.Context(), guest, signup.Proof{Token: token, Password: &password}))
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.link_used": 49}, got); diff != "" {
			t.Error(diff)
		}
		owns(t, p, alex)
	})
}

// A sign-up that comes between the look at a link and its use asks for the password as any
// other, and one that is established meanwhile has used it.
func TestSignUpsThatCrossAVerification(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = register(t, p, alex, "Acme")
		token := p.Token(alex)
		_ = register(t, p, "kim@acme.com", "Evil")
		password := portaltest.Password
		for _, c := range []struct {
			meanwhile, want string
			proof           signup.Proof
		}{
			{
				`UPDATE registration SET email = '` + alex + `'`, "auth.password_required",
				signup.Proof{Token: token},
			},
			{
				`UPDATE registration SET status = 'used' WHERE account_name = 'Evil'`, "auth.link_used",
				signup.Proof{Token: p.Token("kim@acme.com"), Password: &password},
			},
			{`UPDATE registration SET status = 'used'`, "auth.link_used", signup.Proof{Token: token}},
		} {
			err := dbtest.Overtake(t, p.DB, func(tx *database.Tx) error {
				_, err := tx.Exec(t.Context(), c.meanwhile)
				return err
			}, func() error { return p.Signups.Verify(t.Context(), guest, c.proof) })
			if got := dbtest.Outcome(err); got != c.want {
				t.Errorf("%s: %s, want %s", c.meanwhile, got, c.want)
			}
		}
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_user`); n != 0 {
			t.Errorf("%d users", n)
		}
	})
}

// Beyond ten a day no mail goes to an address, free or taken, and nothing else changes:
// the sign-up is kept, and its password establishes it through any link.
func TestSignUpBeyondTheMailsOfADay(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Taken", "taken@acme.com")
		for _, email := range []string{"taken@acme.com", alex} {
			for range 10 {
				intrude(t, p, email)
			}
			mailed := len(p.Mails(email))
			before := slugs(t, p)
			if r := register(t, p, email, "Acme "+email[:4]); r.AccountSlug == "" || slugs(t, p) == before {
				t.Errorf("%s: %+v", email, r)
			}
			if n := len(p.Mails(email)); mailed != 10 || n != 10 {
				t.Errorf("%s: %d mails, then %d", email, mailed, n)
			}
		}
		if _, err := p.Login(guest, alex, portaltest.Password); dbtest.Outcome(err) != "auth.email_not_verified" {
			t.Error(err)
		}
		token := p.Token(alex)
		_ = eventtest.Take(t, p.DB)
		resend(t, p, alex)
		if rows := eventtest.Take(t, p.DB); len(p.Mails(alex)) != 10 || len(rows) != 1 || rows[0].Outcome != "failure" {
			t.Errorf("sent again beyond the limit: %v", rows)
		}
		prove(t, p, "the earlier link and the password of a sign-up without a mail", token, portaltest.Password, nil)
		if b := p.SignIn(alex); !strings.HasPrefix(b.Membership.AccountName, "Acme") {
			t.Errorf("%+v", b.Membership)
		}
	})
}
