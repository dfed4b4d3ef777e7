package assignment

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

const selectEnding = `SELECT app.slug, env.slug, count(*), min(a.effective_to) FROM assignment a` +
	environment.JoinEnvironment + `a.environment_id` + application.JoinApplication + `env.application_id
	WHERE env.account_id = $1 AND a.effective_to > $2 AND a.effective_to <= $3
	GROUP BY app.slug, env.slug ORDER BY app.slug, env.slug`

// Ending counts the assignments of an Account that end within a time from now.
func Ending(
	ctx context.Context, tx *database.Tx, in scope.AccountID, within time.Duration,
) ([]environment.Concern, error) {
	return database.All(ctx, tx, environment.ScanConcern, selectEnding, in, tx.Now, tx.Now.Add(within))
}
