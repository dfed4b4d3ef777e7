package rbac

import (
	"context"
	"maps"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Resource is a kind of thing with what can be done to it; it yields the keys
// <name>.<action>.
type Resource struct {
	Name    string   `json:"name"    doc:"The kind of thing." example:"lease" maxLength:"100"`
	Actions []string `json:"actions" doc:"What can be done to it, 1 to 50." maxItems:"50"`
}

// permissions are those of a resource, named in words: "Create purchase order".
func (r Resource) permissions() []NewPermission {
	list := make([]NewPermission, len(r.Actions))
	for i, action := range r.Actions {
		words := strings.NewReplacer("_", " ", "-", " ", ".", " ").Replace(action + " " + r.Name)
		words = words[:min(maxName, len(words))]
		list[i] = NewPermission{
			Key: r.Name + "." + action, Name: strings.TrimSpace(strings.ToUpper(words[:1]) + words[1:]), Category: r.Name,
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
		for _, action := range r.Actions {
			key := r.Name + "." + action
			_, broken := KeyRule.Normalize(key)
			f.Check(at, broken == "", "makes the key "+shown(key)+", which "+broken)
		}
	}
}

// shown is a text as far as a sentence tells it.
func shown(s string) string {
	if runes := []rune(s); len(runes) > maxKey {
		s = string(runes[:maxKey]) + "…"
	}
	return `"` + s + `"`
}

const (
	maxName     = 100   // characters
	maxRoleKeys = 1_000 // that one role of a call may name
	maxTold     = 50    // problems that one answer tells
)

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
		named := make([]namedKeys, len(b.Roles))
		for i, r := range b.Roles {
			named[i] = namedKeys{"roles[" + itoa(i) + "]", r.PermissionKeys}
		}
		c, err := look(ctx, tx, in, b.Resources, named)
		if err != nil {
			return n, err
		}
		taken, err := roleNames(ctx, tx, in)
		if err != nil {
			return n, err
		}
		for _, r := range b.Roles {
			if taken[text.Fold(r.Name)] {
				n.SkippedRoles++
			}
		}
		n.PermissionsCreated, n.SkippedPermissions = len(c.fresh), c.skipped
		n.RolesCreated = len(b.Roles) - n.SkippedRoles
		if err := s.roomFor(ctx, tx, in, n.RolesCreated); err != nil {
			return n, err
		}
		if err := s.complete(ctx, tx, by, in, &c); err != nil {
			return n, err
		}
		for _, r := range b.Roles {
			if taken[text.Fold(r.Name)] {
				continue
			}
			role, err := s.addRole(ctx, tx, by, in, r.NewRole)
			if err != nil {
				return n, err
			}
			if _, err := s.grant(ctx, tx, by, in, role, c.of(r.PermissionKeys), false); err != nil {
				return n, err
			}
		}
		return n, event.Record(ctx, tx, AccessBootstrapped, entry(by, in, in.ID.Any(), e.Name), n)
	})
}

// namedKeys are the keys that one entry of a body names.
type namedKeys struct {
	at   string // the entry
	keys []string
}

// content is the catalogue as far as a call names it.
type content struct {
	there   map[string]Permission // by key
	fresh   []NewPermission       // what the call's resources yield and the catalogue lacks
	skipped int                   // what they yield and it has
}

// of are the permissions of keys, all of which are there.
func (c content) of(keys []string) map[string]Permission {
	found := make(map[string]Permission, len(keys))
	for _, key := range keys {
		found[key] = c.there[key]
	}
	return found
}

// look reads what a call names. A key that the catalogue lacks and no resource yields is
// validation; the fault permissions.system_not_grantable.
func look(
	ctx context.Context, tx *database.Tx, in scope.Environment, resources []Resource, named []namedKeys,
) (c content, err error) {
	yields := map[string]bool{}
	var all []NewPermission
	for _, r := range resources {
		for _, p := range r.permissions() {
			if !yields[p.Key] {
				yields[p.Key] = true
				all = append(all, p)
			}
		}
	}
	keys := slices.Collect(maps.Keys(yields))
	for _, n := range named {
		keys = append(keys, n.keys...)
	}
	if c.there, err = known(ctx, tx, in, keys); err != nil {
		return c, err
	}
	for _, p := range all {
		if _, is := c.there[p.Key]; is {
			c.skipped++
		} else {
			c.fresh = append(c.fresh, p)
		}
	}
	return c, c.judge(named, yields)
}

