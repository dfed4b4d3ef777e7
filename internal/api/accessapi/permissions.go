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
	"canopy.dev/canopy/internal/platform/wire"
)

// Permissions serves the catalogue of an Environment.
type Permissions struct{ Access *rbac.Service }

// fullPermission is a permission with everything it has.
type fullPermission struct {
	ID            rbac.PermissionID   `json:"id"             doc:"The permission's id."`
	ApplicationID scope.ApplicationID `json:"application_id" doc:"The Application."`
	Key           string              `json:"key"            doc:"Its key, unique in the Environment; it never changes." example:"lease.approve" maxLength:"128"`
	Name          string              `json:"name"           doc:"Its name." example:"Approve leases" maxLength:"100"`
	Description   *string             `json:"description"    doc:"What it allows, in a few words." maxLength:"1000"`
	Category      string              `json:"category"       doc:"What it is listed under." example:"lease" maxLength:"100"`
	Source        rbac.Source         `json:"source"         doc:"system: exists in every Environment and can't be changed."`
	CreatedAt     time.Time           `json:"created_at"     doc:"When it came into being."`
	Version       int                 `json:"version"        doc:"Starts at 1 and grows with each change." example:"1"`
}

func viewPermission(in scope.Environment) func(rbac.Permission) fullPermission {
	return func(p rbac.Permission) fullPermission {
		return fullPermission{
			p.ID, in.Application.ID, p.Key, p.Name, p.Description, p.Category, p.Source, p.CreatedAt, p.Version,
		}
	}
}

// newPermissions are to be made together.
type newPermissions struct {
	Permissions []rbac.NewPermission `json:"permissions" doc:"1 to 500 permissions: all are made, or none." maxItems:"500"`
}

// Rules implements text.Ruled.
func (b *newPermissions) Rules(f *text.Fields) {
	f.Check("permissions", len(b.Permissions) >= 1 && len(b.Permissions) <= 500, "must hold 1 to 500 permissions")
	for i := range b.Permissions {
		f.Each("permissions", i, &b.Permissions[i])
	}
}

// madePermissions has the first one where clients of the contract look for it.
type madePermissions struct {
	Data  fullPermission   `json:"data"  doc:"The first one."`
	Items []fullPermission `json:"items" doc:"All of them, in the order in which they came." maxItems:"500"`
}

type permissionUsage struct {
	PermissionID  rbac.PermissionID `json:"permission_id"  doc:"The permission."`
	RoleCount     int               `json:"role_count"     doc:"Roles that hold it, inactive ones too." example:"2"`
	IdentityCount int               `json:"identity_count" doc:"Distinct identities with any assignment of one of them." example:"14"`
	Roles         []usingRole       `json:"roles"          doc:"The roles, by name." maxItems:"1001"`
}

type usingRole struct {
	ID           rbac.RoleID `json:"id"             doc:"The role's id."`
	Name         string      `json:"name"           doc:"Its name." example:"Regional Manager" maxLength:"100"`
	Description  *string     `json:"description"    doc:"What it is for." maxLength:"1000"`
	IsSystemRole bool        `json:"is_system_role" doc:"Whether it is the system's own."`
	IsActive     bool        `json:"is_active"      doc:"Whether it grants anything."`
	MemberCount  int         `json:"member_count"   doc:"Distinct identities with any assignment of it." example:"14"`
}

func viewUsage(of rbac.PermissionID, u rbac.Usage) permissionUsage {
	v := permissionUsage{PermissionID: of, RoleCount: len(u.Roles), IdentityCount: u.Identities, Roles: []usingRole{}}
	for _, r := range u.Roles {
		v.Roles = append(v.Roles, usingRole{r.ID, r.Name, r.Description, r.SystemKey != nil, r.Active, r.Members})
	}
	return v
}

