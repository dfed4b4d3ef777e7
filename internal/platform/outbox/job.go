package outbox

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// Job is one piece of work about a subject. Kind chooses the handler. Version
// tells the subject's current state from earlier ones, for Handler.Wanted.
type Job struct {
	ID        id.ID
	Kind      string
	SubjectID id.ID
	Version   string
	Payload   []byte // in clear here, sealed in the table
	Attempts  int    // this one included
	CreatedAt time.Time

	giveUpAt time.Time
}

// Result is how a job ended.
type Result string

// The results.
const (
	Sent   Result = "sent"
	Failed Result = "failed"
)

// Handler does the work of one kind of job. Its methods are called by several
// goroutines at once.
type Handler interface {
	// Wanted is asked just before Deliver, in a transaction that can't write; a
	// job that is no longer wanted is dropped.
	Wanted(ctx context.Context, tx *database.Tx, j Job) (bool, error)
	// Deliver does the work, outside any transaction. It returns soon after ctx
	// ends: after Lane.Longest, when the process is stopped, or when the job is no
	// longer this worker's. An error that is Permanent ends
	// the job as failed; after any other it is tried again. The same job may be
	// delivered twice.
	Deliver(ctx context.Context, j Job) error
	// Settled runs in the transaction that ends a delivered or failed job. Its
	// error undoes the end: the job comes back. Dropped jobs are not settled.
	Settled(ctx context.Context, tx *database.Tx, j Job, r Result) error
}

// Permanent is an error that says whether repeating is of use. Permanently makes
// one.
type Permanent interface {
	error
	Permanent() bool // true: no repeat will mend it
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }
func (permanent) Permanent() bool { return true }

// Permanently marks an error that no repeat will mend; nil stays nil.
func Permanently(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

func isPermanent(err error) bool {
	var p Permanent
	return errors.As(err, &p) && p.Permanent()
}

// Depth tells how many jobs are queued in all lanes, and for how long the oldest has been.
func Depth(ctx context.Context, db *database.DB) (queued int, oldest time.Duration, err error) {
	_, err = database.Read(ctx, db, func(tx *database.Tx) (struct{}, error) {
		var since *time.Time
		err := tx.QueryRow(ctx, `SELECT count(*), min(created_at) FROM outbox WHERE state = 'queued'`).
			Scan(&queued, &since)
		if since != nil {
			oldest = max(0, tx.Now.Sub(*since))
		}
		return struct{}{}, err
	})
	return queued, oldest, err
}

const (
	keepEnded  = 30 * 24 * time.Hour
	sweepBatch = 1000
)

// Sweep deletes jobs that ended and are more than 30 days old, in small
// transactions. It may run at any time.
func Sweep(ctx context.Context, db *database.DB) error {
	for {
		n, err := database.Write(ctx, db, func(tx *database.Tx) (int64, error) {
			// Ids sort by age, so the primary key finds the old ones.
			before := id.New[id.ID](tx.Now.Add(-keepEnded))
			return tx.Exec(ctx, `DELETE FROM outbox WHERE id IN
				(SELECT id FROM outbox WHERE id < $1 AND state <> 'queued' ORDER BY id LIMIT $2)`, before, sweepBatch)
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
