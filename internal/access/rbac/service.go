package rbac

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Service holds the use cases of permissions and roles, one transaction each. It is safe
// for concurrent use.
type Service struct {
	DB *database.DB
	// Dependents go with roles that are deleted.
	Dependents []Dependent
	// MaxPermissions and MaxRoles are how many custom ones an Environment may have; 0 is
	// 10,000 and 1,000.
	MaxPermissions, MaxRoles int
}

// Permissions lists the catalogue by category, then key; source "" is both.
func (s *Service) Permissions(ctx context.Context, in scope.Environment, source Source) ([]Permission, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]Permission, error) {
		return database.All(ctx, tx, scanPermission,
			selectPermissions+` AND ($2 = '' OR p.source = $2) ORDER BY p.category_fold, p.key`, in.ID, string(source))
	})
}

// Permission reads one; permissions.not_found.
func (s *Service) Permission(ctx context.Context, in scope.Environment, of PermissionID) (Permission, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Permission, error) {
		return findPermission(ctx, tx, in, of)
	})
}

func findPermission(ctx context.Context, tx *database.Tx, in scope.Environment, of PermissionID) (Permission, error) {
	p, err := scanPermission(tx.QueryRow(ctx, selectPermissions+` AND p.id = $2`, in.ID, of))
	if errors.Is(err, database.ErrNoRows) {
		err = ErrPermissionNotFound
	}
	return p, err
}

// AddPermissions makes all of the permissions, or none. A key that the catalogue has, or
// that comes twice, is permissions.key_taken with all such keys; the fault
// rbac.limit_reached. Event: permission.created, one a key.
func (s *Service) AddPermissions(
	ctx context.Context, by principal.Actor, in scope.Environment, list []NewPermission,
) ([]Permission, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) ([]Permission, error) {
		keys := make([]string, len(list))
		for i, n := range list {
			keys[i] = n.Key
		}
		there, err := known(ctx, tx, in, keys)
		if err != nil {
			return nil, err
		}
		taken, seen := []string{}, map[string]bool{}
		for _, key := range keys {
			if _, is := there[key]; is || seen[key] {
				taken = append(taken, key)
			}
			seen[key] = true
		}
		if len(taken) > 0 {
			slices.Sort(taken)
			return nil, ErrKeyTaken.WithData(keysData{slices.Compact(taken)})
		}
		return s.addPermissions(ctx, tx, by, in, list)
	})
}

// keysData is what a fault says of keys.
type keysData struct {
	Keys []string `json:"keys"`
}

// addPermissions makes permissions whose keys are new.
func (s *Service) addPermissions(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, list []NewPermission,
) ([]Permission, error) {
	most := cmp.Or(s.MaxPermissions, MaxPermissions)
	if err := limit(ctx, tx, in, countCustomPermissions, len(list), most); err != nil {
		return nil, err
	}
	made := make([]Permission, len(list))
	for i, n := range list {
		made[i] = Permission{
			ID: id.New[PermissionID](tx.Now), Key: n.Key, Name: n.Name, Category: n.Category,
			Description: n.Description.Value, Source: Custom, Version: 1, CreatedAt: tx.Now, UpdatedAt: tx.Now,
		}
	}
	if err := insert(ctx, tx, in.ID, Custom, made); err != nil {
		return nil, err
	}
	for _, p := range made {
		revision.Append(tx, in, edits.PutPermission(p.ID.Any(), p.Key))
		err := event.Record(ctx, tx, PermissionCreated, entry(by, in, p.ID.Any(), p.Key), KeyPayload{p.Key})
		if err != nil {
			return nil, err
		}
	}
	return made, nil
}

// insert writes rows of the catalogue. Their keys are new: who writes has the
// Environment's lock, and has looked.
func insert(ctx context.Context, tx *database.Tx, in environment.ID, source Source, list []Permission) error {
	for some := range slices.Chunk(list, database.Piece) {
		args := []any{in, tx.Now, string(source)}
		for _, p := range some {
			args = append(args, p.ID, p.Key, p.Name, p.Category, text.Fold(p.Category), p.Description)
		}
		if _, err := tx.Exec(ctx, insertPermissions+database.Rows(permissionRow, 3, len(some)), args...); err != nil {
			return err
		}
	}
	return nil
}

// limit is rbac.limit_reached where so many more would be too many.
func limit(ctx context.Context, tx *database.Tx, in scope.Environment, count string, more, most int) error {
	if more == 0 {
		return nil
	}
	var n int
	if err := tx.QueryRow(ctx, count, in.ID).Scan(&n); err != nil {
		return err
	}
	if n+more > most {
		return ErrLimitReached
	}
	return nil
}

