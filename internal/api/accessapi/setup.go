package accessapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Setup serves the first steps of an Environment.
type Setup struct{ Access *rbac.Service }

type setupSummary struct {
	ApplicationID      scope.ApplicationID `json:"application_id"       doc:"The Application."`
	ApplicationSlug    string              `json:"application_slug"     doc:"Its slug." example:"lease-desk" maxLength:"63"`
	EnvironmentID      environment.ID      `json:"environment_id"       doc:"The Environment."`
	EnvironmentSlug    string              `json:"environment_slug"     doc:"Its slug." example:"development" maxLength:"63"`
	HasPermissions     bool                `json:"has_permissions"      doc:"Whether it has a custom permission."`
	HasRoles           bool                `json:"has_roles"            doc:"Whether it has a custom role."`
	HasRolePermissions bool                `json:"has_role_permissions" doc:"Whether a custom role holds a permission."`
	IsComplete         bool                `json:"is_complete"          doc:"All three."`
	IdentitiesCount    int                 `json:"identities_count"     doc:"Identities with an active membership." example:"0"`
}

func viewSummary(s rbac.Summary) setupSummary {
	return setupSummary{
		s.Application, s.ApplicationSlug, s.Environment, s.EnvironmentSlug,
		s.HasPermissions, s.HasRoles, s.HasRolePermissions,
		s.HasPermissions && s.HasRoles && s.HasRolePermissions, s.Identities,
	}
}

var tagSetup = wire.Tag{Name: "Set-up", About: "First permissions and roles, and how far each Environment has come."}

// Routes registers the resource.
func (h *Setup) Routes(rt *wire.Router) {
	g := rt.InEnvironment("/setup", tagSetup)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/access-bootstrap", ID: "bootstrapAccess",
		Summary: "Make first permissions and roles",
		About:   "In one step, and again without harm: what is there stays as it is. Nobody gets a role.",
		Needs:   permission.RolesManage, Body: wire.BodyRows, Idempotent: true, Status: http.StatusCreated,
		Faults: []*fault.Error{rbac.ErrNotGrantable, rbac.ErrLimitReached},
		Writes: []wire.EventType{
			rbac.AccessBootstrapped, rbac.PermissionCreated, rbac.RoleCreated, rbac.RolePermissionsUpdated,
		},
	}, h.bootstrap)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/resource-permissions", ID: "addResourcePermissions",
		Summary: "Add the permissions of resources",
		About:   "Makes the keys that are not there yet, and adds keys to roles.",
		Needs:   permission.RolesManage, Body: wire.BodyRows, Idempotent: true, Status: http.StatusCreated,
		Faults: []*fault.Error{rbac.ErrRoleNotFound, rbac.ErrRoleProtected, rbac.ErrNotGrantable, rbac.ErrLimitReached},
		Writes: []wire.EventType{rbac.ResourcePermissionsAdded, rbac.PermissionCreated, rbac.RolePermissionsUpdated},
	}, h.add)
	wire.Handle(rt.InAccount("/setup-summaries", tagSetup), wire.Route{
		Method: http.MethodGet, ID: "listSetupSummaries", Summary: "See how far Environments are set up",
		About: "One row for each Environment of the Account, oldest first.",
		Needs: permission.AccountView, Status: http.StatusOK,
	}, h.summaries)
}

func (h *Setup) bootstrap(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], in rbac.Bootstrap,
) (wire.Data[rbac.Bootstrapped], error) {
	return wire.Of(h.Access.Bootstrap(ctx, by.Actor, by.In, in))
}

func (h *Setup) add(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], in rbac.Addition,
) (wire.Data[rbac.Added], error) {
	return wire.Of(h.Access.AddResources(ctx, by.Actor, by.In, in))
}

func (h *Setup) summaries(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Items[setupSummary], error) {
	all, err := h.Access.Summaries(ctx, by.In)
	return wire.ItemsOf(all, err, viewSummary)
}
