package identityinvite

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

const selectUndelivered = `SELECT COALESCE(app.slug, ''), COALESCE(env.slug, ''), count(*), min(v.asked_at)
	FROM identity_invite v LEFT` + environment.JoinEnvironment + `v.environment_id LEFT` +
	application.JoinApplication + `env.application_id
	WHERE v.account_id = $1 AND v.status = 'pending' AND v.delivery = 'failed' AND v.expires_at > $2
	GROUP BY app.slug, env.slug ORDER BY app.slug, env.slug`

// Undelivered counts the open invites of an Account and its Environments whose mail could not
// be delivered.
func Undelivered(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]environment.Concern, error) {
	return database.All(ctx, tx, environment.ScanConcern, selectUndelivered, in, tx.Now)
}