// UpdatePermission changes a permission; ifVersion 0 takes any version. A stale one is
// fault.VersionConflict, with the permission as view shows it. A change that changes
// nothing writes nothing. Faults: permissions.not_found, permissions.system_protected.
// Event: permission.updated.
func (s *Service) UpdatePermission(
	ctx context.Context, by principal.Actor, in scope.Environment, of PermissionID, c PermissionChange, ifVersion int,
	view func(Permission) any,
) (Permission, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Permission, error) {
		before, err := changeable(ctx, tx, in, of, ifVersion, view)
		if err != nil {
			return before, err
		}
		p, changes := before.applied(c)
		if len(changes) == 0 {
			return before, nil
		}
		p.Version, p.UpdatedAt = p.Version+1, tx.Now
		_, err = tx.Exec(ctx, updatePermission, p.Name, p.Category, text.Fold(p.Category), p.Description, p.Version,
			p.UpdatedAt, in.ID, p.ID)
		if err != nil {
			return before, err
		}
		revision.Append(tx, in)
		return p, event.Record(ctx, tx, PermissionUpdated, entry(by, in, p.ID.Any(), p.Key), ChangesPayload{changes})
	})
}

// changeable is a permission that may be changed in this version.
func changeable(
	ctx context.Context, tx *database.Tx, in scope.Environment, of PermissionID, ifVersion int,
	view func(Permission) any,
) (Permission, error) {
	p, err := findPermission(ctx, tx, in, of)
	switch {
	case err != nil:
		return p, err
	case p.Source == System:
		return p, ErrPermissionProtected
	case ifVersion != 0 && ifVersion != p.Version:
		return p, fault.VersionConflict.WithData(view(p))
	}
	return p, nil
}

// DeletePermission takes a permission out of the catalogue and out of every role, whose
// version rises. Faults as of UpdatePermission. Event: permission.deleted.
func (s *Service) DeletePermission(
	ctx context.Context, by principal.Actor, in scope.Environment, of PermissionID, ifVersion int,
	view func(Permission) any,
) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		p, err := changeable(ctx, tx, in, of, ifVersion, view)
		if err != nil {
			return none, err
		}
		if _, err := tx.Exec(ctx, raiseHolders, tx.Now, in.ID, of); err != nil {
			return none, err
		}
		if _, err := tx.Exec(ctx, deletePermission, in.ID, of); err != nil {
			return none, err
		}
		revision.Append(tx, in, edits.DropPermission(of.Any(), p.Key))
		return none, event.Record(ctx, tx, PermissionDeleted, entry(by, in, of.Any(), p.Key), KeyPayload{p.Key})
	})
	return err
}

// UsageOf says which roles hold a permission; permissions.not_found.
func (s *Service) UsageOf(ctx context.Context, in scope.Environment, of PermissionID) (Usage, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (u Usage, err error) {
		if _, err := findPermission(ctx, tx, in, of); err != nil {
			return u, err
		}
		u.Roles, err = database.All(ctx, tx, func(row database.Scanner) (Listed, error) {
			r, err := scanRole(row)
			return Listed{Role: r}, err
		}, selectHolders, in.ID, of)
		return u, err
	})
}

// known is a permission of each of the keys that the catalogue has. Of many keys it reads
// the whole catalogue.
func known(
	ctx context.Context, tx *database.Tx, in scope.Environment, keys []string,
) (found map[string]Permission, err error) {
	found = make(map[string]Permission, len(keys))
	if len(keys) == 0 {
		return found, nil
	}
	wanted := make(map[string]bool, len(keys))
	for _, key := range keys {
		wanted[key] = true
	}
	query, args := selectPermissions, []any{in.ID}
	if len(wanted) <= database.Piece {
		query += ` AND p.key IN (` + database.Marks(2, len(wanted)) + `)`
		for key := range wanted {
			args = append(args, key)
		}
	}
	err = tx.Query(ctx, func(row database.Scanner) error {
		p, err := scanPermission(row)
		if wanted[p.Key] {
			found[p.Key] = p
		}
		return err
	}, query, args...)
	return found, err
}

// Unknown are the keys that the catalogue of the Environment lacks, in the order given.
func Unknown(ctx context.Context, tx *database.Tx, in scope.Environment, keys []string) ([]string, error) {
	found, err := known(ctx, tx, in, keys)
	return slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		_, is := found[key]
		return is
	}), err
}
