package tenantapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Environments serves the Environments of an Application.
type Environments struct {
	Applications *application.Service
	Environments *environment.Service
}

// fullEnvironment is an Environment with everything it has.
type fullEnvironment struct {
	ID            environment.ID `json:"id"             doc:"The Environment's id."`
	ApplicationID application.ID `json:"application_id" doc:"The Application that it belongs to."`
	Name          string         `json:"name"           doc:"Its name." example:"Development" maxLength:"100"`
	Slug          string         `json:"slug"           doc:"Its slug, for paths." example:"development" maxLength:"63"`
	Version       int            `json:"version"        doc:"Starts at 1 and grows with each change, of its hierarchy schema too." example:"1"`
	Settings      allSettings    `json:"settings"       doc:"What steers it; each key has an endpoint of its own."`
	CreatedAt     time.Time      `json:"created_at"     doc:"When it came into being."`
	UpdatedAt     time.Time      `json:"updated_at"     doc:"When it was changed last."`
}

// allSettings is put together from what is stored.
type allSettings struct {
	AccessModel          environment.Model    `json:"access_model"            doc:"flat or hierarchy."`
	HierarchySchema      *environment.Schema  `json:"hierarchy_schema"        doc:"The schema of the tree, null while none is stored."`
	MFARequired          bool                 `json:"mfa_required"            doc:"Whether signing in takes a second factor."`
	MFAGracePeriodDays   int                  `json:"mfa_grace_period_days"   doc:"Days in which a person may still sign in without one." example:"0"`
	MFATrustedDeviceDays int                  `json:"mfa_trusted_device_days" doc:"Days for which a device is trusted; 0 is off." example:"0"`
	MFAFactorAllowlist   []environment.Factor `json:"mfa_factor_allowlist"    doc:"The factors that may be used." maxItems:"3"`
}

func viewEnvironment(e environment.Environment) fullEnvironment {
	s := e.Settings
	return fullEnvironment{e.ID, e.Application, e.Name, e.Slug, e.Version, allSettings{
		e.Model, e.Schema, s.MFARequired, s.MFAGracePeriodDays, s.MFATrustedDeviceDays, s.MFAFactorAllowlist,
	}, e.CreatedAt, e.UpdatedAt}
}

// AnyEnvironment is the Environment as this door shows it.
var AnyEnvironment = wire.Shown(viewEnvironment)

// madeEnvironment is a new Environment, with the credentials that were made for it.
type madeEnvironment struct {
	Environment fullEnvironment   `json:"environment"                    doc:"The Environment."`
	Clients     []clientRotation  `json:"oauth_client_rotations"         doc:"OAuth clients that were copied, with new credentials." maxItems:"100"`
	Webhooks    []webhookRotation `json:"webhook_subscription_rotations" doc:"Webhooks that were copied, with new credentials." maxItems:"100"`
}

type clientRotation struct {
	SourceClientID string `json:"source_client_id" doc:"The client that was copied." maxLength:"36"`
	ClientID       string `json:"client_id"        doc:"The copy." maxLength:"36"`
	ClientSecret   string `json:"client_secret"    doc:"Its secret, shown here only." maxLength:"43"`
}

type webhookRotation struct {
	ID     string `json:"id"     doc:"The copy." maxLength:"36"`
	URL    string `json:"url"    doc:"Where it sends to." maxLength:"2048"`
	Secret string `json:"secret" doc:"Its secret, shown here only." maxLength:"100"`
}

// accessModel says what the tree of an Environment may be.
type accessModel struct {
	Model environment.Model `json:"model" doc:"flat or hierarchy."`
}

// Rules implements text.Ruled.
func (b *accessModel) Rules(f *text.Fields) {
	f.Check("model", b.Model == environment.Flat || b.Model == environment.Hierarchy, "must be flat or hierarchy")
}

