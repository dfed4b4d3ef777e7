package tenantapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Applications serves the Applications of an Account.
type Applications struct{ Applications *application.Service }

// fullApplication is an Application with everything it has.
type fullApplication struct {
	ID        application.ID  `json:"id"                     doc:"The Application's id."`
	AccountID scope.AccountID `json:"account_id"             doc:"The Account that it belongs to."`
	Name      string          `json:"name"                   doc:"Its name." example:"Lease Desk" maxLength:"100"`
	Slug      string          `json:"slug"                   doc:"Its slug, for paths; it never changes." example:"lease-desk" maxLength:"63"`
	Settings  jsontext.Value  `json:"settings"               doc:"Free JSON object." type:"object"`
	Default   environment.ID  `json:"default_environment_id" doc:"The Environment for who names none."`
	Version   int             `json:"version"                doc:"Starts at 1 and grows with each change." example:"1"`
	CreatedAt time.Time       `json:"created_at"             doc:"When it came into being."`
	UpdatedAt time.Time       `json:"updated_at"             doc:"When it was changed last."`
}

func viewApplication(a application.Application) fullApplication {
	return fullApplication{
		a.ID, a.AccountID, a.Name, a.Slug, a.Settings, a.DefaultEnvironmentID, a.Version, a.CreatedAt, a.UpdatedAt,
	}
}

// chosenSlug names an Environment of the Application.
type chosenSlug struct {
	Slug string `json:"slug" doc:"The slug of an Environment of the Application." example:"production"`
}

// Rules implements text.Ruled: a slug that can't be names nothing.
func (b *chosenSlug) Rules(f *text.Fields) { f.Field("slug", &b.Slug, knownSlug) }

// resumeState says which Environment a dashboard opens.
type resumeState struct {
	EnvironmentSlug string `json:"environment_slug" doc:"The slug of an Environment of the Application." example:"production"`
}

// Rules implements text.Ruled.
func (b *resumeState) Rules(f *text.Fields) {
	f.Field("environment_slug", &b.EnvironmentSlug, knownSlug)
}

// knownSlug is for a slug that is looked up: any text is, and anything that is not a slug names nothing.
var knownSlug = text.Rule{
	Normalize: func(s string) (string, string) { return s, "" }, MaxLength: 63, Example: "production",
}

var tagApplications = wire.Tag{
	Name: "Applications", About: "The products of an Account whose access is managed, and their Environments.",
}

// Routes registers the resource.
func (h *Applications) Routes(rt *wire.Router) {
	all := rt.InAccount("/applications", tagApplications)
	wire.Handle(all, wire.Route{
		Method: http.MethodGet, ID: "listApplications", Summary: "List Applications",
		About: "All Applications of the Account, oldest first.",
		Needs: permission.AccountView, Status: http.StatusOK,
	}, h.list)
	wire.Handle(all, wire.Route{
		Method: http.MethodPost, ID: "createApplication", Summary: "Create an Application",
		About: "The Environments Development, the default one, and Production are made with it.",
		Needs: permission.ApplicationManage, Idempotent: true, ETag: true, Status: http.StatusCreated,
		Faults: []*fault.Error{application.ErrSlugTaken},
		Writes: []wire.EventType{application.Created, environment.Created},
	}, h.create)
	one := rt.InApplication("", tagApplications)
	wire.Handle(one, wire.Route{
		Method: http.MethodGet, ID: "getApplication", Summary: "Read an Application",
		About: "One Application of the Account.",
		Needs: permission.AccountView, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.Handle(one, wire.Route{
		Method: http.MethodPatch, ID: "updateApplication", Summary: "Change an Application",
		About: "Absent fields stay as they are. A change that changes nothing raises no version.",
		Needs: permission.ApplicationManage, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: []*fault.Error{fault.VersionConflict}, Writes: []wire.EventType{application.Updated},
	}, h.update)
	wire.Handle(one, wire.Route{
		Method: http.MethodDelete, ID: "deleteApplication", Summary: "Delete an Application",
		About: "Cuts it off at once, with its Environments and everything in them. Identities stay.",
		Needs: permission.ApplicationManage, Waits: true, Status: http.StatusNoContent,
		Faults: []*fault.Error{application.ErrLast}, Writes: []wire.EventType{application.Deleted},
	}, h.delete)
	wire.Handle(one, wire.Route{
		Method: http.MethodPut, Path: "/default-environment", ID: "setDefaultEnvironment",
		Summary: "Choose the default Environment",
		About:   "The Environment of user tokens on /api/v1 that name none, from the next call on.",
		Needs:   permission.ApplicationManage, ETag: true, Status: http.StatusOK,
		Faults: []*fault.Error{application.ErrNotInApplication}, Writes: []wire.EventType{application.DefaultSet},
	}, h.setDefault)
	wire.Handle(one, wire.Route{
		Method: http.MethodGet, Path: "/me/state", ID: "getResumeState", Summary: "Read where I was",
		About: "Which Environment the caller's dashboard opens: the one remembered, else the default one.",
		Needs: permission.AccountView, Status: http.StatusOK,
	}, h.resume)
	wire.Handle(one, wire.Route{
		Method: http.MethodPut, Path: "/me/state", ID: "setResumeState", Summary: "Remember where I am",
		About: "Which Environment the caller's dashboard is to open. It changes nothing but this hint.",
		Needs: permission.AccountView, Status: http.StatusOK,
		Faults: []*fault.Error{application.ErrNotInApplication}, Writes: []wire.EventType{application.ResumeStateSet},
	}, h.setResume)
}

func (h *Applications) list(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Items[fullApplication], error) {
	all, err := h.Applications.List(ctx, by.In)
	return wire.ItemsOf(all, err, viewApplication)
}

func (h *Applications) create(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in application.Draft,
) (wire.Data[fullApplication], error) {
	a, err := h.Applications.Add(ctx, by.Actor, by.In, in)
	return wire.OfVersion(c, viewApplication(a), a.Version, err)
}

func (h *Applications) get(
	ctx context.Context, c *wire.Call, by wire.At[scope.Application], _ wire.None,
) (wire.Data[fullApplication], error) {
	a, err := h.Applications.Get(ctx, by.In)
	return wire.OfVersion(c, viewApplication(a), a.Version, err)
}

func (h *Applications) update(
	ctx context.Context, c *wire.Call, by wire.At[scope.Application], in application.Change,
) (wire.Data[fullApplication], error) {
	a, err := h.Applications.Update(ctx, by.Actor, by.In, in, c.Version(), wire.Shown(viewApplication))
	return wire.OfVersion(c, viewApplication(a), a.Version, err)
}

func (h *Applications) delete(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Application], _ wire.None,
) (wire.Empty, error) {
	return wire.Empty{}, h.Applications.Delete(ctx, by.Actor, by.In)
}

func (h *Applications) setDefault(
	ctx context.Context, c *wire.Call, by wire.At[scope.Application], in chosenSlug,
) (wire.Data[fullApplication], error) {
	a, err := h.Applications.SetDefault(ctx, by.Actor, by.In, in.Slug)
	return wire.OfVersion(c, viewApplication(a), a.Version, err)
}

func (h *Applications) resume(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Application], _ wire.None,
) (wire.Data[resumeState], error) {
	slug, err := h.Applications.Resume(ctx, by.User, by.In)
	return wire.Of(resumeState{slug}, err)
}

func (h *Applications) setResume(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Application], in resumeState,
) (wire.Data[resumeState], error) {
	return wire.Of(in, h.Applications.SetResume(ctx, by.User, by.In, in.EnvironmentSlug))
}
