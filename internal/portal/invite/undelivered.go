package invite

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

const selectUndelivered = `SELECT '', '', count(*), min(asked_at) FROM user_invite
	WHERE account_id = $1 AND status = 'pending' AND delivery = 'failed' AND expires_at > $2 HAVING count(*) > 0`

// Undelivered counts the Account's open invites whose mail could not be delivered.
func Undelivered(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]environment.Concern, error) {
	return database.All(ctx, tx, environment.ScanConcern, selectUndelivered, in, tx.Now)
}
