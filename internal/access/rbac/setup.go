package rbac

import (
	"context"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Resource is a kind of thing with what can be done to it; it yields the keys
// <name>.<action>.
type Resource struct {
	Name    string   `json:"name"    doc:"The kind of thing." example:"lease" maxLength:"100"`
	Actions []string `json:"actions" doc:"What can be done to it, 1 to 50." maxItems:"50"`
}

// permissions are those of a resource.
func (r Resource) permissions() []NewPermission {
	list := make([]NewPermission, len(r.Actions))
	for i, action := range r.Actions {
		words := strings.NewReplacer("_", " ", "-", " ", ".", " ").Replace(action + " " + r.Name)
		name := []rune(strings.ToUpper(words[:min(1, len(words))]) + words[min(1, len(words)):])
		list[i] = NewPermission{
			Key: r.Name + "." + action, Name: string(name[:min(100, len(name))]), Category: r.Name,
		}
	}
	return list
}

// resourceRules notes the broken rules of resources.
func resourceRules(f *text.Fields, list []Resource) {
	f.Check("resources", list != nil && len(list) <= 100, "must hold 0 to 100 resources")
	for i, r := range list {
		at := "resources[" + itoa(i) + "]"
		f.Check(at+".name", r.Name != "" && len(r.Name) <= 100, "must be 1 to 100 characters")
		f.Check(at+".actions", len(r.Actions) >= 1 && len(r.Actions) <= 50, "must hold 1 to 50 actions")
		for _, p := range r.permissions() {
			_, broken := KeyRule.Normalize(p.Key)
			f.Check(at, broken == "", "makes the key "+shown(p.Key)+", which "+broken)
		}
	}
}

// shown is a text as far as a sentence tells it.
func shown(s string) string { return `"` + s[:min(len(s), 100)] + `"` }

const maxRoleKeys = 1_000 // that one role of a call may name

// RoleDraft is a role of a set-up.
type RoleDraft struct {
	NewRole
	PermissionKeys []string `json:"permission_keys" doc:"The keys that it holds, at most 1000." maxItems:"1000"`
}

// Bootstrap is a first set of permissions and roles.
type Bootstrap struct {
	Resources []Resource  `json:"resources" doc:"The kinds of things, at most 100." maxItems:"100"`
	Roles     []RoleDraft `json:"roles"     doc:"The roles, at most 50." maxItems:"50"`
}

// Rules implements text.Ruled.
func (b *Bootstrap) Rules(f *text.Fields) {
	resourceRules(f, b.Resources)
	f.Check("roles", b.Roles != nil && len(b.Roles) <= 50, "must hold 0 to 50 roles")
	seen := map[string]bool{}
	for i := range b.Roles {
		r, at := &b.Roles[i], "roles["+itoa(i)+"]."
		f.Each("roles", i, &r.NewRole)
		f.Check(at+"name", !seen[text.Fold(r.Name)], "must not come twice")
		f.Check(at+"permission_keys", r.PermissionKeys != nil && len(r.PermissionKeys) <= maxRoleKeys,
			"must hold 0 to 1000 keys")
		seen[text.Fold(r.Name)] = true
	}
}

// Bootstrapped counts what a set-up did.
type Bootstrapped struct {
	PermissionsCreated int `json:"permissions_created" doc:"Keys that are new." example:"4"`
	RolesCreated       int `json:"roles_created"       doc:"Roles that are new." example:"1"`
	SkippedPermissions int `json:"skipped_permissions" doc:"Keys that were there, and stay as they are." example:"0"`
	SkippedRoles       int `json:"skipped_roles"       doc:"Roles that were there, and stay as they are." example:"0"`
}

// The events of set-up.
var (
	AccessBootstrapped = event.Type[Bootstrapped]{
		Action: "setup.access_bootstrapped", Category: event.RBAC, Resource: "environment",
		About: "An Environment got a first set of permissions and roles.",
	}
	ResourcePermissionsAdded = event.Type[Added]{
		Action: "setup.resource_permissions_added", Category: event.RBAC, Resource: "environment",
		About: "An Environment got the permissions of further resources.",
	}
)

// Bootstrap makes permissions and roles that are not there yet, and nobody gets a role.
// Keys that a role names must exist or be of the same call (validation); the faults
// permissions.system_not_grantable, rbac.limit_reached. Events: setup.access_bootstrapped,
// permission.created, role.created, role.permissions.updated.
func (s *Service) Bootstrap(
	ctx context.Context, by principal.Actor, in scope.Environment, b Bootstrap,
) (Bootstrapped, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (n Bootstrapped, err error) {
		n.PermissionsCreated, n.SkippedPermissions, err = s.addMissing(ctx, tx, by, in, b.Resources)
		if err != nil {
			return n, err
		}
		var problems fault.Problems
		wanted := make([]map[string]Permission, len(b.Roles))
		for i, r := range b.Roles {
			if wanted[i], err = named(ctx, tx, in, "roles["+itoa(i)+"].permission_keys", r.PermissionKeys, &problems); err != nil {
				return n, err
			}
		}
		if err := problems.Err(); err != nil {
			return n, err
		}
		taken, err := roleNames(ctx, tx, in)
		if err != nil {
			return n, err
		}
		for i, r := range b.Roles {
			if taken[text.Fold(r.Name)] {
				n.SkippedRoles++
				continue
			}
			n.RolesCreated++
			if err := s.roomFor(ctx, tx, in, 1); err != nil {
				return n, err
			}
			role, err := s.addRole(ctx, tx, by, in, r.NewRole)
			if err != nil {
				return n, err
			}
			if _, err := s.grant(ctx, tx, by, in, role, wanted[i], false); err != nil {
				return n, err
			}
		}
		return n, event.Record(ctx, tx, AccessBootstrapped, entry(by, in, in.ID.Any(), e.Name), n)
	})
}

