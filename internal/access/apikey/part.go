package apikey

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment: its keys.
type Part struct{}

// Found implements environment.Part: a new Environment has no key.
func (Part) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: the keys end with it.
func (Part) Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (environment.Removed, error) {
	_, err := tx.Exec(ctx, deleteKeys, in.ID)
	return environment.Removed{}, err
}

// Sweep implements environment.Part, for a key that was made at the very moment.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	_, err = tx.Exec(ctx, deleteKeys, gone)
	return true, err
}
