package assignment

import (
	"context"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// DropOfIdentity removes all assignments that an identity has in the Environment, whose lock
// the transaction holds, and tells how many there were. It records no event: that is for
// what takes them along.
func DropOfIdentity(
	ctx context.Context, tx *database.Tx, in scope.Environment, of principal.IdentityID,
) (int, error) {
	gone, err := database.All(ctx, tx, scan, deleteOfIdentity, in.ID, of)
	if err != nil {
		return 0, err
	}
	for _, a := range gone {
		count(tx, in, a, -1)
		revision.Append(tx, in, a.drop())
	}
	return len(gone), nil
}