// addMissing makes the permissions of resources that the catalogue lacks.
func (s *Service) addMissing(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, list []Resource,
) (created, skipped int, err error) {
	var all []NewPermission
	var keys []string
	for _, r := range list {
		for _, p := range r.permissions() {
			if !slices.Contains(keys, p.Key) {
				all, keys = append(all, p), append(keys, p.Key)
			}
		}
	}
	there, err := known(ctx, tx, in, keys)
	if err != nil {
		return 0, 0, err
	}
	all = slices.DeleteFunc(all, func(p NewPermission) bool { _, is := there[p.Key]; return is })
	_, err = s.addPermissions(ctx, tx, by, in, all)
	return len(all), len(there), err
}

// named are the permissions that a body names; one that is not there is a problem of the
// field.
func named(
	ctx context.Context, tx *database.Tx, in scope.Environment, field string, keys []string, problems *fault.Problems,
) (map[string]Permission, error) {
	missing, err := Unknown(ctx, tx, in, keys)
	if err != nil {
		return nil, err
	}
	for _, key := range missing {
		problems.Add(field, "names "+shown(key)+", which is no permission of the Environment")
	}
	if len(missing) > 0 {
		return nil, nil
	}
	return grantables(ctx, tx, in, keys)
}

func roleNames(ctx context.Context, tx *database.Tx, in scope.Environment) (map[string]bool, error) {
	taken := map[string]bool{}
	return taken, tx.Query(ctx, func(row database.Scanner) error {
		name, err := scanText(row)
		taken[name] = true
		return err
	}, selectRoleNames, in.ID)
}

// RolePermissions adds permissions to a role.
type RolePermissions struct {
	RoleID         RoleID   `json:"role_id"         doc:"The role."`
	PermissionKeys []string `json:"permission_keys" doc:"The keys that it is to hold besides, at most 1000." maxItems:"1000"`
}

// Addition is what further resources are to have.
type Addition struct {
	Resources       []Resource        `json:"resources"        doc:"The kinds of things, at most 100." maxItems:"100"`
	RolePermissions []RolePermissions `json:"role_permissions" doc:"Which roles get which keys; may be empty." maxItems:"50"`
}

