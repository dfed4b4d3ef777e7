package mailqueue_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
)

func TestMailToNobodyIsNotSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		subject := mailqueue.Nobody("dana@acme.com")
		if subject != mailqueue.Nobody("dana@acme.com") || subject == mailqueue.Nobody("kim@acme.com") || subject.IsZero() {
			t.Error("it is not that of the address")
		}
		for range 2 {
			dbtest.Do(t, p.db, func(tx *database.Tx) error {
				if err := p.Drop(t.Context(), tx, mail.PasswordReset, subject); err != nil {
					return err
				}
				d := mail.Data{
					Kind: mail.PasswordReset, To: "dana@acme.com", Token: strings.Repeat("a", 43), ExpiresAt: tx.Now.Add(1e12),
				}
				return p.AddNobody(t.Context(), tx, d, subject, "a")
			})
		}
		p.run()
		if got := p.jobs(); got != "dropped done" && got != "done dropped" || len(p.sent) != 0 {
			t.Errorf("%s, %v", got, p.sent)
		}
	})
}

// lingering is a mail server that takes its time.
type lingering time.Duration

func (l lingering) Send(context.Context, mail.Message) error {
	time.Sleep(time.Duration(l))
	return nil
}

// A mail to nobody takes as long as the last one to somebody, and ends with its call.
func TestMailToNobodyTakesAsLong(t *testing.T) {
	t.Parallel()
	renderer, err := mail.NewRenderer(&url.URL{Scheme: "https", Host: "canopy.test"}, "no-reply@canopy.test")
	if err != nil {
		t.Fatal(err)
	}
	job := func(to string) outbox.Job {
		raw, err := json.Marshal(mail.Data{Kind: mail.PasswordChanged, To: to, At: time.Unix(1, 0)})
		if err != nil {
			t.Fatal(err)
		}
		return outbox.Job{ID: id.ID{1}, Kind: string(mail.PasswordChanged), Payload: raw}
	}
	synctest.Test(t, func(t *testing.T) {
		h := mailqueue.Handler{Renderer: renderer, Sender: lingering(3 * time.Second), Pace: &mailqueue.Pace{}}
		took := func(to string) time.Duration {
			began := time.Now()
			if err := h.Deliver(t.Context(), job(to)); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		const nobody = "nobody@nobody.invalid"
		if d := took(nobody); d != 0 {
			t.Errorf("before any other it takes %v", d)
		}
		if somebody, nobody := took("dana@acme.com"), took(nobody); somebody != 3*time.Second || nobody != somebody {
			t.Errorf("it takes %v, and one to somebody %v", nobody, somebody)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := h.Deliver(ctx, job(nobody)); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// While ten thousand mails wait, strangers add none.
func TestRoom(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, p *post) {
		p.add(mail.PasswordReset, "a")
		room := func() error {
			return database.Do(t.Context(), p.db, func(tx *database.Tx) error { return p.Room(t.Context(), tx) })
		}
		more := func(n int) {
			dbtest.Exec(t, p.db, `INSERT INTO outbox
				(id, lane, kind, subject_id, version, state, attempts, next_at, give_up_at, last_error, created_at)
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
				SELECT CAST(i + $1 AS TEXT), lane, kind, subject_id, version, state, attempts, next_at, give_up_at, last_error,
					created_at FROM outbox, n WHERE payload IS NOT NULL`, n)
		}
		more(9998)
		if err := room(); err != nil {
			t.Error(err)
		}
		more(1)
		if err := room(); !errors.Is(err, fault.Busy) {
			t.Error(err)
		}
	})
}
