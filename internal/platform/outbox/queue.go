package outbox

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// giveUpAfter is how long delivery is tried.
const giveUpAfter = 24 * time.Hour

// Queue takes jobs into transactions, for one lane. Worker.Queue gives one that
// wakes the worker; a process without a worker makes its own. It is safe for
// concurrent use.
type Queue struct {
	Box  *secret.Box // seals payloads
	Lane string
	// Most bounds the jobs that are queued in the lane; 0: as many as come. Calls at
	// once may exceed it by their number.
	Most int
	// Wake is called after each commit that queued jobs, in the goroutine of the
	// transaction: it must not block. May be nil.
	Wake func()
}

// Enqueue adds a job to the transaction; it is due at its commit, which wakes the
// worker, and given up 24 hours later. Kind, SubjectID, Version and Payload are
// taken from j, and its ID unless it is zero. Fault: server.busy when the lane is full.
func (q Queue) Enqueue(ctx context.Context, tx *database.Tx, j Job) error {
	if q.Lane == "" {
		return errors.New("outbox: a queue without a lane")
	}
	if err := q.Room(ctx, tx); err != nil {
		return err
	}
	if j.ID.IsZero() {
		j.ID = id.New[id.ID](tx.Now)
	}
	_, err := tx.Exec(ctx, insertJob, j.ID, q.Lane, j.Kind, j.SubjectID, j.Version,
		q.Box.Seal(j.Payload, sealContext(j.ID)), tx.Now, tx.Now.Add(giveUpAfter))
	if err == nil && q.Wake != nil {
		tx.AfterCommit(q.Wake)
	}
	return err
}

// Room is server.busy when the lane holds as many jobs as it may.
func (q Queue) Room(ctx context.Context, tx *database.Tx) error {
	if q.Most == 0 {
		return nil
	}
	var queued int
	if err := tx.QueryRow(ctx, countQueued, q.Lane, q.Most).Scan(&queued); err != nil {
		return err
	}
	if queued >= q.Most {
		return fault.Busy
	}
	return nil
}

// Drop takes a subject's queued jobs of a kind back and wipes their payloads. A
// delivery that is under way may still happen; it is not settled.
func Drop(ctx context.Context, tx *database.Tx, kind string, subjectID id.ID) error {
	_, err := tx.Exec(ctx, dropJobs, subjectID, kind)
	return err
}

func sealContext(job id.ID) string { return sealedFor(job.String()) }

func sealedFor(job string) string { return "outbox:" + job }
