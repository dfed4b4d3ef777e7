package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// lease is how long a claimed job is one worker's, who renews it each quarter of
	// that while it delivers. settleFor is the time for writing a renewal, or the
	// end; the lease outlasts it.
	lease     = 60 * time.Second
	settleFor = 15 * time.Second
	// deliverFor is the time for a delivery where the lane says nothing.
	deliverFor = 45 * time.Second
	// maxAttempts is more than a day of pauses holds. Only a job that ends its
	// worker each time gets there.
	maxAttempts = 40
)

// work brings a claimed job one step on. Its error is the store's: the job comes
// back when its lease ends.
func (l *lane) work(ctx context.Context, j Job) error {
	h := l.Handlers[j.Kind]
	if j.Attempts > maxAttempts {
		return l.settle(ctx, j, h, errors.New("given up after too many attempts that did not end"))
	}
	var err error
	if j.Payload, err = l.box.Open(j.Payload, sealContext(j.ID)); err != nil {
		return l.fail(ctx, j, h, err)
	}
	wanted, err := database.Read(ctx, l.db, func(tx *database.Tx) (wanted bool, err error) {
		defer caught(&err)
		return h.Wanted(ctx, tx, j)
	})
	switch {
	case err != nil:
		return l.fail(ctx, j, h, err)
	case !wanted:
		return l.end(ctx, j, "dropped", nil, nil)
	}
	switch err := l.deliver(ctx, h, j); {
	case errors.Is(err, errLost):
		return nil // whoever has the job now, or dropped it, ends it
	case err != nil:
		return l.fail(ctx, j, h, err)
	}
	if err := l.settle(ctx, j, h, nil); err != nil {
		// Delivered, but not noted. What can't be noted is not sent over and over
		// at the pace of the lease.
		return errors.Join(err, l.postpone(ctx, j, err))
	}
	return nil
}

// deliver hands the job to its handler, and keeps it leased meanwhile. errLost says
// that it was ended since the job is no longer this worker's.
func (l *lane) deliver(ctx context.Context, h Handler, j Job) (err error) {
	ctx, lose := context.WithCancelCause(ctx)
	defer lose(nil)
	limited, cancel := context.WithTimeout(ctx, l.Longest)
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		task.Try(ctx, l.log, "outbox lease", func() { l.keep(limited, j, lose) })
	}()
	defer func() {
		cancel()
		<-kept
		if err != nil && errors.Is(context.Cause(ctx), errLost) {
			err = errLost
		}
	}()
	defer caught(&err)
	return h.Deliver(limited, j)
}

var errLost = errors.New("outbox: the job is no longer this worker's")

// keep renews the lease until ctx ends, and calls lose when there is none any more.
// A store that can't be reached is asked again soon: another worker that reaches it
// would take the job.
func (l *lane) keep(ctx context.Context, j Job, lose context.CancelCauseFunc) {
	often := l.lease / 4
	timer := time.NewTimer(often)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		ours, err := l.renew(ctx, j)
		switch {
		case err != nil:
			timer.Reset(often / 10)
		case !ours:
			lose(errLost)
			return
		default:
			timer.Reset(often)
		}
	}
}

// caught turns a handler's panic into an error: one bad job doesn't take the
// worker along.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// fail ends the job when a repeat is of no use or too late, else plans one.
func (l *lane) fail(ctx context.Context, j Job, h Handler, cause error) error {
	if isPermanent(cause) || !l.db.Now().Before(j.giveUpAt) {
		return l.settle(ctx, j, h, cause)
	}
	return l.postpone(ctx, j, cause)
}

// settle ends a job as done, or as dead for a cause.
func (l *lane) settle(ctx context.Context, j Job, h Handler, cause error) error {
	state, result := "done", Sent
	if cause != nil {
		state, result = "dead", Failed
		l.log.WarnContext(ctx, "gave an outbox job up", "kind", j.Kind, "job", j.ID.String(),
			"attempts", j.Attempts, "error", cause)
	}
	return l.end(ctx, j, state, cause, func(ctx context.Context, tx *database.Tx) (err error) {
		defer caught(&err)
		return h.Settled(ctx, tx, j, result)
	})
}

// pause is the time before the attempt after the n-th: n⁴ seconds, and up to a
// fifth more, so that what failed together doesn't come back together.
func pause(n int) time.Duration {
	n = min(n, 20)
	d := time.Duration(n*n*n*n) * time.Second
	return d + rand.N(d/5+1) //nolint:gosec // it spreads, it hides nothing
}

// longestPause is what pause gives at most.
func longestPause(n int) time.Duration { return time.Duration(n*n*n*n) * time.Second * 6 / 5 }
