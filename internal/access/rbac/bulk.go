package rbac

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// What is here replaces permissions and roles, for who moves whole Environments: it appends
// to the revision and records no event. Who calls it holds the Environment's lock, and has
// looked for what can't be.

// Grantable are the permissions of an Environment that a custom role may hold, by key.
func Grantable(ctx context.Context, tx *database.Tx, in scope.Environment) (map[string]PermissionID, error) {
	all := map[string]PermissionID{}
	return all, tx.Query(ctx, func(row database.Scanner) error {
		p, err := scanPermission(row)
		if grantable(p.Key, p.Source) {
			all[p.Key] = p.ID
		}
		return err
	}, selectPermissions, in.ID)
}

// InsertPermissions adds custom permissions.
func InsertPermissions(ctx context.Context, tx *database.Tx, in scope.Environment, list []Permission) error {
	for _, p := range list {
		revision.Append(tx, in, edits.PutPermission(p.ID.Any(), p.Key))
	}
	return insert(ctx, tx, in.ID, Custom, list)
}

// ReplacePermission replaces what a permission says of its key; its version rises by 1.
func ReplacePermission(ctx context.Context, tx *database.Tx, in scope.Environment, p Permission) error {
	revision.Append(tx, in)
	_, err := tx.Exec(ctx, updatePermission, p.Name, p.Category, text.Fold(p.Category), p.Description, p.Version+1,
		tx.Now, in.ID, p.ID)
	return err
}

// DropPermissions removes permissions, from roles too, whose version rises by 1.
func DropPermissions(ctx context.Context, tx *database.Tx, in scope.Environment, list []Permission) error {
	if err := raise(ctx, tx, in, list); err != nil {
		return err
	}
	for _, p := range list {
		if _, err := tx.Exec(ctx, deletePermission, in.ID, p.ID); err != nil {
			return err
		}
		revision.Append(tx, in, edits.DropPermission(p.ID.Any(), p.Key))
	}
	return nil
}

// raise raises the version of each role that holds one of the permissions.
func raise(ctx context.Context, tx *database.Tx, in scope.Environment, list []Permission) error {
	holders := map[RoleID]bool{}
	for some := range slices.Chunk(list, database.Piece) {
		args := []any{in.ID}
		for _, p := range some {
			args = append(args, p.ID)
		}
		err := tx.Query(ctx, func(row database.Scanner) error {
			var of RoleID
			err := row.Scan(&of)
			holders[of] = true
			return err
		}, selectHolderIDs+`(`+database.Marks(2, len(some))+`)`, args...)
		if err != nil {
			return err
		}
	}
	for of := range holders {
		if _, err := tx.Exec(ctx, raiseRole, tx.Now, in.ID, of); err != nil {
			return err
		}
	}
	return nil
}

// FreeNames takes from roles the names that others are to get; each is to be replaced.
func FreeNames(ctx context.Context, tx *database.Tx, in scope.Environment, ids []RoleID) error {
	for _, of := range ids {
		// No name holds a control character.
		if _, err := tx.Exec(ctx, freeName, "\x01", in.ID, of); err != nil {
			return err
		}
	}
	return nil
}

// InsertRole adds a role that holds nothing yet.
func InsertRole(ctx context.Context, tx *database.Tx, in scope.Environment, r Role) error {
	_, err := tx.Exec(ctx, insertWholeRole, r.ID, in.ID, r.Name, text.Fold(r.Name), r.Description, r.Active, tx.Now,
		r.Ref)
	return err
}

// ReplaceRole replaces what a role says of itself; its version rises by 1.
func ReplaceRole(ctx context.Context, tx *database.Tx, in scope.Environment, r Role) error {
	_, err := r.save(ctx, tx, in)
	return err
}

// SetRef replaces what nobody sees as a change of a role.
func SetRef(ctx context.Context, tx *database.Tx, in scope.Environment, r Role) error {
	_, err := tx.Exec(ctx, setRef, r.Ref, in.ID, r.ID)
	return err
}

// HoldExactly has a role hold these keys and no others, and tells followers of the role as
// it is then.
func HoldExactly(
	ctx context.Context, tx *database.Tx, in scope.Environment, r Role, keys []string, ids map[string]PermissionID,
) error {
	current, err := heldBy(ctx, tx, in, r.ID)
	if err != nil {
		return err
	}
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	var gone []PermissionID
	has := make(map[string]bool, len(current))
	for _, h := range current {
		has[h.key] = true
		if _, stays := slices.BinarySearch(keys, h.key); !stays {
			gone = append(gone, h.id)
		}
	}
	var more []Permission
	for _, key := range keys {
		if !has[key] {
			more = append(more, Permission{ID: ids[key]})
		}
	}
	if err := drop(ctx, tx, in.ID, r.ID, gone); err != nil {
		return err
	}
	if err := hold(ctx, tx, in.ID, r.ID, more); err != nil {
		return err
	}
	r.follow(tx, in, keys)
	return nil
}

// DropRoles removes roles; their assignments are their room's.
func DropRoles(ctx context.Context, tx *database.Tx, in scope.Environment, ids []RoleID) error {
	for _, of := range ids {
		if _, err := tx.Exec(ctx, deleteRole, in.ID, of); err != nil {
			return err
		}
		revision.Append(tx, in, edits.DropRole(of.Any()))
	}
	return nil
}
