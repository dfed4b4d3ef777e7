package rbac

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	selectKeys = `SELECT p.key FROM permission p WHERE p.environment_id = $1`

	selectGrants = `SELECT r.id, r.name, r.is_active, p.key FROM role r
		LEFT JOIN role_permission rp ON rp.role_id = r.id
		LEFT JOIN permission p ON p.id = rp.permission_id
		WHERE r.environment_id = $1 ORDER BY r.id`
)

// Rows hands over the whole catalogue and all roles as decisions know them.
func Rows(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	err := tx.Query(ctx, func(row database.Scanner) error {
		key, err := scanText(row)
		to.Permission(key)
		return err
	}, selectKeys, in.ID)
	if err != nil {
		return err
	}
	var role decide.Role
	end := func() {
		if !role.ID.IsZero() {
			to.Role(role)
		}
	}
	err = tx.Query(ctx, func(row database.Scanner) error {
		var next decide.Role
		var key *string
		if err := row.Scan(&next.ID, &next.Name, &next.Active, &key); err != nil {
			return err
		}
		if next.ID != role.ID {
			end()
			role = next
		}
		if key != nil {
			role.Permissions = append(role.Permissions, *key)
		}
		return nil
	}, selectGrants, in.ID)
	if err == nil {
		end()
	}
	return err
}