// Routes registers the resource.
func (h *Environments) Routes(rt *wire.Router) {
	all := rt.InApplication("/environments", tagApplications)
	wire.Handle(all, wire.Route{
		Method: http.MethodGet, ID: "listEnvironments", Summary: "List Environments",
		About: "All Environments of the Application, oldest first.",
		Needs: permission.AccountView, Status: http.StatusOK,
	}, h.list)
	wire.Handle(all, wire.Route{
		Method: http.MethodPost, ID: "createEnvironment", Summary: "Create an Environment",
		About: "It is flat, and has a root node, the system permissions and the role platform_admin.",
		Needs: permission.EnvironmentManage, Idempotent: true, Status: http.StatusCreated,
		Faults: []*fault.Error{environment.ErrSlugTaken}, Writes: []wire.EventType{environment.Created},
	}, h.create)
	one := rt.InEnvironment("", tagApplications)
	wire.Handle(one, wire.Route{
		Method: http.MethodGet, ID: "getEnvironment", Summary: "Read an Environment",
		About: "One Environment of the Application. Its version is also that of the hierarchy schema.",
		Needs: permission.AccountView, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.Handle(one, wire.Route{
		Method: http.MethodPatch, ID: "updateEnvironment", Summary: "Change an Environment",
		About: "Absent fields stay as they are. A change that changes nothing raises no version.",
		Needs: permission.EnvironmentManage, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: []*fault.Error{fault.VersionConflict, environment.ErrSlugTaken},
		Writes: []wire.EventType{environment.Updated},
	}, h.update)
	wire.Handle(one, wire.Route{
		Method: http.MethodDelete, ID: "deleteEnvironment", Summary: "Delete an Environment",
		About: "Cuts it off at once, with everything in it. Its audit rows stay.",
		Needs: permission.EnvironmentManage, Status: http.StatusNoContent,
		Faults: []*fault.Error{application.ErrLastEnvironment, application.ErrIsDefault},
		Writes: []wire.EventType{application.EnvironmentDeleted},
	}, h.delete)
	wire.Handle(one, wire.Route{
		Method: http.MethodGet, Path: "/access-model", ID: "getAccessModel", Summary: "Read the access model",
		About: "Whether the Environment has a tree.",
		Needs: permission.HierarchyView, Status: http.StatusOK,
	}, h.model)
	wire.Handle(one, wire.Route{
		Method: http.MethodPut, Path: "/access-model", ID: "setAccessModel", Summary: "Change the access model",
		About: "From flat to hierarchy; nothing moves. Nodes can be added once a schema is stored.",
		Needs: permission.HierarchyManage, ETag: true, Status: http.StatusOK,
		Faults: []*fault.Error{environment.ErrRevertRequired}, Writes: []wire.EventType{environment.ModelSet},
	}, h.setModel)
}

func (h *Environments) list(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Application], _ wire.None,
) (wire.Items[fullEnvironment], error) {
	all, err := h.Environments.List(ctx, by.In)
	return wire.ItemsOf(all, err, viewEnvironment)
}

func (h *Environments) create(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Application], in application.Draft,
) (wire.Data[madeEnvironment], error) {
	e, err := h.Applications.AddEnvironment(ctx, by.Actor, by.In, in)
	return wire.Of(madeEnvironment{viewEnvironment(e), []clientRotation{}, []webhookRotation{}}, err)
}

func (h *Environments) get(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Data[fullEnvironment], error) {
	e, err := h.Environments.Get(ctx, by.In)
	return wire.OfVersion(c, viewEnvironment(e), e.Version, err)
}

func (h *Environments) update(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], in environment.Change,
) (wire.Data[fullEnvironment], error) {
	e, err := h.Environments.Update(ctx, by.Actor, by.In, in, c.Version(), wire.Shown(viewEnvironment))
	return wire.OfVersion(c, viewEnvironment(e), e.Version, err)
}

func (h *Environments) delete(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Empty, error) {
	return wire.Empty{}, h.Applications.DeleteEnvironment(ctx, by.Actor, by.In)
}

func (h *Environments) model(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Data[accessModel], error) {
	e, err := h.Environments.Get(ctx, by.In)
	return wire.Of(accessModel{e.Model}, err)
}

func (h *Environments) setModel(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], in accessModel,
) (wire.Data[fullEnvironment], error) {
	e, err := h.Environments.SetModel(ctx, by.Actor, by.In, in.Model)
	return wire.OfVersion(c, viewEnvironment(e), e.Version, err)
}
