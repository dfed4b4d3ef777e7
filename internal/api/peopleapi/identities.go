package peopleapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/platform/wire"
)

// Identities serves the identities of an Environment: those who are members there.
type Identities struct {
	Members   *membership.Service
	Enrolment *enrolment.Service
}

// plainIdentity is an identity in short.
type plainIdentity struct {
	ID         enduser.ID `json:"id"          doc:"The identity's id."`
	Email      string     `json:"email"       doc:"The address, unique in the Account." format:"email" example:"dana@acme.example"`
	FirstName  string     `json:"first_name"  doc:"First name." example:"Dana" maxLength:"100"`
	LastName   string     `json:"last_name"   doc:"Last name." example:"Cole" maxLength:"100"`
	AvatarURL  *string    `json:"avatar_url"  doc:"A picture." format:"uri"`
	ExternalID *string    `json:"external_id" doc:"What another system calls the person; unique in the Account." example:"hr-10442" maxLength:"255"`
	IsActive   bool       `json:"is_active"   doc:"The switch for the whole Account: without it nobody signs in, and every decision is no."`
	CreatedAt  time.Time  `json:"created_at"  doc:"When the identity came into being."`
}

func viewIdentity(i enduser.Identity) plainIdentity {
	return plainIdentity{
		i.ID, i.Email, i.FirstName, i.LastName, i.AvatarURL, i.ExternalID, i.Active, i.CreatedAt,
	}
}

// identityCounts are the numbers of an Environment's members.
type identityCounts struct {
	Total      int `json:"total_identities" doc:"Active members." example:"120"`
	Assigned   int `json:"assigned_count"   doc:"Those with an assignment here, in whatever state." example:"100"`
	Unassigned int `json:"unassigned_count" doc:"Those without." example:"20"`
}

const maxBulkIdentities = 200

type bulkIdentities struct {
	Identities wire.Rows[enrolment.Draft] `json:"identities" nullable:"false" doc:"1 to 200 rows; each is judged by itself." minItems:"1" maxItems:"200"`
}

// Rules implements text.Ruled.
func (b *bulkIdentities) Rules(f *text.Fields) {
	f.Check("identities", len(b.Identities) >= 1 && len(b.Identities) <= maxBulkIdentities, "must hold 1 to 200 rows")
}

var (
	tagIdentities  = wire.Tag{Name: "Identities", About: "The end users of the product, and where they are members."}
	identityID     = wire.PathID[enduser.ID]("id", "The identity's id.", enduser.ErrNotFound)
	identityPaging = wire.Paged(membership.Sorts)
	identityStatus = wire.QueryEnum("status", "Only those who are switched on, or off.",
		membership.SwitchedOn, membership.SwitchedOff)
)

// making are the faults of making an identity.
var making = []*fault.Error{
	enduser.ErrEmailTaken, enduser.ErrExternalIDTaken, credential.ErrBreached, fault.Busy,
}

// made are the events of making one.
var made = []wire.EventType{enduser.Created, membership.Added}

// Routes registers the resource.
func (h *Identities) Routes(rt *wire.Router) {
	g := rt.Twins("/identities", tagIdentities)
	one := []wire.Parameter{identityID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listIdentities", Summary: "List identities",
		About: "One page of the Environment's members.",
		Needs: permission.IdentityView, Params: []wire.Parameter{identityStatus, identityPaging}, Status: http.StatusOK,
	}, h.list)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getIdentitiesSummary", Summary: "Count identities",
		About: "How many members there are, with and without an assignment.",
		Needs: permission.IdentityView, Status: http.StatusOK,
	}, h.summary)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createIdentity", Summary: "Create an identity",
		About: "Makes the identity, and a member of this Environment and its Application. No mail is sent. " +
			"Somebody who exists already is invited or attached instead.",
		Needs: permission.IdentityManage, Idempotent: true, Status: http.StatusCreated,
		Faults: making, Writes: made,
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateIdentities", Summary: "Create many identities",
		About: "Each row is judged by itself, and all good ones are stored together; 207 says that some were not.",
		Needs: permission.IdentityManage, Idempotent: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: making, Writes: made,
	}, h.createMany)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getIdentity", Summary: "Read an identity",
		About: "A member of the Environment.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, h.get)
}

func listing(c *wire.Call) membership.Query {
	return membership.Query{Request: identityPaging.Of(c), Only: identityStatus.Of(c)}
}

func (h *Identities) list(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Page[plainIdentity], error) {
	list, info, err := h.Members.List(ctx, by.In, listing(c))
	return wire.PageOf(list, info, err, viewIdentity)
}

func (h *Identities) summary(
	ctx context.Context, _ *wire.Call, by wire.By, _ wire.None,
) (wire.Data[identityCounts], error) {
	n, err := h.Members.Summary(ctx, by.In)
	return wire.Of(identityCounts{n.Total, n.Assigned, n.Total - n.Assigned}, err)
}

func (h *Identities) get(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Data[plainIdentity], error) {
	i, err := h.Members.Get(ctx, by.In, identityID.Of(c))
	return wire.Of(viewIdentity(i), err)
}

func (h *Identities) create(
	ctx context.Context, _ *wire.Call, by wire.By, in enrolment.Draft,
) (wire.Data[plainIdentity], error) {
	i, err := h.Enrolment.Create(ctx, by.Actor, by.In, in)
	return wire.Of(viewIdentity(i), err)
}

func (h *Identities) createMany(
	ctx context.Context, c *wire.Call, by wire.By, in bulkIdentities,
) (wire.Bulk[plainIdentity], error) {
	return wire.AllRows(c, in.Identities, nil, func(rows []enrolment.Draft) ([]wire.Outcome[plainIdentity], error) {
		results, err := h.Enrolment.BulkCreate(ctx, by.Actor, by.In, rows)
		return outcomes(results, viewIdentity), err
	})
}

// outcomes are what view shows of each result.
func outcomes[T any](results []enrolment.Result, view func(enduser.Identity) T) []wire.Outcome[T] {
	list := make([]wire.Outcome[T], len(results))
	for i, r := range results {
		list[i] = wire.Outcome[T]{Made: view(r.Identity), Err: r.Err}
	}
	return list
}
