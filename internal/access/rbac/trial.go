package rbac

import (
	"context"
	"maps"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// What is here judges as the use cases do, at any version, and makes no change. Where a call
// would change nothing, the change is nil. The transaction may be one that only reads.

// TryUpdateRole judges Service.UpdateRole with a change that leaves the name.
func TryUpdateRole(
	ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID, c RoleChange,
) (decide.Change, error) {
	before, err := changeableRole(ctx, tx, in, of, 0, nil)
	if err != nil {
		return nil, err
	}
	r, changes := before.applied(c)
	if len(changes) == 0 {
		return nil, nil //nolint:nilnil // no change is an answer
	}
	keys, err := heldKeys(ctx, tx, in, of)
	return decide.PutRole{Role: r.decided(keys)}, err
}

// TrySetRoleKeys judges Service.SetRoleKeys.
func TrySetRoleKeys(
	ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID, keys []string,
) (decide.Change, error) {
	r, wanted, err := settable(ctx, tx, in, of, keys, 0, nil)
	if err != nil {
		return nil, err
	}
	before, err := heldKeys(ctx, tx, in, of)
	slices.Sort(before) // as a database sorts them they may stand otherwise
	after := slices.Sorted(maps.Keys(wanted))
	if err != nil || slices.Equal(before, after) {
		return nil, err
	}
	return decide.PutRole{Role: r.decided(after)}, nil
}

// TryDeleteRole judges Service.DeleteRole.
func TryDeleteRole(ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID) (decide.Change, error) {
	_, err := changeableRole(ctx, tx, in, of, 0, nil)
	return decide.DropRole{ID: of.Any()}, err
}

// TryDeletePermission judges Service.DeletePermission.
func TryDeletePermission(
	ctx context.Context, tx *database.Tx, in scope.Environment, of PermissionID,
) (decide.Change, error) {
	p, err := changeable(ctx, tx, in, of, 0, nil)
	return decide.DropPermission{Key: p.Key}, err
}

// Keys are those that a fault of this room tells of, nil for none.
func Keys(f *fault.Error) []string {
	data, _ := f.Data.(keysData)
	return data.Keys
}
