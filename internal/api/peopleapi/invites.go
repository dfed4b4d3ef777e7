package peopleapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/application"
)

// Invites serves identity invites to those who invite: into an Environment, and from the
// Account, which sees all of them.
type Invites struct{ Invites *identityinvite.Service }

// IdentityInvite is an invite without its link.
type IdentityInvite struct {
	ID              identityinvite.ID     `json:"id"                     doc:"The invite's id. It opens nothing."`
	Email           string                `json:"email"                  doc:"Where it went." format:"email" example:"dana@acme.example"`
	Intent          identityinvite.Intent `json:"intent"                 doc:"What accepting is about, as it was when the invite was made."`
	FirstName       string                `json:"first_name"             doc:"First name; empty where nobody gave one." example:"Dana" maxLength:"100"`
	LastName        string                `json:"last_name"              doc:"Last name; likewise." example:"Cole" maxLength:"100"`
	Name            string                `json:"name"                   doc:"First and last name." example:"Dana Cole" maxLength:"201"`
	RoleID          *rbac.RoleID          `json:"role_id"                doc:"The role that accepting gives; null for none."`
	NodeID          *hierarchy.ID         `json:"node_id"                doc:"Where."`
	EnvironmentID   *scope.EnvironmentID  `json:"environment_id"         doc:"The Environment it leads into; null for the directory alone."`
	EnvironmentName *string               `json:"environment_name"       doc:"Its name." example:"Development" maxLength:"100"`
	HasRole         bool                  `json:"has_initial_assignment" doc:"Whether accepting gives a role."`
	Status          identityinvite.Status `json:"status"                 doc:"Pending, or how it ended."`
	ExpiresAt       time.Time             `json:"expires_at"             doc:"When the link stops working."`
	InvitedBy       id.ID                 `json:"invited_by"             doc:"The portal user or the API key that invited."`
	CreatedAt       time.Time             `json:"created_at"             doc:"When it was made."`
}

func viewIdentityInvite(i identityinvite.Invite) IdentityInvite {
	return IdentityInvite{
		i.ID, i.Email, i.Intent, i.FirstName, i.LastName, i.Name(), orNil(i.Role), orNil(i.Node), orNil(i.Environment),
		orNil(i.EnvironmentName), !i.Role.IsZero(), i.Status, i.ExpiresAt, i.InvitedBy, i.CreatedAt,
	}
}

// listedInvite adds how the mail fares.
type listedInvite struct {
	IdentityInvite
	Delivery   identityinvite.Delivery `json:"delivery"     doc:"How the newest mail fares; none for an invite that is not mailed."`
	LastSentAt *time.Time              `json:"last_sent_at" doc:"When a mail was sent last; null before that."`
	SendCount  int                     `json:"send_count"   doc:"How many mails were asked for." example:"1"`
}

func viewListedInvite(i identityinvite.Invite) listedInvite {
	return listedInvite{viewIdentityInvite(i), i.Delivery, i.LastSentAt, i.SendCount}
}

// linkedInvite adds the link.
type linkedInvite struct {
	IdentityInvite
	AcceptURL string `json:"accept_url" doc:"The link that accepts it. It is shown now and never again; whoever holds it proves the address." example:"https://canopy.example.com/app/identity/accept-invite#token=mZ0k1Yq3vN8pT5wXc7RdLgJ2hS4bF6aE9uKiOoPxQyM" maxLength:"2048"`
}

func viewLinkedInvite(l identityinvite.Linked) linkedInvite {
	return linkedInvite{viewIdentityInvite(l.Invite), l.AcceptURL}
}

// resentLink is the new link of an invite.
type resentLink struct {
	Message   string `json:"message"    doc:"One English sentence." example:"Invite resent" maxLength:"1000"`
	AcceptURL string `json:"accept_url" doc:"The new link; the earlier one is dead." example:"https://canopy.example.com/app/identity/accept-invite#token=mZ0k1Yq3vN8pT5wXc7RdLgJ2hS4bF6aE9uKiOoPxQyM" maxLength:"2048"`
}

