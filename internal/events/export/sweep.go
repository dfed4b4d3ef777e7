package export

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// swept is how many pieces of files one transaction removes.
const swept = 16

// Sweep removes, in small pieces, what is older than it is to be kept, and what was deleted. It
// may run at any time.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		list, err := database.Ask(ctx, s.DB, func(tx *database.Tx) ([]key, error) {
			return database.All(ctx, tx, scanKey, selectExpired, tx.Now)
		})
		if err != nil || len(list) == 0 {
			return err
		}
		for _, k := range list {
			for left := true; left; {
				left, err = database.Write(ctx, s.DB, func(tx *database.Tx) (bool, error) { return drop(ctx, tx, k) })
				if err != nil {
					return err
				}
			}
		}
	}
}

// drop removes some of a job's file, or, without any, the job.
func drop(ctx context.Context, tx *database.Tx, k key) (left bool, err error) {
	if left, err = dropPieces(ctx, tx, k); err != nil || left {
		return left, err
	}
	_, err = tx.Exec(ctx, deleteJob, k.account, k.id)
	return false, err
}

// dropPieces removes some of a job's file; left says that there may be more.
func dropPieces(ctx context.Context, tx *database.Tx, k key) (left bool, err error) {
	numbers, err := database.All(ctx, tx, func(row database.Scanner) (n int, err error) {
		return n, row.Scan(&n)
	}, selectPieces, k.account, k.id, swept)
	if err != nil || len(numbers) == 0 {
		return false, err
	}
	_, err = tx.Exec(ctx, deletePieces, k.account, k.id, numbers[len(numbers)-1])
	return len(numbers) == swept, err
}

// Cut ends the jobs of an Environment that is being deleted.
func Cut(ctx context.Context, tx *database.Tx, gone scope.EnvironmentID) error {
	_, err := tx.Exec(ctx, cutJobs, tx.Now, gone)
	return err
}

// SweepEnvironment removes a piece of what a deleted Environment leaves; done says that nothing is
// left.
func SweepEnvironment(ctx context.Context, tx *database.Tx, gone scope.EnvironmentID) (done bool, err error) {
	list, err := database.All(ctx, tx, scanKey, selectGone, gone)
	if err != nil || len(list) == 0 {
		return err == nil, err
	}
	_, err = drop(ctx, tx, list[0])
	return false, err
}
