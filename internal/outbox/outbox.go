// Package outbox owns work that must follow a change: the table outbox, written
// in the transaction of the change and worked off afterwards, at least once.
// Payloads are sealed under the install key and wiped when the work is done,
// given up or dropped.
//
//	queued ──lease──► Wanted? ──► Deliver ──► done
//	  ▲                 └ no ──► dropped
//	  └── later: attempt⁴ s ◄── fails ──► dead (permanent, or after 24 hours)
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"canopy.dev/canopy/internal/database"
	"canopy.dev/canopy/internal/id"
	"canopy.dev/canopy/internal/secret"
)

const (
	giveUpAfter = 24 * time.Hour
	lease       = 2 * time.Minute // longer than any delivery takes
	poll        = time.Second
	parallel    = 4
)

// Job is one piece of work about a subject. Version tells the subject's present
// state from an earlier one.
type Job struct {
	ID        id.ID
	Kind      string
	SubjectID id.ID
	Version   string
	Payload   []byte // in clear here, sealed in the table
	Attempts  int
}

// Result is how a job ended.
type Result string

// The results.
const (
	Sent   Result = "sent"
	Failed Result = "failed"
)

// Handler does the work of one kind of job. It may be called by several
// goroutines at once.
type Handler interface {
	// Wanted is asked just before Deliver; a job no longer wanted is dropped.
	Wanted(ctx context.Context, tx *database.Tx, j Job) (bool, error)
	// Deliver does the work. An error wrapped by Permanently is not tried again.
	Deliver(ctx context.Context, j Job) error
	// Settled runs in the transaction that ends the job.
	Settled(ctx context.Context, tx *database.Tx, j Job, r Result) error
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanently marks an error that no repeat will mend.
func Permanently(err error) error { return permanent{err} }

// Enqueue adds a job to the transaction.
func Enqueue(ctx context.Context, tx *database.Tx, box *secret.Box, j Job) error {
	j.ID = id.New[id.ID](tx.Now)
	_, err := tx.Exec(ctx, `INSERT INTO outbox (id, kind, subject_id, version, payload, state, attempts, next_at, give_up_at, last_error, created_at)
		VALUES ($1, $2, $3, $4, $5, 'queued', 0, $6, $7, '', $6)`,
		j.ID, j.Kind, j.SubjectID, j.Version, box.Seal(j.Payload, "outbox:"+j.ID.String()), tx.Now, tx.Now.Add(giveUpAfter))
	return err
}

// Drop takes a subject's queued jobs of a kind back and wipes their payloads.
func Drop(ctx context.Context, tx *database.Tx, kind string, subjectID id.ID) error {
	_, err := tx.Exec(ctx, `UPDATE outbox SET state = 'dropped', payload = NULL WHERE subject_id = $1 AND kind = $2 AND state = 'queued'`, subjectID, kind)
	return err
}

// Worker works jobs off. Make one a process, with the fields set, and call Run.
type Worker struct {
	DB       *database.DB
	Box      *secret.Box
	Handlers map[string]Handler
	Log      *slog.Logger
	// Observe is told of every ended attempt; may be nil.
	Observe func(kind, result string)

	once sync.Once
	wake chan struct{}
}

func (w *Worker) bell() chan struct{} {
	w.once.Do(func() { w.wake = make(chan struct{}, 1) })
	return w.wake
}

// Wake makes Run look for jobs now, for use after a commit.
func (w *Worker) Wake() {
	select {
	case w.bell() <- struct{}{}:
	default:
	}
}

// Run works jobs off until ctx ends, and then waits for those in flight.
func (w *Worker) Run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if _, err := w.RunDue(ctx); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "outbox", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.bell():
		}
	}
}

// RunDue works off everything that is due now and tells how many jobs that was.
func (w *Worker) RunDue(ctx context.Context) (int, error) {
	total := 0
	for ctx.Err() == nil {
		jobs, err := w.claim(ctx)
		if err != nil || len(jobs) == 0 {
			return total, err
		}
		var wg sync.WaitGroup
		errs := make([]error, len(jobs))
		for i, j := range jobs {
			wg.Go(func() { errs[i] = w.work(ctx, j) })
		}
		wg.Wait()
		total += len(jobs)
		if err := errors.Join(errs...); err != nil {
			return total, err
		}
	}
	return total, ctx.Err()
}