// directoryInvite is an invite that was made from the Account.
type directoryInvite struct {
	ID        identityinvite.ID     `json:"id"         doc:"The invite's id. It opens nothing."`
	Email     string                `json:"email"      doc:"Where it went." format:"email" example:"dana@acme.example"`
	Intent    identityinvite.Intent `json:"intent"     doc:"What accepting is about, as it is now."`
	FirstName string                `json:"first_name" doc:"First name; empty where nobody gave one." example:"Dana" maxLength:"100"`
	LastName  string                `json:"last_name"  doc:"Last name; likewise." example:"Cole" maxLength:"100"`
	ClientID  *scope.ApplicationID  `json:"client_id"  doc:"The Application of whose default Environment the person becomes a member; null for the directory alone."`
	ExpiresAt time.Time             `json:"expires_at" doc:"When the link stops working."`
	CreatedAt time.Time             `json:"created_at" doc:"When it was made."`
}

type identityInviteCounts struct {
	Total           int `json:"total_invites"           doc:"All invites." example:"8"`
	Pending         int `json:"pending_count"           doc:"Those that can be accepted." example:"3"`
	PendingWithRole int `json:"pending_with_role_count" doc:"Those of them that give a role." example:"1"`
	Accepted        int `json:"accepted_count"          doc:"Those that were accepted." example:"3"`
	Expired         int `json:"expired_count"           doc:"Those that grew too old." example:"1"`
	Revoked         int `json:"revoked_count"           doc:"Those that were withdrawn." example:"1"`
}

const maxBulkInvites = 200

type bulkIdentityInvites struct {
	Invites wire.Rows[identityinvite.Draft] `json:"invites"           nullable:"false" doc:"1 to 200 rows; each is done by itself." minItems:"1" maxItems:"200"`
	DryRun  bool                            `json:"dry_run,omitempty" doc:"Tells what would happen: nothing is stored, mailed or counted."`
}

// Rules implements text.Ruled.
func (b *bulkIdentityInvites) Rules(f *text.Fields) {
	f.Check("invites", len(b.Invites) >= 1 && len(b.Invites) <= maxBulkInvites, "must hold 1 to 200 rows")
}

// plannedInvite is what would become of a row.
type plannedInvite struct {
	Intent identityinvite.Intent `json:"intent" doc:"What accepting would be about."`
}

// invitedOr is an invite, or what would become of its row.
type invitedOr = wire.Either[linkedInvite, plannedInvite]

var (
	tagIdentityInvites = wire.Tag{
		Name: "Identity invites", About: "How people become identities, and members of Environments.",
	}
	inviteID     = wire.PathID[identityinvite.ID]("id", "The invite's id.", identityinvite.ErrNotFound)
	invitePaging = wire.Paged(identityinvite.Sorts)
	inviteStatus = wire.QueryEnum("status", "Only invites of this status.",
		identityinvite.Pending, identityinvite.Accepted, identityinvite.Revoked, identityinvite.Expired)
	inviteInto = wire.QueryIDOr[scope.EnvironmentID]("environment_id",
		"Only invites into this Environment, or into the directory alone.", "none")
	invitesListed = []wire.Parameter{inviteStatus, inviteInto, invitePaging}
	invitesMade   = []wire.EventType{identityinvite.Created}
)

// inviting are the faults of an invite on its way.
var inviting = []*fault.Error{
	identityinvite.ErrClientUnknown, hierarchy.ErrNotFound, rbac.ErrRoleNotFound, hierarchy.ErrReservedType,
	assignment.ErrSystemRole, assignment.ErrInactive, enduser.ErrNotFound, credential.ErrInactive,
	identityinvite.ErrAlreadyMember, identityinvite.ErrAlreadyPending, fault.RateLimited,
}

