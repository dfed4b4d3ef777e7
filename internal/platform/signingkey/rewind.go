package signingkey

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Rewind has keys that were made ahead count as made just now, in their order: the clock
// was set back since. So the next one signs 15 minutes from now at the latest, and the
// one after it is not late. It may run at any time.
func (s *Service) Rewind(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		var youngest time.Time
		if err := tx.QueryRow(ctx, `SELECT max(created_at) FROM signing_key`).Scan(&youngest); err != nil {
			return err
		}
		if !youngest.After(tx.Now) {
			return nil
		}
		// The condition keeps another process from doing so a second time.
		_, err := tx.Exec(ctx, rewindKeys, youngest.Sub(tx.Now).Microseconds(), tx.Now)
		return err
	})
}

const rewindKeys = `UPDATE signing_key SET created_at = created_at - $1, signs_from = signs_from - $1
	WHERE created_at > $2`
