package webhook

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbound"
)

const (
	// longestPause is that which a receiver may ask for.
	longestPause = 24 * time.Hour
	// failingFor and failingTimes are how long, and how often, nothing was received of a
	// subscription that is switched off.
	failingFor, failingTimes = 5 * 24 * time.Hour, 10
	// noted is how exact the last success is.
	noted = time.Minute
)

// judge says what follows from the n-th attempt, which has ended now.
func (l *lane) judge(n int, a outbound.Answer, now time.Time) (status delivery.Status, next time.Time) {
	switch {
	case a.Failure == "" && a.Status >= 200 && a.Status <= 299:
		return delivery.Success, next
	case a.Status == http.StatusGone || n > len(pauses):
		return delivery.Failed, next
	}
	pause := pauses[n-1]
	// Up to a tenth more or less, so that what failed together doesn't come back together.
	pause += rand.N(pause/5+1) - pause/10 //nolint:gosec // it spreads, it hides nothing
	if a.Status == http.StatusTooManyRequests || a.Status == http.StatusServiceUnavailable {
		pause = max(pause, min(asked(a.RetryAfter, now), longestPause))
	}
	return delivery.Pending, now.Add(pause)
}

// asked is the pause of a Retry-After: seconds, or an instant (RFC 9110, section 10.2.3).
func asked(header string, now time.Time) time.Duration {
	header = strings.TrimSpace(header)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(longestPause/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(header); err == nil {
		return at.Sub(now)
	}
	return 0
}

// settle writes what has ended.
func (l *lane) settle(ctx context.Context) error {
	all := make([]delivery.Result, 0, len(l.ended))
	for _, r := range l.ended {
		if !r.cut {
			all = append(all, r.Result)
		}
	}
	if len(all) > 0 {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
		defer cancel()
		if err := database.Do(ctx, l.DB, func(tx *database.Tx) error { return l.write(ctx, tx, all) }); err != nil {
			return err
		}
	}
	for _, r := range l.ended {
		delete(l.busy, r.Of.ID)
	}
	l.ended = l.ended[:0]
	return nil
}

// write writes results, and what follows from them for the subscription.
func (l *lane) write(ctx context.Context, tx *database.Tx, all []delivery.Result) error {
	wanted, err := delivery.Settle(ctx, tx, l.due.Account, all)
	if err != nil {
		return err
	}
	var received, gone bool
	for _, r := range wanted {
		received = received || r.Status == delivery.Success
		gone = gone || r.Try.ResponseStatus != nil && *r.Try.ResponseStatus == http.StatusGone
	}
	if received && (l.sub.Failures > 0 || tx.Now.Sub(l.sub.QuietSince) > noted) {
		if err := delivery.Succeeded(ctx, tx, l.due.Account, l.due.Webhook); err != nil {
			return err
		}
		l.sub.Failures, l.sub.QuietSince = 0, tx.Now
	}
	if gone {
		return l.switchOff(ctx, tx, Gone)
	}
	return l.count(ctx, tx, wanted, received)
}

// count counts deliveries that have failed for good.
func (l *lane) count(ctx context.Context, tx *database.Tx, wanted []delivery.Result, received bool) error {
	for _, r := range wanted {
		if r.Status != delivery.Failed {
			continue
		}
		err := event.Record(ctx, tx, DeliveryFailed, entry(principal.System(), &l.sub), FailedPayload{
			r.Of.ID, r.Of.Type, r.Of.Attempts + 1,
		})
		if err != nil {
			return err
		}
		failures, err := delivery.FailedOnce(ctx, tx, l.due.Account, l.due.Webhook)
		if err != nil {
			return err
		}
		l.sub.Failures = failures
		if failures >= failingTimes && !received && tx.Now.Sub(l.sub.QuietSince) >= failingFor {
			return l.switchOff(ctx, tx, Failing)
		}
	}
	return nil
}

// switchOff switches the subscription off, if it still is as it was, and ends what is queued.
func (l *lane) switchOff(ctx context.Context, tx *database.Tx, why Reason) error {
	sub, err := delivery.Lock(ctx, tx, l.sub.Place, l.sub.ID)
	if errors.Is(err, database.ErrNoRows) {
		return nil
	}
	if err != nil || !sub.Active {
		return err
	}
	if why == Gone && sub.URL != l.sub.URL {
		return nil // another receiver has said so
	}
	sub.Active = false
	sub.Failures = max(sub.Failures, 1) // nobody has switched it off by hand
	if err := delivery.Save(ctx, tx, sub); err != nil {
		return err
	}
	if err := delivery.EndPending(ctx, tx, sub, delivery.AndTests); err != nil {
		return err
	}
	if err := event.Record(ctx, tx, Disabled, entry(principal.System(), &sub), DisabledPayload{why}); err != nil {
		return err
	}
	if why == Failing && l.SwitchedOff != nil {
		return l.SwitchedOff(ctx, tx, sub)
	}
	return nil
}