// Routes registers the resource.
func (h *Invites) Routes(rt *wire.Router) {
	g := rt.Twins("/identity-invites", tagIdentityInvites)
	one := []wire.Parameter{inviteID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listIdentityInvites", Summary: "List identity invites",
		About: "One page of the invites into the Environment, with how their mails fare.",
		Needs: permission.IdentityView, Params: invitesListed, Status: http.StatusOK,
	}, from(inEnvironment, h.list))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getIdentityInvitesSummary", Summary: "Count identity invites",
		About: "How many invites into the Environment there are in each status.",
		Needs: permission.IdentityView, Status: http.StatusOK,
	}, from(inEnvironment, h.summary))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getIdentityInvite", Summary: "Read an identity invite",
		About: "An invite into the Environment, with how its mail fares.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inEnvironment, h.get))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createIdentityInvite", Summary: "Invite a person",
		About: "Makes a member of whoever accepts, with a role where the invite names one, or has a member choose a new " +
			"password. The link goes by mail, unless send_email is false; accept_url shows it this once.",
		Needs: permission.IdentityManage, Idempotent: true, Status: http.StatusCreated,
		Faults: inviting, Writes: invitesMade,
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateIdentityInvites", Summary: "Invite many people",
		About: "Each row is done by itself; 207 says that some were not.",
		Needs: permission.IdentityManage, Idempotent: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: inviting, Writes: invitesMade,
	}, h.createMany)
	wire.HandlePair(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/resend", ID: "resendIdentityInvite", Summary: "Send a new link",
		About: "The earlier link is dead at once. At most once in five minutes. An invite that is not mailed is not " +
			"mailed now, either.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK,
		Faults: resending, Writes: []wire.EventType{identityinvite.Resent},
	}, h.resendForLink, from(inEnvironment, h.resend))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "revokeIdentityInvite", Summary: "Withdraw an identity invite",
		About: "The link is dead at once.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Faults: []*fault.Error{identityinvite.ErrNotPending}, Writes: []wire.EventType{identityinvite.Withdrawn},
	}, from(inEnvironment, h.revoke))
	h.directoryRoutes(rt)
}

// resending are the faults of a new link.
var resending = []*fault.Error{identityinvite.ErrNotPending, identityinvite.ErrCooldown, fault.RateLimited}

// directoryRoutes are those of the Account, which sees the invites into all Environments.
func (h *Invites) directoryRoutes(rt *wire.Router) {
	g := rt.InAccount("/identity-invites", tagIdentityInvites)
	one := []wire.Parameter{inviteID}
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listDirectoryInvites", Summary: "List an Account's identity invites",
		About: "One page of the invites into the Account's Environments and its directory, with how their mails fare.",
		Needs: permission.IdentityView, Params: invitesListed, Status: http.StatusOK,
	}, from(inAccount, h.list))
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getDirectoryInvitesSummary",
		Summary: "Count an Account's identity invites", About: "How many invites there are in each status.",
		Needs: permission.IdentityView, Status: http.StatusOK,
	}, from(inAccount, h.summary))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, ID: "createDirectoryInvite", Summary: "Invite a person into an Account",
		About: "Into the directory alone, or as a member of an Application and its default Environment. It is always " +
			"mailed and gives no role; no answer shows its link.",
		Needs: permission.IdentityManage, Idempotent: true, Waits: true, Status: http.StatusCreated,
		Faults: []*fault.Error{
			application.ErrNotFound, credential.ErrInactive, identityinvite.ErrAlreadyMember, identityinvite.ErrAlreadyPending,
			fault.RateLimited, fault.Busy,
		},
		Writes: invitesMade,
	}, h.createInDirectory)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/resend", ID: "resendDirectoryInvite", Summary: "Send a new link",
		About: "The earlier link is dead at once. At most once in five minutes.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK,
		Faults: resending, Writes: []wire.EventType{identityinvite.Resent},
	}, from(inAccount, h.resend))
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "revokeDirectoryInvite", Summary: "Withdraw an identity invite",
		About: "The link is dead at once.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Faults: []*fault.Error{identityinvite.ErrNotPending}, Writes: []wire.EventType{identityinvite.Withdrawn},
	}, from(inAccount, h.revoke))
}