var (
	tagAccess = wire.Tag{
		Name: "Permissions and roles", About: "What may be done in an Environment, and the roles that bundle it.",
	}
	permissionID     = wire.PathID[rbac.PermissionID]("id", "The permission's id.", rbac.ErrPermissionNotFound)
	permissionSource = wire.QueryEnum("source", "Only those of one source.", rbac.System, rbac.Custom)
)

// Routes registers the resource.
func (h *Permissions) Routes(rt *wire.Router) {
	g := rt.Twins("/permissions", tagAccess)
	one := []wire.Parameter{permissionID}
	changing := []*fault.Error{fault.VersionConflict, rbac.ErrPermissionProtected}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listPermissions", Summary: "List permissions",
		About: "The catalogue of the Environment, by category, then key.",
		Needs: permission.RolesView, Params: []wire.Parameter{permissionSource}, Status: http.StatusOK,
	}, h.list)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createPermissions", Summary: "Create permissions",
		About: "All of them, or none. A permission grants nothing by itself; roles bundle it.",
		Needs: permission.RolesManage, Body: wire.BodyRows, Idempotent: true, Status: http.StatusCreated,
		Faults: []*fault.Error{rbac.ErrKeyTaken, rbac.ErrLimitReached},
		Writes: []wire.EventType{rbac.PermissionCreated},
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getPermission", Summary: "Read a permission",
		About: "One permission of the catalogue.",
		Needs: permission.RolesView, Params: one, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updatePermission", Summary: "Change a permission",
		About: "Absent fields stay as they are. A change that changes nothing raises no version.",
		Needs: permission.RolesManage, Params: one, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: changing, Writes: []wire.EventType{rbac.PermissionUpdated},
	}, h.update)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "deletePermission", Summary: "Delete a permission",
		About: "Every role loses it at the same moment. Scopes of API keys stay as they are.",
		Needs: permission.RolesManage, Params: one, IfMatch: true, Status: http.StatusNoContent,
		Faults: changing, Writes: []wire.EventType{rbac.PermissionDeleted},
	}, h.delete)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/usage", ID: "getPermissionUsage", Summary: "See who uses a permission",
		About: "The roles that hold it, and how many identities they reach.",
		Needs: permission.RolesView, Params: one, Status: http.StatusOK,
	}, h.usage)
}

func (h *Permissions) list(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Items[fullPermission], error) {
	all, err := h.Access.Permissions(ctx, by.In, permissionSource.Of(c))
	return wire.ItemsOf(all, err, viewPermission(by.In))
}

func (h *Permissions) create(
	ctx context.Context, _ *wire.Call, by wire.By, in newPermissions,
) (made madePermissions, err error) {
	all, err := h.Access.AddPermissions(ctx, by.Actor, by.In, in.Permissions)
	for _, p := range all {
		made.Items = append(made.Items, viewPermission(by.In)(p))
	}
	if len(made.Items) > 0 {
		made.Data = made.Items[0]
	}
	return made, err
}

func (h *Permissions) get(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Data[fullPermission], error) {
	p, err := h.Access.Permission(ctx, by.In, permissionID.Of(c))
	return wire.OfVersion(c, viewPermission(by.In)(p), p.Version, err)
}

func (h *Permissions) update(
	ctx context.Context, c *wire.Call, by wire.By, in rbac.PermissionChange,
) (wire.Data[fullPermission], error) {
	shown := wire.Shown(viewPermission(by.In))
	p, err := h.Access.UpdatePermission(ctx, by.Actor, by.In, permissionID.Of(c), in, c.Version(), shown)
	return wire.OfVersion(c, viewPermission(by.In)(p), p.Version, err)
}

func (h *Permissions) delete(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Access.DeletePermission(
		ctx, by.Actor, by.In, permissionID.Of(c), c.Version(), wire.Shown(viewPermission(by.In)))
}

func (h *Permissions) usage(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Data[permissionUsage], error) {
	of := permissionID.Of(c)
	u, err := h.Access.UsageOf(ctx, by.In, of)
	return wire.Of(viewUsage(of, u), err)
}
