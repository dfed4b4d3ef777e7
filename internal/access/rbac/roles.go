package rbac

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
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

// Roles lists the roles by name; of kind "" both, and inactive ones only where asked for.
func (s *Service) Roles(ctx context.Context, in scope.Environment, kind Kind, inactive bool) ([]Listed, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]Listed, error) {
		return database.All(ctx, tx, scanListed, selectRoles+` AND ($2 = 1 OR r.is_active = 1)
			AND ($3 = '' OR ($3 = 'custom') = (r.system_key IS NULL)) ORDER BY r.name_fold, r.id`,
			in.ID, inactive, string(kind))
	})
}

// Role reads one; rbac.role_not_found.
func (s *Service) Role(ctx context.Context, in scope.Environment, of RoleID) (Role, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Role, error) {
		return FindRole(ctx, tx, in, of)
	})
}

// FindRole reads a role; rbac.role_not_found.
func FindRole(ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID) (Role, error) {
	r, err := scanRole(tx.QueryRow(ctx, selectRole, in.ID, of))
	if errors.Is(err, database.ErrNoRows) {
		err = ErrRoleNotFound
	}
	return r, err
}

// AddRole makes a role that is active and holds nothing. Faults: rbac.role_name_taken,
// rbac.limit_reached. Event: role.created.
func (s *Service) AddRole(
	ctx context.Context, by principal.Actor, in scope.Environment, n NewRole,
) (Role, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Role, error) {
		if err := s.roomFor(ctx, tx, in, 1); err != nil {
			return Role{}, err
		}
		return s.addRole(ctx, tx, by, in, n)
	})
}

// roomFor is rbac.limit_reached where so many more roles would be too many.
func (s *Service) roomFor(ctx context.Context, tx *database.Tx, in scope.Environment, more int) error {
	return limit(ctx, tx, in, countCustomRoles, more, cmp.Or(s.MaxRoles, MaxRoles))
}

func (s *Service) addRole(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, n NewRole,
) (Role, error) {
	r := Role{
		ID: id.New[RoleID](tx.Now), Name: n.Name, Description: n.Description.Value, Active: true, Version: 1,
		CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	_, err := tx.Exec(ctx, insertRole, r.ID, in.ID, r.Name, text.Fold(r.Name), r.Description, nil, tx.Now)
	if tx.DB.Broken(err, "role_name") {
		return r, ErrRoleNameTaken
	}
	if err != nil {
		return r, err
	}
	r.follow(tx, in, nil)
	return r, event.Record(ctx, tx, RoleCreated, entry(by, in, r.ID.Any(), r.Name), NamePayload{r.Name})
}

// follow appends the role as it is now, with its whole set of keys.
func (r Role) follow(tx *database.Tx, in scope.Environment, keys []string) {
	revision.Append(tx, in, edits.PutRole(r.decided(keys)))
}

// decided is the role as decisions see it.
func (r Role) decided(keys []string) decide.Role {
	return decide.Role{ID: r.ID.Any(), Name: r.Name, Active: r.Active, Permissions: keys}
}

// save keeps the role, whose version rises by 1. The fault rbac.role_name_taken.
func (r Role) save(ctx context.Context, tx *database.Tx, in scope.Environment) (Role, error) {
	r.Version, r.UpdatedAt = r.Version+1, tx.Now
	_, err := tx.Exec(ctx, updateRole, r.Name, text.Fold(r.Name), r.Description, r.Active, r.Version, r.UpdatedAt,
		in.ID, r.ID)
	if tx.DB.Broken(err, "role_name") {
		err = ErrRoleNameTaken
	}
	return r, err
}

// changeableRole is a role that may be changed in this version.
func changeableRole(
	ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID, ifVersion int, view func(Role) any,
) (Role, error) {
	r, err := FindRole(ctx, tx, in, of)
	switch {
	case err != nil:
		return r, err
	case r.SystemKey != nil:
		return r, ErrRoleProtected
	case ifVersion != 0 && ifVersion != r.Version:
		return r, fault.VersionConflict.WithData(view(r))
	}
	return r, nil
}

// UpdateRole changes a role; ifVersion 0 takes any version. A stale one is
// fault.VersionConflict, with the role as view shows it. A change that changes nothing
// writes nothing. Faults: rbac.role_not_found, rbac.role_system_protected,
// rbac.role_name_taken. Event: role.updated.
func (s *Service) UpdateRole(
	ctx context.Context, by principal.Actor, in scope.Environment, of RoleID, c RoleChange, ifVersion int,
	view func(Role) any,
) (Role, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Role, error) {
		before, err := changeableRole(ctx, tx, in, of, ifVersion, view)
		if err != nil {
			return before, err
		}
		r, changes := before.applied(c)
		if len(changes) == 0 {
			return before, nil
		}
		if r, err = r.save(ctx, tx, in); err != nil {
			return before, err
		}
		keys, err := heldKeys(ctx, tx, in, r.ID)
		if err != nil {
			return before, err
		}
		r.follow(tx, in, keys)
		return r, event.Record(ctx, tx, RoleUpdated, entry(by, in, r.ID.Any(), r.Name), ChangesPayload{changes})
	})
}

