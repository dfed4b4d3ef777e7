package session

import (
	"context"

	"canopy.dev/canopy/internal/platform/database"
)

// Rewind has refresh tokens that were used ahead count as used now: the clock was set
// back since, and the half minute in which they may be repeated would not end. It may
// run at any time.
func (s *Service) Rewind(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE portal_session SET renewed_at = $1
			WHERE successor IS NOT NULL AND renewed_at > $1`, tx.Now)
		return err
	})
}
