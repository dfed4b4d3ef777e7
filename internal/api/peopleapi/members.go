package peopleapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/wire"
)

// Members serves the identities of an Application: those who have an active place there.
// Roles and assignments are those of its default Environment.
type Members struct{ *Identities }

// appMembership is a place in an Application.
type appMembership struct {
	ID            membership.AppID    `json:"id"             doc:"The membership's id."`
	IdentityID    enduser.ID          `json:"identity_id"    doc:"Whose it is."`
	ApplicationID scope.ApplicationID `json:"application_id" doc:"Where."`
	Status        membership.Status   `json:"status"         doc:"Whether it counts."`
	InvitedAt     *time.Time          `json:"invited_at"     doc:"When it was invited; null without an invite."`
	ActivatedAt   *time.Time          `json:"activated_at"   doc:"When it was activated last."`
	DeactivatedAt *time.Time          `json:"deactivated_at" doc:"When it was deactivated; null while it is active."`
	CreatedAt     time.Time           `json:"created_at"     doc:"When it came into being."`
}

func viewApp(a membership.App) appMembership {
	return appMembership{
		a.ID, a.Identity, a.Application, a.Status, instant(a.InvitedAt), instant(a.ActivatedAt), instant(a.DeactivatedAt),
		a.BeganAt(),
	}
}

// appAdded are the events of bringing somebody into an Application.
var appAdded = []wire.EventType{membership.AppAdded, membership.Added}

// appRemoved are those of taking somebody out.
var appRemoved = []wire.EventType{membership.AppRemoved, membership.Removed, identityinvite.Withdrawn}

// Routes registers the resource.
func (h *Members) Routes(rt *wire.Router) {
	g := rt.InDefaultEnvironment("/identities", tagIdentities)
	one := []wire.Parameter{identityID}
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listApplicationIdentities", Summary: "List an Application's identities",
		About: "One page of those who may use the Application.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityStatus, identityPaging}, Status: http.StatusOK,
	}, from(inApplication, h.list))
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/with-roles", ID: "listApplicationIdentitiesWithRoles",
		Summary: "List an Application's identities with roles",
		About:   "One page of those who may use the Application, with what they hold in its default Environment.",
		Needs:   permission.IdentityView, Params: []wire.Parameter{identityStatus, holdsRole, identityPaging},
		Status: http.StatusOK,
	}, from(inApplication, h.holders))
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getApplicationIdentitiesSummary",
		Summary: "Count an Application's identities",
		About:   "How many may use the Application, with and without an assignment in its default Environment.",
		Needs:   permission.IdentityView, Status: http.StatusOK,
	}, from(inApplication, h.summary))
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getApplicationIdentity", Summary: "Read an Application's identity",
		About: "Somebody who may use the Application.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inApplication, h.get))
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/detail", ID: "getApplicationIdentityDetail",
		Summary: "Read an Application's identity in detail",
		About:   "Somebody who may use the Application, with what it holds in the default Environment.",
		Needs:   permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inApplication, h.detail))
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/assignments", ID: "listApplicationIdentityAssignments",
		Summary: "List the assignments of an Application's identity",
		About:   "One page of what it holds in the default Environment.",
		Needs:   permission.IdentityView, Params: append([]wire.Parameter{heldPaging}, one...), Status: http.StatusOK,
	}, from(inApplication, h.assignments))
	h.writes(g)
	joining := rt.InDefaultEnvironment("/app-memberships", tagIdentities)
	wire.Handle(joining, wire.Route{
		Method: http.MethodPost, Path: "/bulk-attach", ID: "attachApplicationIdentities",
		Summary: "Bring identities into an Application",
		About:   "Makes identities of the Account members of the Application and its default Environment, without a role.",
		Needs:   permission.IdentityManage, Idempotent: true, Waits: true,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus},
		Faults: []*fault.Error{enduser.ErrNotFound, membership.ErrAlreadyMember}, Writes: appAdded,
	}, h.join)
}

func (h *Members) writes(g wire.Group[wire.At[scope.Environment]]) {
	one := []wire.Parameter{identityID}
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, ID: "createApplicationIdentity", Summary: "Create an identity in an Application",
		About: "Makes the identity, and a member of the Application and its default Environment, or of that of node_id.",
		Needs: permission.IdentityManage, Idempotent: true, Waits: true, Status: http.StatusCreated,
		Faults: making, Writes: made,
	}, from(inApplication, h.create))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateApplicationIdentities",
		Summary: "Create many identities in an Application",
		About:   "Each row is judged by itself, and all good ones are stored together; 207 says that some were not.",
		Needs:   permission.IdentityManage, Idempotent: true, Waits: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: making, Writes: made,
	}, from(inApplication, h.createMany))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-import-events", ID: "reportApplicationImport",
		Summary: "Report an import of identities",
		About:   "Notes in the audit log that an import, done in pieces, is complete. It does nothing else.",
		Needs:   permission.IdentityManage, Status: http.StatusNoContent,
		Writes: []wire.EventType{enrolment.ImportCompleted},
	}, from(inApplication, h.report))
	wire.Handle(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateApplicationIdentity",
		Summary: "Change an Application's identity",
		About:   "Absent fields stay as they are. The change is seen in the whole Account.",
		Needs:   permission.IdentityManage, Params: one, Status: http.StatusOK,
		Writes: append([]wire.EventType{enduser.Updated}, switched...),
	}, from(inApplication, h.update))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/activate", ID: "activateApplicationIdentity",
		Summary: "Switch an Application's identity on", About: "For the whole Account. It revives no membership.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK, Writes: switched[:1],
	}, from(inApplication, h.activate))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/deactivate", ID: "deactivateApplicationIdentity",
		Summary: "Switch an Application's identity off",
		About:   "For the whole Account: sessions end, and every decision is no.",
		Needs:   permission.IdentityManage, Params: one, Status: http.StatusOK, Writes: switched,
	}, from(inApplication, h.deactivate))
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "removeApplicationIdentity",
		Summary: "Remove an identity from an Application",
		About:   "With its memberships and assignments in all of its Environments. The identity itself stays.",
		Needs:   permission.IdentityManage, Params: one, Waits: true, Status: http.StatusNoContent, Writes: appRemoved,
	}, h.leave)
}

func (h *Identities) report(
	ctx context.Context, _ *wire.Call, by caller, in enrolment.ImportReport,
) (wire.Empty, error) {
	return wire.Empty{}, h.Enrolment.ReportImport(ctx, by.Actor, by.at, in)
}

func (h *Members) join(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], in someIdentities,
) (wire.Bulk[appMembership], error) {
	return wire.AllIDs(in.IDs, func(ids []enduser.ID) ([]wire.Outcome[appMembership], error) {
		results, err := h.Enrolment.AttachToApplication(ctx, by.Actor, by.In.Application, ids)
		list := make([]wire.Outcome[appMembership], len(results))
		for i, r := range results {
			list[i] = wire.Outcome[appMembership]{Made: viewApp(r.Membership), Err: r.Err}
		}
		return list, err
	})
}

func (h *Members) leave(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Empty, error) {
	return wire.Empty{}, h.Enrolment.RemoveFromApplication(ctx, by.Actor, by.In.Application, identityID.Of(c))
}
