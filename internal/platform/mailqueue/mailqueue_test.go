package mailqueue_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// post is a queue, its worker, and a mail server that says what the test wants.
type post struct {
	*mailqueue.Queue
	db     *database.DB
	worker *outbox.Worker
	t      *testing.T

	sent    []mail.Message
	answer  error             // of the mail server
	wanted  bool              // is what the subject says
	asked   []string          // subject and version, as the subject was asked
	settled map[string]string // results by version
}

// Send implements mailqueue.Sender.
func (p *post) Send(_ context.Context, m mail.Message) error {
	p.sent = append(p.sent, m)
	return p.answer
}

func each(t *testing.T, fn func(t *testing.T, p *post)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		box, err := secret.NewBox(make([]byte, secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		renderer, err := mail.NewRenderer(&url.URL{Scheme: "https", Host: "canopy.test"}, "no-reply@canopy.test")
		if err != nil {
			t.Fatal(err)
		}
		p := &post{db: db, t: t, wanted: true, settled: map[string]string{}}
		h := mailqueue.Handler{
			Renderer: renderer, Sender: p, Pace: &mailqueue.Pace{},
			Still: func(_ context.Context, _ *database.Tx, subject id.ID, version string) (bool, error) {
				p.asked = append(p.asked, subject.String()+" "+version)
				return p.wanted, nil
			},
			Delivered: func(_ context.Context, _ *database.Tx, _ id.ID, version string, r outbox.Result) error {
				p.settled[version] = string(r)
				return nil
			},
		}
		plain := mailqueue.Handler{Renderer: renderer, Sender: p, Pace: h.Pace}
		lane := outbox.Lane{
			Name: mailqueue.Lane, Parallel: 1,
			Handlers: map[string]outbox.Handler{string(mail.PasswordReset): h, string(mail.AlreadyRegistered): plain},
		}
		p.worker = outbox.NewWorker(outbox.Config{
			DB: db, Box: box, Log: slog.New(slog.DiscardHandler), Lanes: []outbox.Lane{lane},
		})
		p.Queue = &mailqueue.Queue{
			Outbox: p.worker.Queue(mailqueue.Lane), Limits: ratelimit.New(db, ratelimit.Defaults()),
		}
		fn(t, p)
	})
}

var dana = id.ID{7}

// add queues a mail with a link of that version.
func (p *post) add(kind mail.Kind, version string) {
	p.t.Helper()
	dbtest.Do(p.t, p.db, func(tx *database.Tx) error {
		d := mail.Data{
			Kind: kind, To: "dana@acme.com", FirstName: "Dana", Token: strings.Repeat(version, 43),
			ExpiresAt: tx.Now.Add(1e12),
		}
		return p.Add(p.t.Context(), tx, d, dana, version)
	})
}

// run works the one job off that is due.
func (p *post) run() {
	p.t.Helper()
	if n, err := p.worker.RunDue(p.t.Context()); n != 1 || err != nil {
		p.t.Errorf("%d attempts, %v", n, err)
	}
}

// jobs are the states of all jobs, with a star where the payload is still there.
func (p *post) jobs() string {
	p.t.Helper()
	list := dbtest.Write(p.t, p.db, func(tx *database.Tx) ([]string, error) {
		return database.All(p.t.Context(), tx, func(row database.Scanner) (state string, err error) {
			return state, row.Scan(&state)
		}, `SELECT state || CASE WHEN payload IS NULL THEN '' ELSE '*' END FROM outbox ORDER BY created_at, id`)
	})
	return strings.Join(list, " ")
}

func TestMailGoesItsWay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		p.add(mail.PasswordReset, "a")
		raw := dbtest.Write(t, p.db, func(tx *database.Tx) (raw []byte, err error) {
			return raw, tx.QueryRow(t.Context(), `SELECT payload FROM outbox WHERE lane = 'mail'`).Scan(&raw)
		})
		if strings.Contains(string(raw), "dana@acme.com") || strings.Contains(string(raw), "aaa") || len(raw) == 0 {
			t.Errorf("a mail lies open: %q", raw)
		}
		p.run()
		if len(p.sent) != 1 || p.sent[0].To != "dana@acme.com" ||
			!strings.Contains(p.sent[0].Text, strings.Repeat("a", 43)) {
			t.Fatalf("%+v", p.sent)
		}
		job := dbtest.Write(t, p.db, func(tx *database.Tx) (job string, err error) {
			return job, tx.QueryRow(t.Context(), `SELECT id FROM outbox`).Scan(&job)
		})
		if !strings.HasPrefix(p.sent[0].MessageID, job+"@") {
			t.Errorf("the Message-ID %s is not the job's, %s", p.sent[0].MessageID, job)
		}
		if diff := cmp.Diff([]string{dana.String() + " a"}, p.asked); diff != "" || p.settled["a"] != "sent" {
			t.Errorf("%v\n%s", p.settled, diff)
		}
		if got := p.jobs(); got != "done" {
			t.Error(got)
		}
		p.add(mail.AlreadyRegistered, "b") // asks and tells nobody
		p.run()
		if len(p.sent) != 2 || len(p.asked) != 1 || p.settled["b"] != "" || p.jobs() != "done done" {
			t.Errorf("%d sent, %v, %v, %s", len(p.sent), p.asked, p.settled, p.jobs())
		}
	})
}