// Rules implements text.Ruled.
func (a *Addition) Rules(f *text.Fields) {
	resourceRules(f, a.Resources)
	f.Check("role_permissions", a.RolePermissions != nil && len(a.RolePermissions) <= 50, "must hold 0 to 50 roles")
	for i, r := range a.RolePermissions {
		f.Check("role_permissions["+itoa(i)+"].permission_keys", r.PermissionKeys != nil && len(r.PermissionKeys) <= maxRoleKeys,
			"must hold 0 to 1000 keys")
	}
}

// Added counts what an addition did.
type Added struct {
	PermissionsCreated int `json:"permissions_created" doc:"Keys that are new." example:"4"`
	SkippedPermissions int `json:"skipped_permissions" doc:"Keys that were there, and stay as they are." example:"0"`
	RolesUpdated       int `json:"roles_updated"       doc:"Roles that gained a key." example:"2"`
}

// AddResources makes permissions that are not there yet, and adds keys to roles. Faults:
// rbac.role_not_found, rbac.role_system_protected, validation for keys that are not there,
// permissions.system_not_grantable, rbac.limit_reached; then nothing is created. Events:
// setup.resource_permissions_added, permission.created, role.permissions.updated.
func (s *Service) AddResources(
	ctx context.Context, by principal.Actor, in scope.Environment, a Addition,
) (Added, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (n Added, err error) {
		roles := make([]Role, len(a.RolePermissions))
		for i, r := range a.RolePermissions {
			if roles[i], err = findRole(ctx, tx, in, r.RoleID); err != nil {
				return n, err
			}
		}
		for _, r := range roles {
			if r.SystemKey != nil {
				return n, ErrRoleProtected
			}
		}
		n.PermissionsCreated, n.SkippedPermissions, err = s.addMissing(ctx, tx, by, in, a.Resources)
		if err != nil {
			return n, err
		}
		var problems fault.Problems
		wanted := make([]map[string]Permission, len(roles))
		for i, r := range a.RolePermissions {
			field := "role_permissions[" + itoa(i) + "].permission_keys"
			if wanted[i], err = named(ctx, tx, in, field, r.PermissionKeys, &problems); err != nil {
				return n, err
			}
		}
		if err := problems.Err(); err != nil {
			return n, err
		}
		gained := map[RoleID]bool{}
		for i := range roles {
			// Another entry may have changed the same role.
			r, err := findRole(ctx, tx, in, roles[i].ID)
			if err != nil {
				return n, err
			}
			changed, err := s.grant(ctx, tx, by, in, r, wanted[i], false)
			if err != nil {
				return n, err
			}
			if changed {
				gained[r.ID] = true
			}
		}
		n.RolesUpdated = len(gained)
		return n, event.Record(ctx, tx, ResourcePermissionsAdded, entry(by, in, in.ID.Any(), e.Name), n)
	})
}

// Summary says how far the set-up of one Environment has come.
type Summary struct {
	Application        scope.ApplicationID
	ApplicationSlug    string
	Environment        environment.ID
	EnvironmentSlug    string
	HasPermissions     bool // a custom permission
	HasRoles           bool // a custom role
	HasRolePermissions bool // a permission of a custom role
	Identities         int  // with an active membership
}

// Summaries are those of all Environments of the Account, oldest first.
func (s *Service) Summaries(ctx context.Context, in scope.Account) ([]Summary, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (list []Summary, err error) {
		apps, err := application.List(ctx, tx, in.ID)
		if err != nil {
			return nil, err
		}
		for _, a := range apps {
			environments, err := environment.List(ctx, tx, scope.Application{Account: in, ID: a.ID, Slug: a.Slug})
			if err != nil {
				return nil, err
			}
			for _, e := range environments {
				one := Summary{Application: a.ID, ApplicationSlug: a.Slug, Environment: e.ID, EnvironmentSlug: e.Slug}
				err := tx.QueryRow(ctx, selectSetup, e.ID).Scan(&one.HasPermissions, &one.HasRoles, &one.HasRolePermissions)
				if err != nil {
					return nil, err
				}
				list = append(list, one)
			}
		}
		return list, nil
	})
}
