package credential_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/tenant/account"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

// world is an Account with ann.
type world struct {
	*credential.Service

	t   *testing.T
	db  *database.DB
	at  membership.Place
	ann enduser.ID
}

// each runs fn with a world whose passwords are remembered as history says.
func each(t *testing.T, history int, fn func(t *testing.T, w *world, clock *dbtest.Clock)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		box, err := secret.NewBox(make([]byte, secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		limits, err := ratelimit.Parse("off")
		if err != nil {
			t.Fatal(err)
		}
		worker := outbox.NewWorker(outbox.Config{
			DB: db, Box: box, Lanes: []outbox.Lane{{Name: mailqueue.Lane, Parallel: 1}},
		})
		hasher := secret.NewHasher(secret.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 0, 200)
		limiter := ratelimit.New(db, limits)
		w := &world{t: t, db: db, Service: &credential.Service{
			DB: db, Mail: &mailqueue.Queue{Outbox: worker.Queue(mailqueue.Lane), Limits: limiter},
			Passwords: &credential.Passwords{Hasher: hasher, History: history, Breached: secret.Common()},
			Guard:     &credential.Guard{DB: db, Hasher: hasher, Limits: limiter},
		}}
		in := scope.Account{ID: id.New[account.ID](db.Now())}
		w.at = membership.InAccount(in)
		w.ann = dbtest.Write(t, db, func(tx *database.Tx) (enduser.ID, error) {
			if err := account.Create(t.Context(), tx, alex, in.ID, "Acme"); err != nil {
				return enduser.ID{}, err
			}
			d := enduser.Draft{Email: "ann@acme.example", FirstName: "Ann", LastName: "Doe"}
			i, err := enduser.Create(t.Context(), tx, in.ID, d, "")
			return i.ID, err
		})
		_ = eventtest.Take(t, db)
		fn(t, w, clock)
	})
}

func (w *world) set(password string) error {
	return w.SetPassword(w.t.Context(), alex, w.at, w.ann, credential.NewPassword{Password: password})
}

// count counts ann's rows.
func (w *world) count(table, condition string) int {
	w.t.Helper()
	return dbtest.Number(w.t, w.db, `SELECT count(*) FROM `+table+` WHERE `+condition)
}

// TestPasswordsAtOnce: of those who set ann's password at once each does, one after the other:
// one password counts, and each of the others was replaced once.
func TestPasswordsAtOnce(t *testing.T) {
	t.Parallel()
	each(t, 5, func(t *testing.T, w *world, _ *dbtest.Clock) {
		var calls atomic.Int64
		got := dbtest.AtOnce(20, func() string {
			return dbtest.Outcome(w.set(fmt.Sprintf("secret number %d", calls.Add(1))))
		})
		if got["ok"] != 20 {
			t.Errorf("%v", got)
		}
		n := dbtest.Number(t, w.db, `SELECT count(DISTINCT password_hash) FROM (SELECT password_hash FROM identity
			UNION ALL SELECT password_hash FROM identity_password) AS all_of_them`)
		if n != 20 || w.count("identity_password", "1 = 1") != 19 {
			t.Errorf("%d passwords, %d of them replaced", n, w.count("identity_password", "1 = 1"))
		}
		if rows := eventtest.Take(t, w.db); len(rows) != 20 {
			t.Errorf("%d events: %v", len(rows), rows)
		}
	})
}

// TestHistory: the newest replaced passwords are remembered, as many as there may ever be
// wanted; what was remembered is forgotten with the next password where none is to be.
func TestHistory(t *testing.T) {
	t.Parallel()
	each(t, 1, func(t *testing.T, w *world, clock *dbtest.Clock) {
		for i := range 30 {
			if err := w.set(fmt.Sprintf("secret number %d", i)); err != nil {
				t.Fatal(err)
			}
			clock.Advance(time.Hour)
		}
		oldest := clock.Now().Add(-24*time.Hour - 30*time.Minute).UnixMicro()
		if n := w.count("identity_password", "1 = 1"); n != 24 {
			t.Errorf("%d passwords are remembered", n)
		}
		if n := w.count("identity_password", fmt.Sprintf("replaced_at < %d", oldest)); n != 0 {
			t.Errorf("%d of them are older than others that were forgotten", n)
		}
		w.Passwords.History = 0
		if err := w.set("the last secret"); err != nil {
			t.Fatal(err)
		}
		if n := w.count("identity_password", "1 = 1"); n != 0 {
			t.Errorf("%d passwords are remembered for nothing", n)
		}
	})
}