// Dependent is what another room keeps of roles, and what goes with them.
type Dependent interface {
	// RoleGoes removes what hangs on a role that is about to be deleted. The deletion is its
	// cause: it records no event for what a cascade takes along, save for links in somebody's
	// hands that die with it, and appends nothing that the going of a role says already.
	RoleGoes(ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, of RoleID) error
}

// DeleteRole deletes a role, with what hangs on it. Faults as of UpdateRole. Event:
// role.deleted.
func (s *Service) DeleteRole(
	ctx context.Context, by principal.Actor, in scope.Environment, of RoleID, ifVersion int, view func(Role) any,
) error {
	ctx = database.Long(ctx) // it may have many holders
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		r, err := changeableRole(ctx, tx, in, of, ifVersion, view)
		if err != nil {
			return none, err
		}
		for _, d := range s.Dependents {
			if err := d.RoleGoes(ctx, tx, by, in, of); err != nil {
				return none, err
			}
		}
		if _, err := tx.Exec(ctx, deleteRole, in.ID, of); err != nil {
			return none, err
		}
		revision.Append(tx, in, edits.DropRole(of.Any()))
		return none, event.Record(ctx, tx, RoleDeleted, entry(by, in, of.Any(), r.Name), NamePayload{r.Name})
	})
	return err
}

// RoleKeys are the keys that a role holds, sorted, and the role; rbac.role_not_found.
func (s *Service) RoleKeys(ctx context.Context, in scope.Environment, of RoleID) (r Role, keys []string, err error) {
	r, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Role, error) {
		r, err := FindRole(ctx, tx, in, of)
		if err != nil {
			return r, err
		}
		keys, err = heldKeys(ctx, tx, in, of)
		return r, err
	})
	return r, keys, err
}

// SetRoleKeys replaces the whole set of a role's keys; repeats are merged, and the current
// set again writes nothing. Keys that the catalogue lacks are permissions.not_found, system
// keys permissions.system_not_grantable, both with the keys. Other faults as of UpdateRole.
// Event: role.permissions.updated.
func (s *Service) SetRoleKeys(
	ctx context.Context, by principal.Actor, in scope.Environment, of RoleID, keys []string, ifVersion int,
	view func(Role) any,
) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		r, wanted, err := settable(ctx, tx, in, of, keys, ifVersion, view)
		if err != nil {
			return none, err
		}
		_, err = s.grant(ctx, tx, by, in, r, wanted, true)
		return none, err
	})
	return err
}

// settable is a role that may be given a whole set of keys, and their permissions. Faults as
// of SetRoleKeys.
func settable(
	ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID, keys []string, ifVersion int,
	view func(Role) any,
) (r Role, wanted map[string]Permission, err error) {
	if r, err = FindRole(ctx, tx, in, of); err != nil {
		return r, nil, err
	}
	wanted, refused := grantables(ctx, tx, in, keys)
	if refused != nil && !errors.Is(refused, ErrNotGrantable) {
		return r, nil, refused
	}
	// What is named comes before what is protected, and that before what can't be.
	if r, err = changeableRole(ctx, tx, in, of, ifVersion, view); err != nil {
		return r, nil, err
	}
	return r, wanted, refused
}

