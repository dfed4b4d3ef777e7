package accessapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/wire"
)

// Roles serves the roles of an Environment.
type Roles struct{ Access *rbac.Service }

// fullRole is a role with everything it has.
type fullRole struct {
	ID            rbac.RoleID         `json:"id"             doc:"The role's id."`
	ApplicationID scope.ApplicationID `json:"application_id" doc:"The Application."`
	Name          string              `json:"name"           doc:"Its name, unique in the Environment without regard to case." example:"Regional Manager" maxLength:"100"`
	Description   *string             `json:"description"    doc:"What it is for." maxLength:"1000"`
	IsSystemRole  bool                `json:"is_system_role" doc:"Whether it is the system's own, which can't be changed or assigned."`
	SystemKey     *string             `json:"system_key"     doc:"platform_admin for the system's own." maxLength:"100"`
	IsActive      bool                `json:"is_active"      doc:"An inactive role keeps its assignments and grants nothing."`
	CreatedAt     time.Time           `json:"created_at"     doc:"When it came into being."`
	UpdatedAt     time.Time           `json:"updated_at"     doc:"When it was changed last."`
	Version       int                 `json:"version"        doc:"Starts at 1 and grows with each change." example:"1"`

	// In lists only.
	PermissionCount *int `json:"permission_count,omitempty" nullable:"false" doc:"In lists: permissions that it holds." example:"7"`
	MemberCount     *int `json:"member_count,omitempty"     nullable:"false" doc:"In lists: distinct identities with any assignment of it." example:"14"`
}

func viewRole(in scope.Environment, r rbac.Role) fullRole {
	return fullRole{
		r.ID, in.Application.ID, r.Name, r.Description, r.SystemKey != nil, r.SystemKey, r.Active,
		r.CreatedAt, r.UpdatedAt, r.Version, nil, nil,
	}
}

// roleKeys is the whole set of a role's permissions.
type roleKeys struct {
	PermissionKeys []string `json:"permission_keys" doc:"The whole set, at most 10000 keys; repeats are merged." maxItems:"10000"`
}

// Rules implements text.Ruled.
func (b *roleKeys) Rules(f *text.Fields) {
	f.Check("permission_keys", b.PermissionKeys != nil && len(b.PermissionKeys) <= 10_000, "must hold 0 to 10000 keys")
}

// yesNo is a switch in a query.
type yesNo string

var (
	roleID       = wire.PathID[rbac.RoleID]("id", "The role's id.", rbac.ErrRoleNotFound)
	roleType     = wire.QueryEnum("type", "Only those of one type.", rbac.SystemRole, rbac.CustomRole)
	withInactive = wire.QueryEnum[yesNo]("include_inactive", "Whether inactive roles are listed too.", "true", "false")
)

// Routes registers the resource.
func (h *Roles) Routes(rt *wire.Router) {
	g := rt.Twins("/roles", tagAccess)
	one := []wire.Parameter{roleID}
	changing := []*fault.Error{fault.VersionConflict, rbac.ErrRoleProtected}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listRoles", Summary: "List roles",
		About: "The roles of the Environment, by name; active ones only unless asked otherwise.",
		Needs: permission.RolesView, Params: []wire.Parameter{withInactive, roleType}, Status: http.StatusOK,
	}, h.list)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createRole", Summary: "Create a role",
		About: "It is active and holds no permission yet.",
		Needs: permission.RolesManage, Idempotent: true, ETag: true, Status: http.StatusCreated,
		Faults: []*fault.Error{rbac.ErrRoleNameTaken, rbac.ErrLimitReached}, Writes: []wire.EventType{rbac.RoleCreated},
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getRole", Summary: "Read a role",
		About: "One role of the Environment.",
		Needs: permission.RolesView, Params: one, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateRole", Summary: "Change a role",
		About: "Absent fields stay as they are. Every holder sees the change at once.",
		Needs: permission.RolesManage, Params: one, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: append(changing, rbac.ErrRoleNameTaken), Writes: []wire.EventType{rbac.RoleUpdated},
	}, h.update)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "deleteRole", Summary: "Delete a role",
		About: "Takes its assignments along.",
		Needs: permission.RolesManage, Params: one, IfMatch: true, Status: http.StatusNoContent,
		Faults: changing, Writes: []wire.EventType{rbac.RoleDeleted, identityinvite.Withdrawn},
	}, h.delete)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/permissions", ID: "getRolePermissions", Summary: "List a role's permissions",
		About: "The keys that it holds, sorted. The ETag is the role's version.",
		Needs: permission.RolesView, Params: one, ETag: true, Status: http.StatusOK,
	}, h.keys)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPut, Path: "/{id}/permissions", ID: "setRolePermissions", Summary: "Set a role's permissions",
		About: "Replaces the whole set. The current set again changes nothing.",
		Needs: permission.RolesManage, Params: one, Body: wire.BodyRows, IfMatch: true, Status: http.StatusOK,
		Faults: append(changing, rbac.ErrPermissionNotFound, rbac.ErrNotGrantable),
		Writes: []wire.EventType{rbac.RolePermissionsUpdated},
	}, h.setKeys)
}

func (h *Roles) list(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Items[fullRole], error) {
	all, err := h.Access.Roles(ctx, by.In, roleType.Of(c), withInactive.Of(c) == "true")
	return wire.ItemsOf(all, err, func(l rbac.Listed) fullRole {
		v := viewRole(by.In, l.Role)
		v.PermissionCount, v.MemberCount = &l.Permissions, &l.Members
		return v
	})
}

func (h *Roles) create(ctx context.Context, c *wire.Call, by wire.By, in rbac.NewRole) (wire.Data[fullRole], error) {
	r, err := h.Access.AddRole(ctx, by.Actor, by.In, in)
	return wire.OfVersion(c, viewRole(by.In, r), r.Version, err)
}

func (h *Roles) get(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Data[fullRole], error) {
	r, err := h.Access.Role(ctx, by.In, roleID.Of(c))
	return wire.OfVersion(c, viewRole(by.In, r), r.Version, err)
}

func (h *Roles) update(
	ctx context.Context, c *wire.Call, by wire.By, in rbac.RoleChange,
) (wire.Data[fullRole], error) {
	r, err := h.Access.UpdateRole(ctx, by.Actor, by.In, roleID.Of(c), in, c.Version(), wire.ShownIn(by.In, viewRole))
	return wire.OfVersion(c, viewRole(by.In, r), r.Version, err)
}

func (h *Roles) delete(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	shown := wire.ShownIn(by.In, viewRole)
	return wire.Empty{}, h.Access.DeleteRole(ctx, by.Actor, by.In, roleID.Of(c), c.Version(), shown)
}

func (h *Roles) keys(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Items[string], error) {
	r, keys, err := h.Access.RoleKeys(ctx, by.In, roleID.Of(c))
	if err == nil {
		c.SetVersion(r.Version)
	}
	return wire.Items[string]{Items: keys}, err
}

func (h *Roles) setKeys(
	ctx context.Context, c *wire.Call, by wire.By, in roleKeys,
) (wire.Data[wire.Message], error) {
	shown := wire.ShownIn(by.In, viewRole)
	err := h.Access.SetRoleKeys(ctx, by.Actor, by.In, roleID.Of(c), in.PermissionKeys, c.Version(), shown)
	return wire.Say("Role permissions updated", err)
}