// TestRefusedPasswords leave everything as it is.
func TestRefusedPasswords(t *testing.T) {
	t.Parallel()
	each(t, 5, func(t *testing.T, w *world, _ *dbtest.Clock) {
		for password, want := range map[string]string{
			"password1": "identities.password_breached", "ann@acme.example": "validation", "ANN@ACME.EXAMPLE": "validation",
		} {
			if got := dbtest.Outcome(w.set(password)); got != want {
				t.Errorf("%s: %s, want %s", password, got, want)
			}
		}
		if n := w.count("identity", "password_hash IS NOT NULL"); n != 0 {
			t.Error("a password was set")
		}
		if rows := eventtest.Take(t, w.db); len(rows) != 0 {
			t.Errorf("%v", rows)
		}
	})
}

// TestLinksAtOnce: of fifty who have a link mailed to ann at once all succeed, and one link
// and its mail are left; links for other purposes don't mind. Whoever sets a password meanwhile
// leaves none, or one that was asked for later.
func TestLinksAtOnce(t *testing.T) {
	t.Parallel()
	each(t, 5, func(t *testing.T, w *world, _ *dbtest.Clock) {
		if err := w.ResendVerification(t.Context(), alex, w.at, w.ann); err != nil {
			t.Fatal(err)
		}
		got := dbtest.AtOnce(50, func() string { return dbtest.Outcome(w.RequestReset(t.Context(), alex, w.at, w.ann)) })
		if got["ok"] != 50 {
			t.Errorf("%v", got)
		}
		w.holdLinks(2)
		var calls atomic.Int64
		got = dbtest.AtOnce(20, func() string {
			if n := calls.Add(1); n%2 == 0 {
				return dbtest.Outcome(w.set(fmt.Sprintf("secret number %d", n)))
			}
			return dbtest.Outcome(w.RequestReset(t.Context(), alex, w.at, w.ann))
		})
		if got["ok"] != 20 {
			t.Errorf("%v", got)
		}
		if err := w.set("the last secret"); err != nil {
			t.Fatal(err)
		}
		w.holdLinks(1)
	})
}

// holdLinks holds how many links are live, each with a mail that waits.
func (w *world) holdLinks(want int) {
	w.t.Helper()
	links, mails := w.count("identity_link", "status = 'live'"), w.count("outbox", "state = 'queued'")
	if links != want || mails != want {
		w.t.Errorf("%d links are live and %d mails wait, want %d", links, mails, want)
	}
}

// TestFiftyVouch: an address is proven once, whoever vouches for it.
func TestFiftyVouch(t *testing.T) {
	t.Parallel()
	each(t, 5, func(t *testing.T, w *world, _ *dbtest.Clock) {
		got := dbtest.AtOnce(50, func() string { return dbtest.Outcome(w.VerifyEmail(t.Context(), alex, w.at, w.ann)) })
		if rows := eventtest.Take(t, w.db); got["ok"] != 50 || len(rows) != 1 {
			t.Errorf("%v, %d events", got, len(rows))
		}
		late := dbtest.Outcome(w.ResendVerification(t.Context(), alex, w.at, w.ann))
		if late != "identities.already_verified" {
			t.Error(late)
		}
	})
}

// TestSweep: links are remembered for a week after their time, whether they were used or not.
func TestSweep(t *testing.T) {
	t.Parallel()
	each(t, 5, func(t *testing.T, w *world, clock *dbtest.Clock) {
		for _, send := range []func() error{
			func() error { return w.RequestReset(t.Context(), alex, w.at, w.ann) }, // lives for an hour
			func() error { return w.RequestReset(t.Context(), alex, w.at, w.ann) },
			func() error { return w.ResendVerification(t.Context(), alex, w.at, w.ann) }, // for a day
		} {
			if err := send(); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			later time.Duration
			want  int
		}{{7*24*time.Hour + 59*time.Minute, 3}, {2 * time.Minute, 1}, {23 * time.Hour, 0}} {
			clock.Advance(c.later)
			if err := w.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := w.count("identity_link", "1 = 1"); n != c.want {
				t.Errorf("after %s more %d links are remembered, want %d", c.later, n, c.want)
			}
		}
	})
}
