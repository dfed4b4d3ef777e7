package rbac

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// RoleOrder are all roles of the Environment, by name.
func RoleOrder(ctx context.Context, tx *database.Tx, in scope.Environment) ([]RoleID, error) {
	return database.All(ctx, tx, func(row database.Scanner) (of RoleID, err error) {
		return of, row.Scan(&of)
	}, selectRoleOrder, in.ID)
}
