package webhook

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbound"
)

// lane is the sending to one subscription, whose turn this process has. It belongs to one
// goroutine; the requests have their own.
type lane struct {
	*Sender
	due delivery.Due

	sub   delivery.Subscription
	keys  secrets
	ready []letter
	read  time.Time // when sub and ready were

	busy    map[delivery.ID]bool // in flight, or not settled yet
	flying  int
	own     bool // the slot that is not shared is in use
	results chan result
	ended   []result
	lost    bool // another process has the turn

	attempts int
	dropped  bool
}

// result is what came of a request, and which slot it had.
type result struct {
	delivery.Result
	shared bool
	cut    bool // by this process: it is no attempt, and comes back
}

const (
	contentType = "application/json"
	userAgent   = "Canopy-Webhooks/1"
)

// run sends until nothing is due, ctx ends or the turn is lost. Requests end with working.
func (l *lane) run(ctx, working context.Context) error {
	mine, err := l.take(ctx, l.due)
	if err != nil || !mine {
		return err
	}
	l.busy, l.results = map[delivery.ID]bool{}, make(chan result, inFlight)
	flight, land := context.WithCancel(working)
	defer land()
	renewing := time.NewTicker(renew)
	defer renewing.Stop()
	for {
		if err = l.start(ctx, flight); err != nil || l.flying == 0 {
			break
		}
		select {
		case r := <-l.results:
			l.land(r)
		case <-renewing.C:
			if mine, err := l.take(working, l.due); err == nil && !mine {
				l.lost = true
				land() // whoever has the turn now sends it again
			}
			continue
		}
		for more := true; more; {
			select {
			case r := <-l.results:
				l.land(r)
			default:
				more = false
			}
		}
		// The slots that are free now are used while what has ended is written.
		if err = l.start(ctx, flight); err == nil {
			err = l.settle(working)
		}
		if err != nil {
			break
		}
	}
	land()
	for l.flying > 0 {
		l.land(<-l.results)
	}
	err = errors.Join(ignored(err), l.settle(working))
	if l.lost {
		return err
	}
	return errors.Join(err, l.give(working, l.due))
}

// ignored is nil for a subscription that is gone: there is nothing to send to it.
func ignored(err error) error {
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

func (l *lane) land(r result) {
	l.flying--
	if r.shared {
		<-l.slots
	} else {
		l.own = false
	}
	l.ended = append(l.ended, r)
}

// start sends what is due, as far as there are slots.
func (l *lane) start(ctx, flight context.Context) error {
	for l.flying < inFlight && !l.lost && ctx.Err() == nil {
		if len(l.ready) == 0 || l.DB.Now().Sub(l.read) > fresh {
			if err := l.fetch(ctx); err != nil {
				return err
			}
		}
		if len(l.ready) == 0 || !l.slot() {
			return nil
		}
		next := l.ready[0]
		shared := l.own
		l.own = true
		l.ready = l.ready[1:]
		l.busy[next.ID] = true
		l.flying++
		l.attempts++
		sub, keys := l.sub, l.keys
		go func() {
			// After a panic it has failed, without an answer.
			r := result{Result: delivery.Result{Of: next.Delivery, Status: delivery.Failed}}
			r.Try.At = l.DB.Now()
			task.Try(flight, l.Log, "webhook request", func() { r = l.send(flight, sub, keys, next) })
			r.shared = shared
			l.results <- r
		}()
	}
	return nil
}

// slot gets a slot for one more request, if there is one.
func (l *lane) slot() bool {
	if !l.own {
		return true
	}
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

// fetch reads the subscription, and what is due to it and not under way.
func (l *lane) fetch(ctx context.Context) error {
	l.ready = nil
	gone, stale := false, false
	err := database.View(ctx, l.DB, func(tx *database.Tx) error {
		sub, list, err := delivery.First(ctx, tx, l.due, fetched+len(l.busy))
		if gone = errors.Is(err, database.ErrNoRows); err != nil {
			return err
		}
		var waiting []delivery.Delivery
		for _, d := range list {
			switch {
			case l.busy[d.ID]:
			case d.Body == "" && (!sub.Active || !sub.Wants(d.Type)):
				stale = true // queued while the subscription was changed
			default:
				waiting = append(waiting, d)
			}
		}
		l.sub, l.read = sub, tx.Now
		l.ready, err = write(ctx, tx, waiting)
		return err
	})
	if gone {
		return errors.Join(errGone, l.drop(ctx))
	}
	if err == nil && stale {
		err = l.tidy(ctx)
	}
	if err != nil {
		return err
	}
	l.keys, err = openSecrets(l.Box, &l.sub)
	return err
}

// drop drops what is queued for a subscription that is gone.
func (l *lane) drop(ctx context.Context) error {
	l.dropped = true
	for left := true; left; {
		var err error
		left, err = database.Write(ctx, l.DB, func(tx *database.Tx) (bool, error) {
			return delivery.DropAll(ctx, tx, l.due.Account, l.due.Webhook)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tidy ends what a subscription that was switched off does not get, and drops what it does not
// want. Tests are sent all the same.
func (l *lane) tidy(ctx context.Context) error {
	return database.Do(ctx, l.DB, func(tx *database.Tx) error {
		if !l.sub.Active {
			return delivery.EndPending(ctx, tx, l.sub, delivery.ButTests)
		}
		return delivery.DropUnwanted(ctx, tx, l.sub, testType)
	})
}

// send makes one attempt.
func (l *lane) send(ctx context.Context, sub delivery.Subscription, keys secrets, next letter) (r result) {
	at := l.DB.Now()
	r.Result = delivery.Result{Of: next.Delivery, Status: delivery.Failed, Try: delivery.Try{At: at}}
	if next.body == nil {
		gone := "the event is no longer kept"
		r.Try.ResponseBody = &gone
		return r
	}
	event := next.Event.String()
	header := http.Header{
		"Content-Type": {contentType}, "User-Agent": {userAgent}, "Webhook-Id": {event},
		"Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signature(keys.signing(sub.Until, at), event, at, next.body)},
	}
	if next.revision != 0 {
		header.Set("Canopy-Revision", strconv.FormatUint(next.revision, 10))
	}
	a := l.Out.Post(ctx, sub.URL, header, next.body)
	if ctx.Err() != nil && a.Status == 0 {
		r.cut = true
		return r
	}
	r.Try.Took = a.Took
	keep(&r.Try, a)
	r.Status, r.NextAt = l.judge(next.Attempts+1, a, at.Add(a.Took))
	return r
}

// keep keeps what was answered.
func keep(t *delivery.Try, a outbound.Answer) {
	if a.Failure != "" {
		failure := string(a.Failure)
		t.Failure = &failure
		if a.Failure == outbound.Refused {
			refused := "address refused"
			t.ResponseBody = &refused
		}
		return
	}
	body := strings.ToValidUTF8(string(a.Body[:min(len(a.Body), keptBody)]), "\uFFFD")
	// PostgreSQL holds no NUL. What stands for something takes more room than it did.
	body = strings.ReplaceAll(body, "\x00", "\uFFFD")
	body = strings.ToValidUTF8(body[:min(len(body), keptBody)], "")
	t.ResponseStatus, t.ResponseBody = &a.Status, &body
}

// keptBody is how many bytes of an answer are kept.
const keptBody = 4 << 10
