package session_test

import (
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/session"
)

// refresh renews with a token and gives the next one.
func refresh(t *testing.T, p *portaltest.Portal, token string) (*session.Bound, string, error) {
	t.Helper()
	b, err := p.Sessions.Refresh(t.Context(), guest, token)
	if err != nil {
		return nil, "", err
	}
	return b, b.Refresh.Reveal(), nil
}

// refuse expects a refresh token to be refused.
func refuse(t *testing.T, p *portaltest.Portal, what, token string, want error) {
	t.Helper()
	if _, _, err := refresh(t, p, token); !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// remove takes an Application away, for which there is no use case yet.
func remove(t *testing.T, p *portaltest.Portal, application scope.ApplicationID) {
	t.Helper()
	dbtest.Exec(t, p.DB, `DELETE FROM application WHERE id = $1`, application)
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		first := p.SignIn(alex)
		_ = eventtest.Take(t, p.DB)
		b, second, err := refresh(t, p, first.Refresh.Reveal())
		if err != nil || second == first.Refresh.Reveal() || b.RefreshLife != 30*day || b.ExpiresIn != 15*time.Minute {
			t.Fatalf("%+v, %v", b, err)
		}
		old, renewed := p.Caller(first), p.Caller(b)
		if diff := cmp.Diff(old, renewed); diff != "" {
			t.Errorf("the session is another one:\n%s", diff)
		}
		rows := eventtest.Take(t, p.DB)
		if len(rows) != 1 || rows[0].Action != "user.session.refreshed" || rows[0].Visible ||
			rows[0].Account != acme.ID.Any() || rows[0].ResourceID != old.SessionID.Any() || rows[0].ActorID != old.ID {
			t.Errorf("%v", rows)
		}
		refuse(t, p, "no token", "x", signingkey.ErrInvalidToken)
		if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
			t.Errorf("%v", rows)
		}
	})
}

// Of many at once, on two processes, all get one and the same successor.
func TestRefreshOfManyGivesOneSuccessor(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		b := p.SignIn(alex)
		_ = eventtest.Take(t, p.DB)
		other := &session.Service{
			DB: p.DB, Prover: &revision.Prover{DB: p.DB}, Guard: p.Guard, Keys: p.Keys,
			AccessTTL: p.Sessions.AccessTTL, RefreshTTL: p.Sessions.RefreshTTL, RefreshMax: p.Sessions.RefreshMax,
		}
		processes := make(chan *session.Service, 50)
		for range 25 {
			processes <- p.Sessions
			processes <- other
		}
		got := dbtest.AtOnce(50, func() string {
			next, err := (<-processes).Refresh(t.Context(), guest, b.Refresh.Reveal())
			if err != nil {
				return dbtest.Outcome(err)
			}
			return next.Refresh.Reveal()
		})
		if len(got) != 1 {
			t.Error(got)
		}
		for next := range got {
			if _, _, err := refresh(t, p, next); err != nil {
				t.Errorf("the successor: %v", err)
			}
		}
		if events := eventtest.Actions(t, p.DB); events != "user.session.refreshed" {
			t.Errorf("told more than once a minute: %s", events)
		}
	})
}

// The token before the current one is repeated for thirty seconds, as its answer may have
// been lost, and gives what it gave then: the same cookie, for what is left of it.
func TestRepeatGivesTheSame(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		first := p.SignIn(alex).Refresh.Reveal()
		_, second, err := refresh(t, p, first)
		if err != nil {
			t.Fatal(err)
		}
		p.Clock.Advance(29 * time.Second)
		_ = eventtest.Take(t, p.DB)
		b, again, err := refresh(t, p, first)
		if err != nil || again != second || b.RefreshLife > 30*day-29*time.Second || p.Caller(b).Email != alex {
			t.Errorf("%+v, %v", b, err)
		}
		if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
			t.Errorf("%v", rows)
		}
		for column, sealed := range map[string]string{"successor": second, "renewed_with": first, "refresh_hash": second} {
			if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session WHERE CAST(`+column+` AS TEXT) = $1`,
				sealed); n != 0 {
				t.Errorf("%s lies in clear", column)
			}
		}
		p.SetActive(p.Caller(b).Account, p.User(alex), false)
		refuse(t, p, "a repeat is checked like a first call", first, session.ErrRevoked)
	})
}

// Any other use of a used token is a theft, which ends the session.
func TestReuse(t *testing.T) {
	t.Parallel()
	for name, reuse := range map[string]func(t *testing.T, p *portaltest.Portal, second string) (third string){
		"thirty seconds later": func(_ *testing.T, p *portaltest.Portal, second string) string {
			p.Clock.Advance(30 * time.Second)
			return second
		},
		"after its successor was used": func(t *testing.T, p *portaltest.Portal, second string) string {
			t.Helper()
			_, third, err := refresh(t, p, second)
			if err != nil {
				t.Fatal(err)
			}
			return third
		},
		"after a sweep": func(t *testing.T, p *portaltest.Portal, second string) string {
			t.Helper()
			p.Clock.Advance(time.Minute)
			if err := p.Sessions.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session WHERE successor IS NOT NULL`); n != 0 {
				t.Errorf("%d successors are left", n)
			}
			return second
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
				acme := p.Company("Acme", alex)
				other := p.SignIn(alex)
				b := p.SignIn(alex)
				who := p.Caller(b)
				first := b.Refresh.Reveal()
				_, second, err := refresh(t, p, first)
				if err != nil {
					t.Fatal(err)
				}
				third := reuse(t, p, second)
				_ = eventtest.Take(t, p.DB)
				refuse(t, p, "the first", first, session.ErrRevoked)
				rows := eventtest.Take(t, p.DB)
				if len(rows) != 1 || rows[0].Action != "user.session.reuse_detected" || rows[0].Severity != "critical" ||
					rows[0].Outcome != "denied" || rows[0].Account != acme.ID.Any() || !rows[0].Visible ||
					rows[0].ResourceID != who.SessionID.Any() || rows[0].Metadata != `{"ip_address":"192.0.2.1"}` {
					t.Errorf("%v", rows)
				}
				for name, token := range map[string]string{"first": first, "second": second, "third": third} {
					refuse(t, p, name, token, session.ErrRevoked)
				}
				if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
					t.Errorf("its access token: %v", err)
				}
				if rows := eventtest.Take(t, p.DB); len(rows) != 0 {
					t.Errorf("an end is told again: %v", rows)
				}
				if _, _, err := refresh(t, p, other.Refresh.Reveal()); err != nil {
					t.Errorf("another session: %v", err)
				}
			})
		})
	}
}