func (h *Invites) list(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Page[listedInvite], error) {
	into := inviteInto.Of(c)
	list, info, err := h.Invites.List(ctx, by.at, identityinvite.Query{
		Request: invitePaging.Of(c), Status: inviteStatus.Of(c), Environment: into.ID, Directory: into.Word,
	})
	return wire.PageOf(list, info, err, viewListedInvite)
}

func (h *Invites) summary(
	ctx context.Context, _ *wire.Call, by caller, _ wire.None,
) (wire.Data[identityInviteCounts], error) {
	n, err := h.Invites.Summary(ctx, by.at)
	return wire.Of(identityInviteCounts{n.Total, n.Pending, n.PendingWithRole, n.Accepted, n.Expired, n.Revoked}, err)
}

func (h *Invites) get(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Data[listedInvite], error) {
	i, err := h.Invites.Get(ctx, by.at, inviteID.Of(c))
	return wire.Of(viewListedInvite(i), err)
}

// mayInvite is auth.permission_denied for an invite with a role, where the caller may give none.
func mayInvite(ctx context.Context, c *wire.Call, d identityinvite.Draft) error {
	if !d.GivesRole() {
		return nil
	}
	return c.Require(ctx, permission.AssignmentsManage)
}

func (h *Invites) create(
	ctx context.Context, c *wire.Call, by wire.By, in identityinvite.Draft,
) (wire.Data[linkedInvite], error) {
	if err := mayInvite(ctx, c, in); err != nil {
		return wire.Data[linkedInvite]{}, err
	}
	made, err := h.Invites.Create(ctx, by.Actor, by.In, in)
	return wire.Of(viewLinkedInvite(made), err)
}

func (h *Invites) createMany(
	ctx context.Context, c *wire.Call, by wire.By, in bulkIdentityInvites,
) (wire.Bulk[invitedOr], error) {
	do, err := h.Invites.Row(ctx, by.Actor, by.In, in.DryRun)
	if err != nil {
		return wire.Bulk[invitedOr]{}, err
	}
	return wire.EachRow(c, in.Invites, func(d identityinvite.Draft) (made invitedOr, err error) {
		if err := mayInvite(ctx, c, d); err != nil {
			return made, err
		}
		l, err := do(d)
		if in.DryRun {
			return wire.Second[linkedInvite](plannedInvite{l.Intent}), err
		}
		return wire.First[linkedInvite, plannedInvite](viewLinkedInvite(l)), err
	})
}

func (h *Invites) createInDirectory(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], in identityinvite.DirectoryDraft,
) (wire.Data[directoryInvite], error) {
	i, err := h.Invites.CreateInDirectory(ctx, by.Actor, by.In, in)
	return wire.Of(directoryInvite{
		i.ID, i.Email, i.Intent, i.FirstName, i.LastName, orNil(i.Application), i.ExpiresAt, i.CreatedAt,
	}, err)
}

const resent = "Invite resent"

func (h *Invites) resendForLink(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Data[resentLink], error) {
	l, err := h.Invites.Resend(ctx, by.Actor, inEnvironment(by).at, inviteID.Of(c))
	return wire.Of(resentLink{resent, l.AcceptURL}, err)
}

func (h *Invites) resend(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Data[wire.Message], error) {
	_, err := h.Invites.Resend(ctx, by.Actor, by.at, inviteID.Of(c))
	return wire.Say(resent, err)
}

func (h *Invites) revoke(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Invites.Revoke(ctx, by.Actor, by.at, inviteID.Of(c))
}
