package hierarchy

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment.
type Part struct{}

// Found implements environment.Part.
func (Part) Found(_ context.Context, _ *database.Tx, _ environment.New) error { return nil }

// Cut implements environment.Part.
func (Part) Cut(_ context.Context, _ *database.Tx, _ scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, nil
}

// Sweep implements environment.Part.
func (Part) Sweep(_ context.Context, _ *database.Tx, _ environment.ID) (done bool, err error) {
	return true, nil
}
