// Package mailqueue brings mails from a transaction to the mail server: it queues
// them in the outbox, sealed, together with the change that causes them, and
// hands them over afterwards. It knows no table. The rooms that ask for mails
// say, just before one is sent, whether it is still wanted.
//
//	transaction ──Queue──► outbox ──Wanted?──► Send ──► Settled
//	                                  └─ no ──► dropped, link wiped
package mailqueue

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Lane is the lane of the outbox that mail goes through.
const Lane = "mail"

// Queue takes mails into transactions. It is safe for concurrent use.
type Queue struct {
	Outbox outbox.Queue // into Lane
	Limits *ratelimit.Limiter
}

// Count counts one mail of an Account against the daily limit of its recipient there;
// fault.RateLimited when it is used up.
func (q *Queue) Count(ctx context.Context, tx *database.Tx, from scope.AccountID, to string) error {
	return q.Limits.Count(ctx, tx, ratelimit.MailRecipient, from.String()+" "+to)
}

// Spare counts one mail that anybody may have asked for against its limit, MailSignUp or
// MailRecover; false when that is used up. Such a call is answered as always, and the
// mail alone is not sent: strangers fill these counters.
func (q *Queue) Spare(ctx context.Context, tx *database.Tx, limit ratelimit.Name, to string) (bool, error) {
	err := q.Limits.Count(ctx, tx, limit, to)
	if errors.Is(err, fault.RateLimited) {
		return false, nil
	}
	return err == nil, err
}

// mostWaiting is how many mails may wait before strangers add none.
const mostWaiting = 10_000

// Room is server.busy while too many mails wait, as they do when the mail server is slow:
// what strangers ask for waits for it before it becomes a mail.
func (q *Queue) Room(ctx context.Context, tx *database.Tx) error {
	bounded := q.Outbox
	bounded.Most = mostWaiting
	return bounded.Room(ctx, tx)
}

// Add queues a mail about a subject; the commit sends it on its way. version
// tells the subject's current link from earlier ones; Wanted gets it back.
func (q *Queue) Add(ctx context.Context, tx *database.Tx, d mail.Data, subject id.ID, version string) error {
	payload, err := json.Marshal(d)
	if err != nil {
		return err
	}
	j := outbox.Job{Kind: string(d.Kind), SubjectID: subject, Version: version, Payload: payload}
	return q.Outbox.Enqueue(ctx, tx, j)
}

// nobody is the recipient of mails to nobody: no address of the world (RFC 6761).
const nobody = "nobody@nobody.invalid"

// AddNobody is Add for an address that gets no mail, where nobody shall learn that from
// the time other work takes: the job lies in the same line and costs the same writes,
// and is rendered, and handed to no mail server. d tells what else the mail would hold;
// its recipient is taken off.
func (q *Queue) AddNobody(ctx context.Context, tx *database.Tx, d mail.Data, subject id.ID, version string) error {
	d.To = nobody
	return q.Add(ctx, tx, d, subject, version)
}

// Nobody stands for an address as the subject of mails that go to nobody. It is the same
// each time, and that of no thing.
func Nobody(address string) (subject id.ID) {
	copy(subject[:], secret.Hash("nobody:"+address))
	return subject
}

// Drop takes a subject's queued mails of one kind back and wipes their links.
func (*Queue) Drop(ctx context.Context, tx *database.Tx, kind mail.Kind, subject id.ID) error {
	return outbox.Drop(ctx, tx, string(kind), subject)
}

// Sender hands one mail over: mail.Sender, or the catcher of canopy dev.
type Sender interface {
	Send(ctx context.Context, m mail.Message) error
}

// Pace is how long the mail server took for the last mail. A mail to nobody takes as long. It is safe for
// concurrent use; the zero value takes no time.
type Pace struct{ last atomic.Int64 }

// note keeps how long a mail took that began then.
func (p *Pace) note(began time.Time) { p.last.Store(int64(time.Since(began))) }

// idle takes that long, or until ctx ends.
func (p *Pace) idle(ctx context.Context) error {
	timer := time.NewTimer(time.Duration(p.last.Load()))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Handler sends the mails of one kind; it is an outbox.Handler.
type Handler struct {
	Renderer *mail.Renderer
	Sender   Sender
	Pace     *Pace // of all kinds together
	// Still says whether the subject still wants the mail of that version; nil
	// means always.
	Still func(ctx context.Context, tx *database.Tx, subject id.ID, version string) (bool, error)
	// Delivered tells the subject how the mail of that version ended; may be nil.
	Delivered func(ctx context.Context, tx *database.Tx, subject id.ID, version string, r outbox.Result) error
}

// Wanted implements outbox.Handler.
func (h Handler) Wanted(ctx context.Context, tx *database.Tx, j outbox.Job) (bool, error) {
	if h.Still == nil {
		return true, nil
	}
	return h.Still(ctx, tx, j.SubjectID, j.Version)
}

// Deliver implements outbox.Handler. The Message-ID is that of the job, so that
// a mail sent twice after a crash shows as one.
func (h Handler) Deliver(ctx context.Context, j outbox.Job) error {
	var d mail.Data
	if err := json.Unmarshal(j.Payload, &d); err != nil {
		return outbox.Permanently(err)
	}
	m, err := h.Renderer.Render(d, strings.ToLower(j.ID.String()))
	if err != nil {
		return outbox.Permanently(err)
	}
	if d.To == nobody {
		return h.Pace.idle(ctx)
	}
	defer h.Pace.note(time.Now())
	if err := h.Sender.Send(ctx, m); mail.IsPermanent(err) {
		return outbox.Permanently(err)
	} else if err != nil {
		return err
	}
	return nil
}

// Settled implements outbox.Handler.
func (h Handler) Settled(ctx context.Context, tx *database.Tx, j outbox.Job, r outbox.Result) error {
	if h.Delivered == nil {
		return nil
	}
	return h.Delivered(ctx, tx, j.SubjectID, j.Version, r)
}