// Each use renews a session for thirty days, and never past ninety.
func TestSessionsGrowOld(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		idle := p.SignIn(alex).Refresh.Reveal()
		token := p.SignIn(alex).Refresh.Reveal()
		for _, c := range []struct{ wait, left time.Duration }{
			{29 * day, 30 * day}, {29 * day, 30 * day}, {29 * day, 3 * day},
		} {
			p.Clock.Advance(c.wait)
			b, next, err := refresh(t, p, token)
			if err != nil {
				t.Fatal(err)
			}
			if off := c.left - b.RefreshLife; off < 0 || off > time.Second {
				t.Errorf("lives for %s, want %s", b.RefreshLife, c.left)
			}
			token = next
		}
		refuse(t, p, "unused for thirty days", idle, signingkey.ErrInvalidToken)
		p.Clock.Advance(3 * day)
		refuse(t, p, "after ninety days", token, signingkey.ErrInvalidToken)
	})
}

func TestSessionWhoseApplicationIsGoneMovesToTheOldest(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme := p.Company("Acme", alex)
		b := p.SignIn(alex)
		oldest := p.Application(acme.Account, "Zebra")
		_ = p.Application(acme.Account, "Ant")
		remove(t, p, acme.Desk)
		if _, err := p.Sessions.Authenticate(t.Context(), b.AccessToken); !errors.Is(err, signingkey.ErrInvalidToken) {
			t.Errorf("a token for an Application that is gone: %v", err)
		}
		moved, next, err := refresh(t, p, b.Refresh.Reveal())
		if err != nil || moved.Application.ID != oldest || p.Caller(moved).Application.ID != oldest {
			t.Fatalf("%+v, %v", moved, err)
		}
		if list, err := p.Sessions.List(t.Context(), p.Caller(moved)); err != nil || list[0].ApplicationSlug != "zebra" {
			t.Errorf("%+v, %v", list, err)
		}
		if again, _, err := refresh(t, p, next); err != nil || again.Application.ID != oldest {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

// A session that can't go on ends, and comes back with nothing.
func TestRefreshEndsASessionThatCannotGoOn(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		acme, globex := p.Company("Acme", alex), p.Company("Globex", "kim@globex.com")
		u := p.Join(globex.Account, dana, permission.Admin)
		emptied, off := p.SignIn(alex).Refresh.Reveal(), p.SignIn(dana).Refresh.Reveal()
		remove(t, p, acme.Desk)
		refuse(t, p, "an Account without any Application", emptied, session.ErrRevoked)
		p.SetActive(globex.Account, u, false)
		refuse(t, p, "a membership switched off", off, session.ErrRevoked)

		_ = p.Application(acme.Account, "Till")
		p.SetActive(globex.Account, u, true)
		refuse(t, p, "an Application came back", emptied, session.ErrRevoked)
		refuse(t, p, "the membership came back", off, session.ErrRevoked)
		if n := dbtest.Number(t, p.DB, `SELECT count(*) FROM portal_session WHERE ended_at IS NULL`); n != 0 {
			t.Errorf("%d sessions are open", n)
		}
	})
}

// The last thousand used tokens of a session are remembered, whatever others have.
func TestAThousandUsedTokensAreRemembered(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		_ = p.Company("Acme", alex)
		busy, idle := p.SignIn(alex), p.SignIn(alex)
		here, there := p.Caller(busy).SessionID, p.Caller(idle).SessionID
		dbtest.Do(t, p.DB, func(tx *database.Tx) error {
			for n := range 1010 {
				for name, of := range map[string]session.ID{"here": here, "there": there} {
					if name == "there" && n >= 5 {
						continue
					}
					_, err := tx.Exec(t.Context(), `INSERT INTO portal_session_used (token_hash, session_id, used_at)
						VALUES ($1, $2, $3)`, name+strconv.Itoa(n), of, tx.Now.Add(time.Duration(n)*time.Second))
					if err != nil {
						return err
					}
				}
			}
			return nil
		})
		p.Clock.Advance(time.Hour)
		if _, _, err := refresh(t, p, busy.Refresh.Reveal()); err != nil {
			t.Fatal(err)
		}
		const count = `SELECT count(*) FROM portal_session_used WHERE session_id = $1`
		if a, b := dbtest.Number(t, p.DB, count, here), dbtest.Number(t, p.DB, count, there); a != 1000 || b != 5 {
			t.Errorf("%d and %d", a, b)
		}
		// The one that was just used counts.
		for name, want := range map[string]int{"here10": 0, "here11": 1} {
			const known = `SELECT count(*) FROM portal_session_used WHERE token_hash = $1`
			if n := dbtest.Number(t, p.DB, known, name); n != want {
				t.Errorf("%s is remembered %d times", name, n)
			}
		}
	})
}
