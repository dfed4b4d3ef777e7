package peopleapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/profile"
	"canopy.dev/canopy/internal/identity/roster"
	"canopy.dev/canopy/internal/platform/wire"
)

// Identities serves the identities of an Environment and of an Application: those who are
// members there. Its handlers serve both tiers.
type Identities struct {
	Members   *membership.Service
	Roster    *roster.Service
	Enrolment *enrolment.Service
	Profiles  *profile.Service
}

const maxBulkIdentities = 200

type bulkIdentities struct {
	Identities wire.Rows[enrolment.Draft] `json:"identities"        nullable:"false" doc:"1 to 200 rows; each is judged by itself." minItems:"1" maxItems:"200"`
	DryRun     bool                       `json:"dry_run,omitempty" doc:"Tells what would happen: nothing is stored, hashed, mailed or counted."`
}

// Rules implements text.Ruled.
func (b *bulkIdentities) Rules(f *text.Fields) {
	f.Check("identities", len(b.Identities) >= 1 && len(b.Identities) <= maxBulkIdentities, "must hold 1 to 200 rows")
}

// someIdentities are named to be attached.
type someIdentities struct {
	IDs []string `json:"identity_ids" doc:"1 to 200 ids; each is done by itself." maxItems:"200"`
}

// Rules implements text.Ruled.
func (b *someIdentities) Rules(f *text.Fields) {
	f.Check("identity_ids", len(b.IDs) >= 1 && len(b.IDs) <= maxBulkIdentities, "must hold 1 to 200 ids")
}

// unassigned is the word of role_id for those who have no assignment.
const unassigned = "no_assignment"

var (
	tagIdentities  = wire.Tag{Name: "Identities", About: "The end users of the product, and where they are members."}
	identityID     = wire.PathID[enduser.ID]("id", "The identity's id.", enduser.ErrNotFound)
	identityPaging = wire.Paged(membership.Sorts)
	heldPaging     = wire.Paged(assignment.OfIdentitySorts)
	identityStatus = wire.QueryEnum("status", "Only those who are switched on, or off.",
		membership.SwitchedOn, membership.SwitchedOff)
	holdsRole = wire.QueryIDOr[rbac.RoleID]("role_id",
		"Only those who hold the role, in whatever state; or those without any assignment.", unassigned)
)

// making are the faults of making an identity, with a role along the way.
var making = []*fault.Error{
	enduser.ErrEmailTaken, enduser.ErrExternalIDTaken, credential.ErrBreached,
	hierarchy.ErrNotFound, hierarchy.ErrReservedType, rbac.ErrRoleNotFound, assignment.ErrSystemRole,
	assignment.ErrInactive,
}

// made are the events of making one, switched those of switching one on or off.
var (
	made     = []wire.EventType{enduser.Created, membership.Added, assignment.Created}
	switched = []wire.EventType{enduser.StatusSet, identitysession.AllRevoked}
)

// Routes registers the resource.
func (h *Identities) Routes(rt *wire.Router) {
	g := rt.Twins("/identities", tagIdentities)
	one := []wire.Parameter{identityID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listIdentities", Summary: "List identities",
		About: "One page of the Environment's members.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityStatus, identityPaging}, Status: http.StatusOK,
	}, from(inEnvironment, h.list))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/with-roles", ID: "listIdentitiesWithRoles", Summary: "List identities with roles",
		About: "One page of the Environment's members, with what they hold here.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityStatus, holdsRole, identityPaging},
		Status: http.StatusOK,
	}, from(inEnvironment, h.holders))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getIdentitiesSummary", Summary: "Count identities",
		About: "How many members there are, with and without an assignment.",
		Needs: permission.IdentityView, Status: http.StatusOK,
	}, from(inEnvironment, h.summary))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getIdentity", Summary: "Read an identity",
		About: "A member of the Environment.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inEnvironment, h.get))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/detail", ID: "getIdentityDetail", Summary: "Read an identity in detail",
		About: "A member of the Environment, with what it holds here.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inEnvironment, h.detail))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/assignments", ID: "listIdentityAssignments",
		Summary: "List an identity's assignments", About: "One page of what it holds in this Environment.",
		Needs: permission.IdentityView, Or: permission.AssignmentsView,
		Params: append([]wire.Parameter{heldPaging}, one...), Status: http.StatusOK,
	}, from(inEnvironment, h.assignments))
	h.writes(g)
	attaching := rt.Twins("/memberships", tagIdentities)
	wire.HandleTwins(attaching, wire.Route{
		Method: http.MethodPost, Path: "/bulk-attach", ID: "attachIdentities", Summary: "Bring identities in",
		About: "Makes identities of the Account members, again or for the first time, without a mail and without a role. " +
			"An API key brings back only those who were members here.",
		Needs: permission.IdentityManage, Idempotent: true,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus},
		Faults: []*fault.Error{enduser.ErrNotFound, membership.ErrAlreadyMember},
		Writes: []wire.EventType{membership.Added},
	}, h.attach)
}

