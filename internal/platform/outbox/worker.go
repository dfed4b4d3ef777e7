package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// lease is how long a claimed job is one worker's; deliverFor ends earlier,
	// which leaves time to settle.
	lease      = 60 * time.Second
	deliverFor = 45 * time.Second
	poll       = time.Second
	parallel   = 4
	// grace is what deliveries under way get when the process is stopped.
	grace = 9 * time.Second
	// maxAttempts is more than a day of pauses holds. Only a job that ends its
	// worker each time gets there.
	maxAttempts = 40
)

// Config is what a Worker is made of.
type Config struct {
	DB  *database.DB
	Box *secret.Box
	// Handlers by the kind of job. Jobs of other kinds stay queued, for a process
	// that knows them.
	Handlers map[string]Handler
	Log      *slog.Logger // nil: slog.Default()
	// Idle reports that nothing can be delivered at present, such as without a
	// mail server: jobs then stay queued and don't age. May be nil.
	Idle func() bool
	// Observe is told of each attempt's end: "done", "retry", "dead" or
	// "dropped". It is called by several goroutines. May be nil.
	Observe func(kind, result string)
}

// Worker works jobs off. Any number of them, in any number of processes, may
// share a store. Make one with NewWorker.
type Worker struct {
	Config
	wake chan struct{}
}

// NewWorker makes a worker; it does nothing before Run or RunDue.
func NewWorker(c Config) *Worker {
	c.Log = cmp.Or(c.Log, slog.Default())
	return &Worker{Config: c, wake: make(chan struct{}, 1)}
}

// Wake makes Run look for jobs now instead of within a second. Call it after a
// commit that enqueued. It never blocks and is safe for concurrent use.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run works jobs off, up to 4 at once, until ctx ends, and then waits for those
// under way, which get 9 more seconds.
func (w *Worker) Run(ctx context.Context) {
	// Work outlives ctx by the grace.
	working, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()

	tick := time.NewTicker(poll)
	defer tick.Stop()
	done := make(chan struct{}, parallel)
	free, failing := parallel, false
	for ctx.Err() == nil {
		jobs, err := w.claim(ctx, free)
		if err != nil && !failing && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "the outbox can't be read", "error", err)
		}
		failing = err != nil
		for _, j := range jobs {
			free--
			go func() {
				defer func() { done <- struct{}{} }()
				if err := w.work(working, j); err != nil {
					w.Log.ErrorContext(ctx, "an outbox job can't be settled", "kind", j.Kind, "job", j.ID.String(), "error", err)
				}
			}()
		}
		select {
		case <-ctx.Done():
		case <-done:
			free++
		case <-w.wake:
		case <-tick.C:
		}
	}
	defer time.AfterFunc(grace, cut).Stop()
	for ; free < parallel; free++ {
		<-done
	}
}

// RunDue works off everything that is due now, one job after the other, and
// tells how many attempts that were. Deliveries that fail are no error.
func (w *Worker) RunDue(ctx context.Context) (int, error) {
	for n := 0; ; n++ {
		jobs, err := w.claim(ctx, 1)
		if err != nil || len(jobs) == 0 {
			return n, err
		}
		if err := w.work(ctx, jobs[0]); err != nil {
			return n + 1, err
		}
	}
}

// work brings a claimed job one step on. Its error is the store's: the job comes
// back when its lease ends.
func (w *Worker) work(ctx context.Context, j Job) error {
	h := w.Handlers[j.Kind]
	if j.Attempts > maxAttempts {
		return w.settle(ctx, j, h, errors.New("given up after too many attempts that did not end"))
	}
	var err error
	if j.Payload, err = w.Box.Open(j.Payload, sealContext(j.ID)); err != nil {
		return w.fail(ctx, j, h, err)
	}
	wanted, err := database.Read(ctx, w.DB, func(tx *database.Tx) (wanted bool, err error) {
		defer caught(&err)
		return h.Wanted(ctx, tx, j)
	})
	switch {
	case err != nil:
		return w.fail(ctx, j, h, err)
	case !wanted:
		return w.end(ctx, j, "dropped", nil, nil)
	}
	if err := deliver(ctx, h, j); err != nil {
		return w.fail(ctx, j, h, err)
	}
	if err := w.settle(ctx, j, h, nil); err != nil {
		// Delivered, but not noted. What can't be noted is not sent over and over
		// at the pace of the lease.
		return errors.Join(err, w.postpone(ctx, j, err))
	}
	return nil
}

func deliver(ctx context.Context, h Handler, j Job) (err error) {
	ctx, cancel := context.WithTimeout(ctx, deliverFor)
	defer cancel()
	defer caught(&err)
	return h.Deliver(ctx, j)
}

// caught turns a handler's panic into an error: one bad job doesn't take the
// worker along.
func caught(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
	}
}

// fail ends the job when a repeat is of no use or too late, else plans one.
func (w *Worker) fail(ctx context.Context, j Job, h Handler, cause error) error {
	if isPermanent(cause) || !w.DB.Now().Before(j.giveUpAt) {
		return w.settle(ctx, j, h, cause)
	}
	return w.postpone(ctx, j, cause)
}

// settle ends a job as done, or as dead for a cause.
func (w *Worker) settle(ctx context.Context, j Job, h Handler, cause error) error {
	state, result := "done", Sent
	if cause != nil {
		state, result = "dead", Failed
		w.Log.WarnContext(ctx, "gave an outbox job up", "kind", j.Kind, "job", j.ID.String(), "attempts", j.Attempts, "error", cause)
	}
	return w.end(ctx, j, state, cause, func(ctx context.Context, tx *database.Tx) (err error) {
		defer caught(&err)
		return h.Settled(ctx, tx, j, result)
	})
}

// pause is the time before the attempt after the n-th: n⁴ seconds, and up to a
// fifth more, so that what failed together doesn't come back together.
func pause(n int) time.Duration {
	n = min(n, 20)
	d := time.Duration(n*n*n*n) * time.Second
	return d + rand.N(d/5+1)
}