// judge finds what is wrong with the keys that entries name.
func (c content) judge(named []namedKeys, yields map[string]bool) error {
	var problems fault.Problems
	refused := map[string]bool{}
	for _, n := range named {
		for _, key := range n.keys {
			p, is := c.there[key]
			switch {
			case is && !grantable(key, p.Source):
				refused[key] = true
			case !is && !yields[key] && len(problems) < maxTold:
				problems.Add(n.at+".permission_keys", "names "+shown(key)+", which is no permission of the Environment")
			}
		}
	}
	if err := problems.Err(); err != nil {
		return err
	}
	if len(refused) > 0 {
		return ErrNotGrantable.WithData(keysData{slices.Sorted(maps.Keys(refused))})
	}
	return nil
}

// complete makes the permissions that are fresh.
func (s *Service) complete(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, c *content,
) error {
	made, err := s.addPermissions(ctx, tx, by, in, c.fresh)
	for _, p := range made {
		c.there[p.Key] = p
	}
	return err
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
	RoleID         string   `json:"role_id"         doc:"The role; anything that is not an id names none." format:"uuid" maxLength:"36"`
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
		f.Check("role_permissions["+itoa(i)+"].permission_keys",
			r.PermissionKeys != nil && len(r.PermissionKeys) <= maxRoleKeys, "must hold 0 to 1000 keys")
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
		named := make([]namedKeys, len(a.RolePermissions))
		ids := make([]RoleID, len(a.RolePermissions))
		system := false
		for i, g := range a.RolePermissions {
			r, err := roleNamed(ctx, tx, in, g.RoleID)
			if err != nil {
				return n, err
			}
			system = system || r.SystemKey != nil
			ids[i], named[i] = r.ID, namedKeys{"role_permissions[" + itoa(i) + "]", g.PermissionKeys}
		}
		if system {
			return n, ErrRoleProtected
		}
		c, err := look(ctx, tx, in, a.Resources, named)
		if err != nil {
			return n, err
		}
		n.PermissionsCreated, n.SkippedPermissions = len(c.fresh), c.skipped
		if err := s.complete(ctx, tx, by, in, &c); err != nil {
			return n, err
		}
		if n.RolesUpdated, err = s.grantAll(ctx, tx, by, in, ids, named, c); err != nil {
			return n, err
		}
		return n, event.Record(ctx, tx, ResourcePermissionsAdded, entry(by, in, in.ID.Any(), e.Name), n)
	})
}

// roleNamed finds the role that a body names; anything that is not an id names none.
func roleNamed(ctx context.Context, tx *database.Tx, in scope.Environment, raw string) (Role, error) {
	of, err := id.Parse[RoleID](raw)
	if err != nil {
		return Role{}, ErrRoleNotFound
	}
	return FindRole(ctx, tx, in, of)
}

// grantAll adds keys to roles, each of which changes once however often it is named, and
// counts those that gained one.
func (s *Service) grantAll(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, ids []RoleID, named []namedKeys,
	c content,
) (gained int, err error) {
	wanted := map[RoleID]map[string]Permission{}
	for i, of := range ids {
		if wanted[of] == nil {
			wanted[of] = map[string]Permission{}
		}
		maps.Copy(wanted[of], c.of(named[i].keys))
	}
	for i, of := range ids {
		if slices.Contains(ids[:i], of) {
			continue
		}
		r, err := FindRole(ctx, tx, in, of)
		if err != nil {
			return gained, err
		}
		changed, err := s.grant(ctx, tx, by, in, r, wanted[of], false)
		if err != nil {
			return gained, err
		}
		if changed {
			gained++
		}
	}
	return gained, nil
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
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Summary, error) {
		return database.All(ctx, tx, scanSummary, selectSetup, in.ID)
	})
}

func scanSummary(row database.Scanner) (s Summary, err error) {
	return s, row.Scan(&s.Application, &s.ApplicationSlug, &s.Environment, &s.EnvironmentSlug,
		&s.HasPermissions, &s.HasRoles, &s.HasRolePermissions)
}