func (h *Identities) writes(g wire.Twins) {
	one := []wire.Parameter{identityID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createIdentity", Summary: "Create an identity",
		About: "Makes the identity, and a member of this Environment and its Application. No mail is sent. " +
			"Somebody who exists already is invited or attached instead.",
		Needs: permission.IdentityManage, Idempotent: true, Status: http.StatusCreated,
		Faults: making, Writes: made,
	}, from(inEnvironment, h.create))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateIdentities", Summary: "Create many identities",
		About: "Each row is judged by itself, and all good ones are stored together; 207 says that some were not.",
		Needs: permission.IdentityManage, Idempotent: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: making, Writes: made,
	}, from(inEnvironment, h.createMany))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateIdentity", Summary: "Change an identity",
		About: "Absent fields stay as they are. Names, metadata and the switch are the Account's: " +
			"the change is seen everywhere.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK,
		Writes: append([]wire.EventType{enduser.Updated}, switched...),
	}, from(inEnvironment, h.update))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/activate", ID: "activateIdentity", Summary: "Switch an identity on",
		About: "For the whole Account. It revives no membership.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK, Writes: switched[:1],
	}, from(inEnvironment, h.activate))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/deactivate", ID: "deactivateIdentity", Summary: "Switch an identity off",
		About: "For the whole Account: sessions end, and every decision is no.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK, Writes: switched,
	}, from(inEnvironment, h.deactivate))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "removeIdentity", Summary: "Remove an identity",
		About: "From this Environment, with its assignments, invites and sessions here. The identity itself stays.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Writes: []wire.EventType{membership.Removed, identityinvite.Withdrawn},
	}, h.remove)
}

func listing(c *wire.Call) membership.Query {
	return membership.Query{Request: identityPaging.Of(c), Only: identityStatus.Of(c)}
}

func (h *Identities) list(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Page[plainIdentity], error) {
	list, info, err := h.Members.List(ctx, by.at, listing(c))
	return wire.PageOf(list, info, err, viewIdentity)
}

func (h *Identities) holders(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Page[identityRow], error) {
	q := listing(c)
	role, word := holdsRole.Of(c).ID, holdsRole.Of(c).Word
	if q.Unassigned = word; !role.IsZero() {
		q.Holding = assignment.HoldingRole(role)
	}
	list, info, err := h.Roster.Holders(ctx, by.at, q)
	return wire.PageOf(list, info, err, viewRow)
}

func (h *Identities) summary(
	ctx context.Context, _ *wire.Call, by caller, _ wire.None,
) (wire.Data[identityCounts], error) {
	n, err := h.Members.Summary(ctx, by.at)
	return wire.Of(identityCounts{n.Total, n.Assigned, n.Total - n.Assigned}, err)
}

func (h *Identities) get(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Data[plainIdentity], error) {
	i, err := h.Members.Get(ctx, by.at, identityID.Of(c))
	return wire.Of(viewIdentity(i), err)
}

func (h *Identities) detail(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Data[fullIdentity], error) {
	i, err := h.Roster.Detail(ctx, by.at, identityID.Of(c))
	return wire.Of(viewFull(i, by.principal.Holds(permission.IdentityManage)), err)
}

