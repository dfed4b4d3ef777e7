package apikey

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

const selectEnding = `SELECT app.slug, env.slug, count(*), min(k.expires_at) FROM api_key k` +
	environment.JoinEnvironment + `k.environment_id` + application.JoinApplication + `env.application_id
	WHERE env.account_id = $1 AND k.is_active = 1 AND k.expires_at > $2 AND k.expires_at <= $3
	GROUP BY app.slug, env.slug ORDER BY app.slug, env.slug`

// Ending counts the active keys of an Account that expire within a time from now.
func Ending(
	ctx context.Context, tx *database.Tx, in scope.AccountID, within time.Duration,
) ([]environment.Concern, error) {
	return database.All(ctx, tx, environment.ScanConcern, selectEnding, in, tx.Now, tx.Now.Add(within))
}
