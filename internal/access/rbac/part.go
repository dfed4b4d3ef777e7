package rbac

import (
	"context"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment: the catalogue and the roles.
type Part struct{}

// Found implements environment.Part: the system permissions, and the role that holds them.
func (Part) Found(ctx context.Context, tx *database.Tx, n environment.New) error {
	role, name := id.New[RoleID](tx.Now), PlatformAdminName
	_, err := tx.Exec(ctx, insertRole, role, n.At.ID, name, text.Fold(name), nil, PlatformAdmin, tx.Now)
	if err != nil {
		return err
	}
	var all []Permission
	for _, p := range SystemCatalogue() {
		all = append(all, Permission{ID: id.New[PermissionID](tx.Now), Key: p.Key, Name: p.Name, Category: p.Category})
	}
	if err := insert(ctx, tx, n.At.ID, System, all); err != nil {
		return err
	}
	return hold(ctx, tx, n.At.ID, role, all)
}

// Cut implements environment.Part: what is in an Environment that is gone lets nobody in.
func (Part) Cut(context.Context, *database.Tx, scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, nil
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	for _, statement := range []string{sweepRolePermissions, sweepRoles, sweepPermissions} {
		if n, err := tx.Exec(ctx, statement, gone); err != nil || n > 0 {
			return false, err
		}
	}
	return true, nil
}
