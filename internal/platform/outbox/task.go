package outbox

import (
	"context"

	"canopy.dev/canopy/internal/platform/database"
)

// Task is a Handler of work that stays within the store. It runs in the transaction
// that ends its job, so that it has its effects once, however often the job is begun.
// After an error the job comes back later; what could not be done within 24 hours is
// dropped.
type Task func(ctx context.Context, tx *database.Tx, j Job) error

// Wanted implements Handler.
func (Task) Wanted(_ context.Context, tx *database.Tx, j Job) (bool, error) {
	return tx.Now.Before(j.CreatedAt.Add(giveUpAfter)), nil
}

// Deliver implements Handler.
func (Task) Deliver(context.Context, Job) error { return nil }

// Settled implements Handler.
func (t Task) Settled(ctx context.Context, tx *database.Tx, j Job, r Result) error {
	if r != Sent {
		return nil
	}
	return t(ctx, tx, j)
}
