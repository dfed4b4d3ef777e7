// Package retention removes rows of the audit log that are older than they are to be kept. It
// works in small pieces and holds up no write. Before it removes the first row of an Account
// on a day it writes the row that stands for all of them, so that the seal stays whole
// whenever it is interrupted. It owns no table.
package retention

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Service sweeps.
type Service struct {
	DB   *database.DB
	Keep time.Duration // how long rows are kept; 0 for ever
}

const (
	day   = 24 * time.Hour
	piece = 500
)

// Sweep removes what is too old, of each Account at most once a day. It may run at any time.
func (s *Service) Sweep(ctx context.Context) error {
	if s.Keep == 0 {
		return nil
	}
	before := s.DB.Now().Add(-s.Keep)
	accounts, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]scope.AccountID, error) {
		return event.Aged(ctx, tx, before, s.DB.Now().Add(-day))
	})
	if err != nil {
		return err
	}
	for _, in := range accounts {
		if err := s.account(ctx, in, before); err != nil {
			return err
		}
	}
	return nil
}

// announce writes the row that stands for those which are about to go.
func (s *Service) announce(ctx context.Context, in scope.AccountID, before time.Time) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		n, err := event.CountAged(ctx, tx, in, before)
		if err != nil || n == 0 {
			return err
		}
		entry := event.Entry{Actor: principal.System(), Account: in}
		return event.Record(ctx, tx, event.RetentionSwept, entry, event.RetentionPayload{Before: before, Rows: n})
	})
}

func (s *Service) account(ctx context.Context, in scope.AccountID, before time.Time) error {
	if err := s.announce(ctx, in, before); err != nil {
		return err
	}
	for {
		n, err := database.Write(ctx, s.DB, func(tx *database.Tx) (int, error) {
			return event.SweepOldest(ctx, tx, in, before, piece, func(ids []event.RowID) (uint64, error) {
				return seal.HighestOf(ctx, tx, in, ids)
			})
		})
		if err != nil || n < piece {
			return err
		}
	}
}