func TestUnwantedMailIsDroppedAndWiped(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		p.wanted = false
		p.add(mail.PasswordReset, "a")
		if got := p.jobs(); got != "queued*" {
			t.Error(got)
		}
		p.run()
		if len(p.sent) != 0 || p.jobs() != "dropped" || len(p.settled) != 0 {
			t.Errorf("%d sent, %s, %v", len(p.sent), p.jobs(), p.settled)
		}
	})
}

func TestDropTakesOneKindOfOneSubjectBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		for _, kind := range []mail.Kind{mail.PasswordReset, mail.AlreadyRegistered, mail.PasswordReset} {
			p.add(kind, "a")
		}
		drop := func(kind mail.Kind, subject id.ID) {
			t.Helper()
			dbtest.Do(t, p.db, func(tx *database.Tx) error { return p.Drop(t.Context(), tx, kind, subject) })
		}
		drop(mail.PasswordReset, id.ID{8})
		drop(mail.VerifyEmail, dana)
		if got := p.jobs(); got != "queued* queued* queued*" {
			t.Error(got)
		}
		drop(mail.PasswordReset, dana)
		if got := p.jobs(); got != "dropped queued* dropped" {
			t.Error(got)
		}
		p.run()
		if len(p.sent) != 1 {
			t.Errorf("%d sent", len(p.sent))
		}
	})
}

func TestRefusedMail(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		p.answer = errors.New("the server is away")
		p.add(mail.PasswordReset, "a")
		p.run()
		if got := p.jobs(); got != "queued*" || len(p.settled) != 0 {
			t.Errorf("to be tried again: %s, %v", got, p.settled)
		}
		dbtest.Exec(t, p.db, `DELETE FROM outbox`)
		// What can't be made into a mail will never be one.
		dbtest.Do(t, p.db, func(tx *database.Tx) error {
			d := mail.Data{Kind: mail.PasswordReset, To: "no address"}
			return p.Add(t.Context(), tx, d, dana, "b")
		})
		sent := len(p.sent)
		p.run()
		if got := p.jobs(); got != "dead" || p.settled["b"] != "failed" || len(p.sent) != sent {
			t.Errorf("%s, %v", got, p.settled)
		}
	})
}

func TestNothingIsQueuedByATransactionThatFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		err := database.Do(t.Context(), p.db, func(tx *database.Tx) error {
			if err := p.Add(t.Context(), tx, mail.Data{Kind: mail.PasswordReset}, dana, "a"); err != nil {
				return err
			}
			return fault.Busy
		})
		if !errors.Is(err, fault.Busy) || p.jobs() != "" {
			t.Errorf("%v, %s", err, p.jobs())
		}
	})
}

func TestCountIsADaysForOneAddressAndAccount(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		acme, globex := id.New[scope.AccountID](p.db.Now()), id.New[scope.AccountID](p.db.Now())
		count := func(from scope.AccountID, to string) error {
			return database.Do(t.Context(), p.db, func(tx *database.Tx) error { return p.Count(t.Context(), tx, from, to) })
		}
		for n := range 10 {
			if err := count(acme, "dana@acme.com"); err != nil {
				t.Fatalf("mail %d: %v", n, err)
			}
		}
		if err := count(acme, "dana@acme.com"); !errors.Is(err, fault.RateLimited) {
			t.Error(err)
		}
		for from, to := range map[scope.AccountID]string{acme: "kim@acme.com", globex: "dana@acme.com"} {
			if err := count(from, to); err != nil {
				t.Error(err)
			}
		}
	})
}

// Strangers fill these two: they refuse nothing, and are no part of each other's or of an
// Account's.
func TestMailsThatAnybodyAsksForAreCountedApart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		spare := func(limit ratelimit.Name, to string) bool {
			return dbtest.Write(t, p.db, func(tx *database.Tx) (bool, error) { return p.Spare(t.Context(), tx, limit, to) })
		}
		for _, limit := range []ratelimit.Name{ratelimit.MailSignUp, ratelimit.MailRecover} {
			for n := range 10 {
				if !spare(limit, "dana@acme.com") {
					t.Fatalf("%s: no mail %d", limit, n)
				}
			}
			if spare(limit, "dana@acme.com") || !spare(limit, "kim@acme.com") {
				t.Errorf("%s: not ten of each address", limit)
			}
		}
		dbtest.Do(t, p.db, func(tx *database.Tx) error {
			return p.Count(t.Context(), tx, id.New[scope.AccountID](tx.Now), "dana@acme.com")
		})
		err := database.Do(t.Context(), p.db, func(tx *database.Tx) error {
			if _, err := tx.Exec(t.Context(), `DROP TABLE rate_count`); err != nil {
				return err
			}
			_, err := p.Spare(t.Context(), tx, ratelimit.MailSignUp, "dana@acme.com")
			return err
		})
		if err == nil {
			t.Error("a store that can't count lets the mail go")
		}
	})
}