// claim leases due jobs by moving their next attempt ahead: one guarded update,
// so that no two workers hold one job.
func (w *Worker) claim(ctx context.Context) ([]Job, error) {
	due, err := database.Read(ctx, w.DB, func(tx *database.Tx) (int, error) {
		var n int
		return n, tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 FROM outbox WHERE state = 'queued' AND next_at <= $1 LIMIT 1) due`, tx.Now).Scan(&n)
	})
	if err != nil {
		return nil, err
	}
	if due == 0 { // an idle server writes nothing
		return nil, nil
	}
	return database.Write(ctx, w.DB, func(tx *database.Tx) ([]Job, error) {
		skip := ""
		if w.DB.Engine == database.Postgres {
			skip = " FOR UPDATE SKIP LOCKED"
		}
		return database.All(ctx, tx, func(row database.Scanner) (Job, error) {
			var j Job
			err := row.Scan(&j.ID, &j.Kind, &j.SubjectID, &j.Version, &j.Payload, &j.Attempts)
			return j, err
		}, `UPDATE outbox SET attempts = attempts + 1, next_at = $1 WHERE id IN
			(SELECT id FROM outbox WHERE state = 'queued' AND next_at <= $2 ORDER BY next_at LIMIT $3`+skip+`)
			RETURNING id, kind, subject_id, version, payload, attempts`, tx.Now.Add(lease), tx.Now, parallel)
	})
}

func (w *Worker) work(ctx context.Context, j Job) error {
	h := w.Handlers[j.Kind]
	if h == nil {
		return w.retry(ctx, j, errors.New("no handler for this kind"))
	}
	var err error
	if j.Payload, err = w.Box.Open(j.Payload, "outbox:"+j.ID.String()); err != nil {
		return w.settle(ctx, j, h, Failed, err)
	}
	wanted, err := database.Read(ctx, w.DB, func(tx *database.Tx) (bool, error) { return h.Wanted(ctx, tx, j) })
	if err != nil {
		return w.retry(ctx, j, err)
	}
	if !wanted {
		return w.end(ctx, j, "dropped", "", nil)
	}
	err = h.Deliver(ctx, j)
	var forever permanent
	switch {
	case err == nil:
		return w.settle(ctx, j, h, Sent, nil)
	case errors.As(err, &forever):
		return w.settle(ctx, j, h, Failed, err)
	}
	var late bool
	late, lookErr := database.Read(context.WithoutCancel(ctx), w.DB, func(tx *database.Tx) (bool, error) {
		var giveUp time.Time
		err := tx.QueryRow(ctx, `SELECT give_up_at FROM outbox WHERE id = $1`, j.ID).Scan(&giveUp)
		return !tx.Now.Before(giveUp), err
	})
	if lookErr == nil && late {
		return w.settle(ctx, j, h, Failed, err)
	}
	return w.retry(ctx, j, err)
}

func (w *Worker) settle(ctx context.Context, j Job, h Handler, r Result, cause error) error {
	state, why := "done", ""
	if r == Failed {
		state, why = "dead", cause.Error()
		w.Log.WarnContext(ctx, "gave up", "kind", j.Kind, "job", j.ID.String(), "attempts", j.Attempts, "error", why)
	}
	return w.end(ctx, j, state, why, func(tx *database.Tx) error { return h.Settled(ctx, tx, j, r) })
}

// end finishes a job, even while the process is being stopped: what was sent
// shall not be sent again if it can be helped.
func (w *Worker) end(ctx context.Context, j Job, state, why string, also func(tx *database.Tx) error) error {
	ctx = context.WithoutCancel(ctx)
	w.observe(j, state)
	return database.Do(ctx, w.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE outbox SET state = $1, payload = NULL, last_error = $2 WHERE id = $3 AND state = 'queued'`, state, why, j.ID)
		if err != nil || also == nil {
			return err
		}
		return also(tx)
	})
}

func (w *Worker) retry(ctx context.Context, j Job, cause error) error {
	ctx = context.WithoutCancel(ctx)
	w.observe(j, "retry")
	w.Log.InfoContext(ctx, "will try again", "kind", j.Kind, "job", j.ID.String(), "attempts", j.Attempts, "error", cause.Error())
	return database.Do(ctx, w.DB, func(tx *database.Tx) error {
		n := min(time.Duration(j.Attempts), 12)
		pause := min(n*n*n*n*time.Second, 2*time.Hour)
		pause += time.Duration(rand.Int64N(int64(pause)/4 + 1)) // so that many failures do not come back at once
		_, err := tx.Exec(ctx, `UPDATE outbox SET next_at = $1, last_error = $2 WHERE id = $3 AND state = 'queued'`, tx.Now.Add(pause), cause.Error(), j.ID)
		return err
	})
}

func (w *Worker) observe(j Job, result string) {
	if w.Observe != nil {
		w.Observe(j.Kind, result)
	}
}

// Depth tells how many jobs wait, and for how long the oldest has.
func Depth(ctx context.Context, db *database.DB) (queued int, oldest time.Duration, err error) {
	_, err = database.Read(ctx, db, func(tx *database.Tx) (struct{}, error) {
		var since *time.Time
		err := tx.QueryRow(ctx, `SELECT count(*), min(created_at) FROM outbox WHERE state = 'queued'`).Scan(&queued, &since)
		if since != nil {
			oldest = tx.Now.Sub(*since)
		}
		return struct{}{}, err
	})
	return queued, oldest, err
}
