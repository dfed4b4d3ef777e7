package mailqueue_test

import (
	"context"
	"net/url"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
)

// outgoing is a queue whose worker sends through a mail server.
type outgoing struct {
	*mailqueue.Queue
	worker *outbox.Worker
	ended  chan outbox.Result
}

func newOutgoing(t *testing.T, db *database.DB, c mail.SMTPConfig) outgoing {
	t.Helper()
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	renderer, err := mail.NewRenderer(&url.URL{Scheme: "https", Host: "canopy.test"}, "no-reply@canopy.test")
	if err != nil {
		t.Fatal(err)
	}
	p := outgoing{ended: make(chan outbox.Result, 10)}
	h := mailqueue.Handler{
		Renderer: renderer, Sender: mail.NewSender(c), Pace: &mailqueue.Pace{},
		Delivered: func(_ context.Context, _ *database.Tx, _ id.ID, _ string, r outbox.Result) error {
			p.ended <- r
			return nil
		},
	}
	p.worker = outbox.NewWorker(outbox.Config{DB: db, Box: box, Lanes: []outbox.Lane{{
		Name: mailqueue.Lane, Parallel: 2, Longest: mail.Longest,
		Handlers: map[string]outbox.Handler{string(mail.PasswordChanged): h},
	}}})
	p.Queue = &mailqueue.Queue{Outbox: p.worker.Queue(mailqueue.Lane)}
	return p
}

func (p outgoing) add(t *testing.T, db *database.DB) {
	t.Helper()
	err := database.Do(t.Context(), db, func(tx *database.Tx) error {
		d := mail.Data{Kind: mail.PasswordChanged, To: "dana@acme.example", FirstName: "Dana", At: tx.Now}
		return p.Add(t.Context(), tx, d, id.New[id.ID](tx.Now), "1")
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A server that says after 11 s that it has the mail gets it once, and the mail is sent.
func TestSlowDotIsOneCopyAndSent(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		server := mailtest.New(t)
		server.SlowDot(11 * time.Second)
		p := newOutgoing(t, db, server.Config())
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.worker.Run(ctx) })
		p.add(t, db)
		select {
		case r := <-p.ended:
			if r != outbox.Sent {
				t.Errorf("ended as %s", r)
			}
		case <-time.After(40 * time.Second):
			t.Error("not settled")
		}
		stop()
		running.Wait()
		if n := len(server.Messages()); n != 1 {
			t.Errorf("%d copies", n)
		}
	})
}

// Whoever stops the process does not wait for the minutes that a server may take.
func TestStopDoesNotWaitForAMuteServer(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	server := mailtest.New(t)
	server.Slow(time.Hour)
	p := newOutgoing(t, db, server.Config())
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.worker.Run(ctx) })
	p.add(t, db)
	for server.Connections() == 0 {
		time.Sleep(time.Millisecond)
	}
	start := time.Now()
	stop()
	running.Wait()
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	// The mail waits for the next process.
	if queued, _, err := outbox.Depth(t.Context(), db); err != nil || queued != 1 {
		t.Errorf("%d mails are queued, %v", queued, err)
	}
}
