package membership

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment: who is a member.
type Part struct{}

// Found implements environment.Part: a new Environment has no member.
func (Part) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: who is a member of what is gone is let in nowhere.
func (Part) Cut(context.Context, *database.Tx, scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, nil
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	n, err := tx.Exec(ctx, sweepMemberships, gone)
	return n == 0, err
}

// ForgetApplication removes a piece of the places in a deleted Application, and tells how
// many.
func ForgetApplication(
	ctx context.Context, tx *database.Tx, account scope.AccountID, application scope.ApplicationID,
) (int64, error) {
	return tx.Exec(ctx, sweepApps, account, application)
}