func (h *Identities) assignments(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Page[identityAssignment], error) {
	list, info, err := h.Roster.Assignments(ctx, by.at, identityID.Of(c), heldPaging.Of(c))
	return wire.PageOf(list, info, err, viewAssignment)
}

// mayGive is auth.permission_denied for a draft with a role, where the caller may give none.
func mayGive(ctx context.Context, c *wire.Call, d enrolment.Draft) error {
	if !d.GivesRole() {
		return nil
	}
	return c.Require(ctx, permission.AssignmentsManage)
}

func (h *Identities) create(
	ctx context.Context, c *wire.Call, by caller, in enrolment.Draft,
) (wire.Data[plainIdentity], error) {
	if err := mayGive(ctx, c, in); err != nil {
		return wire.Data[plainIdentity]{}, err
	}
	i, err := h.Enrolment.Create(ctx, by.Actor, by.at, in.New())
	return wire.Of(viewIdentity(i), err)
}

func (h *Identities) createMany(
	ctx context.Context, c *wire.Call, by caller, in bulkIdentities,
) (wire.Bulk[createdOr[plainIdentity]], error) {
	check := func(d enrolment.Draft) error { return mayGive(ctx, c, d) }
	return wire.AllRows(c, in.Identities, check,
		func(rows []enrolment.Draft) ([]wire.Outcome[createdOr[plainIdentity]], error) {
			list := make([]enrolment.New, len(rows))
			for i, d := range rows {
				list[i] = d.New()
			}
			if in.DryRun {
				return tried[plainIdentity](h.Enrolment.TryCreate(ctx, by.Actor, by.at, list))
			}
			results, err := h.Enrolment.BulkCreate(ctx, by.Actor, by.at, list)
			return outcomes(results, func(i enduser.Identity) createdOr[plainIdentity] {
				return wire.First[plainIdentity, plannedIdentity](viewIdentity(i))
			}), err
		})
}

// plannedIdentity is what would become of a row.
type plannedIdentity struct {
	Intent enrolment.Mode `json:"intent" doc:"What would be done."`
}

// createdOr is an identity, or what would become of its row.
type createdOr[T any] = wire.Either[T, plannedIdentity]

// tried are the outcomes of rows that were only tried.
func tried[T any](results []enrolment.Result, err error) ([]wire.Outcome[createdOr[T]], error) {
	return outcomes(results, func(enduser.Identity) createdOr[T] {
		return wire.Second[T](plannedIdentity{enrolment.ModeCreate})
	}), err
}

// outcomes are what view shows of each result.
func outcomes[T any](results []enrolment.Result, view func(enduser.Identity) T) []wire.Outcome[T] {
	list := make([]wire.Outcome[T], len(results))
	for i, r := range results {
		list[i] = wire.Outcome[T]{Made: view(r.Identity), Err: r.Err}
	}
	return list
}

func (h *Identities) update(
	ctx context.Context, c *wire.Call, by caller, in profile.Change,
) (wire.Data[plainIdentity], error) {
	i, err := h.Profiles.Update(ctx, by.Actor, by.at, identityID.Of(c), in)
	return wire.Of(viewIdentity(i), err)
}

func (h *Identities) activate(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Data[wire.Message], error) {
	_, err := h.Profiles.SetActive(ctx, by.Actor, by.at, identityID.Of(c), true)
	return wire.Say("Identity activated", err)
}

func (h *Identities) deactivate(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Data[wire.Message], error) {
	_, err := h.Profiles.SetActive(ctx, by.Actor, by.at, identityID.Of(c), false)
	return wire.Say("Identity deactivated", err)
}

func (h *Identities) remove(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Enrolment.Remove(ctx, by.Actor, by.In, identityID.Of(c))
}

func (h *Identities) attach(
	ctx context.Context, _ *wire.Call, by wire.By, in someIdentities,
) (wire.Bulk[plainIdentity], error) {
	_, user := by.Caller.(principal.User)
	return wire.AllIDs(in.IDs, func(ids []enduser.ID) ([]wire.Outcome[plainIdentity], error) {
		results, err := h.Enrolment.Attach(ctx, by.Actor, by.In, ids, !user)
		return outcomes(results, viewIdentity), err
	})
}