// grantables are the permissions of keys, by key. Faults: permissions.not_found,
// permissions.system_not_grantable.
func grantables(
	ctx context.Context, tx *database.Tx, in scope.Environment, keys []string,
) (map[string]Permission, error) {
	unique := slices.Compact(slices.Sorted(slices.Values(keys)))
	found, err := known(ctx, tx, in, unique)
	if err != nil {
		return nil, err
	}
	missing, refused := []string{}, []string{}
	for _, key := range unique {
		switch p, is := found[key]; {
		case !is:
			missing = append(missing, key)
		case !grantable(key, p.Source):
			refused = append(refused, key)
		}
	}
	switch {
	case len(missing) > 0:
		return nil, ErrPermissionNotFound.WithData(keysData{missing})
	case len(refused) > 0:
		return nil, ErrNotGrantable.WithData(keysData{refused})
	}
	return found, nil
}

// held is a permission that a role holds.
type held struct {
	id  PermissionID
	key string
}

// heldBy are the permissions that a role holds, by key.
func heldBy(ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID) ([]held, error) {
	return database.All(ctx, tx, func(row database.Scanner) (h held, err error) {
		return h, row.Scan(&h.id, &h.key)
	}, selectHeld, in.ID, of)
}

// heldKeys are the keys that a role holds, sorted.
func heldKeys(ctx context.Context, tx *database.Tx, in scope.Environment, of RoleID) ([]string, error) {
	all, err := heldBy(ctx, tx, in, of)
	keys := make([]string, len(all))
	for i, h := range all {
		keys[i] = h.key
	}
	return keys, err
}

// grant adds permissions to a role, and takes away the others where the set is replaced.
// It reports whether that changed anything; then the role's version rises, with the event
// role.permissions.updated.
func (s *Service) grant(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, r Role,
	wanted map[string]Permission, replace bool,
) (changed bool, err error) {
	current, err := heldBy(ctx, tx, in, r.ID)
	if err != nil {
		return false, err
	}
	var gone []PermissionID
	after, more := []string{}, maps.Clone(wanted)
	for _, h := range current {
		delete(more, h.key)
		if _, stays := wanted[h.key]; replace && !stays {
			gone = append(gone, h.id)
			continue
		}
		after = append(after, h.key)
	}
	if len(more) == 0 && len(gone) == 0 {
		return false, nil
	}
	if err := drop(ctx, tx, in.ID, r.ID, gone); err != nil {
		return false, err
	}
	if err := hold(ctx, tx, in.ID, r.ID, slices.Collect(maps.Values(more))); err != nil {
		return false, err
	}
	if r, err = r.save(ctx, tx, in); err != nil {
		return false, err
	}
	after = slices.Sorted(slices.Values(slices.AppendSeq(after, maps.Keys(more))))
	r.follow(tx, in, after)
	return true, event.Record(ctx, tx, RolePermissionsUpdated, entry(by, in, r.ID.Any(), r.Name), KeysPayload{after})
}

// hold gives permissions to a role that does not hold them.
func hold(ctx context.Context, tx *database.Tx, in environment.ID, of RoleID, list []Permission) error {
	for some := range slices.Chunk(list, database.Piece) {
		args := []any{of, in}
		for _, p := range some {
			args = append(args, p.ID)
		}
		query := insertRolePermissions + database.Rows(rolePermissionRow, 2, len(some))
		if _, err := tx.Exec(ctx, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// drop takes permissions from a role.
func drop(ctx context.Context, tx *database.Tx, in environment.ID, of RoleID, list []PermissionID) error {
	for some := range slices.Chunk(list, database.Piece) {
		args := []any{of, in}
		for _, p := range some {
			args = append(args, p)
		}
		if _, err := tx.Exec(ctx, deleteRolePermissions+`(`+database.Marks(3, len(some))+`)`, args...); err != nil {
			return err
		}
	}
	return nil
}
