package portalapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// Invites serves user invites, to those who invite and to those invited.
type Invites struct{ Invites *invite.Service }

// UserInvite is the contract's nine fields.
type UserInvite struct {
	ID        invite.ID     `json:"id"         doc:"The invite's id. It opens nothing."`
	Email     string        `json:"email"      doc:"Where it went." format:"email" example:"dana@acme.example"`
	FirstName string        `json:"first_name" doc:"First name." example:"Dana" maxLength:"100"`
	LastName  string        `json:"last_name"  doc:"Last name." example:"Cole" maxLength:"100"`
	Name      string        `json:"name"       doc:"First and last name." example:"Dana Cole" maxLength:"201"`
	Status    invite.Status `json:"status"     doc:"Pending, or how it ended."`
	ExpiresAt time.Time     `json:"expires_at" doc:"When the link stops working."`
	InvitedBy portaluser.ID `json:"invited_by" doc:"The user who invited."`
	CreatedAt time.Time     `json:"created_at" doc:"When it was made."`
}

func viewInvite(i invite.Invite) UserInvite {
	return UserInvite{
		ID: i.ID, Email: i.Email, FirstName: i.FirstName, LastName: i.LastName, Name: i.Name(),
		Status: i.Status, ExpiresAt: i.ExpiresAt, InvitedBy: i.InvitedBy, CreatedAt: i.CreatedAt,
	}
}

// userInviteWithMail adds how the mail fares.
type userInviteWithMail struct {
	UserInvite
	Delivery   invite.Delivery `json:"delivery"     doc:"How the newest mail fares."`
	LastSentAt *time.Time      `json:"last_sent_at" doc:"When a mail was sent last; null before that."`
	SendCount  int             `json:"send_count"   doc:"How many mails were asked for." example:"1"`
}

func viewInviteWithMail(i invite.Invite) userInviteWithMail {
	return userInviteWithMail{viewInvite(i), i.Delivery, i.LastSentAt, i.SendCount}
}

type inviteCounts struct {
	TotalInvites  int `json:"total_invites"  doc:"All invites of the Account." example:"7"`
	PendingCount  int `json:"pending_count"  doc:"Those that can be accepted." example:"2"`
	AcceptedCount int `json:"accepted_count" doc:"Those that were accepted." example:"3"`
	ExpiredCount  int `json:"expired_count"  doc:"Those that grew too old." example:"1"`
	RevokedCount  int `json:"revoked_count"  doc:"Those that were withdrawn." example:"1"`
}

const maxBulkInvites = 200

type bulkInvites struct {
	Invites wire.Rows[invite.Draft] `json:"invites" nullable:"false" doc:"1 to 200 rows; each is done by itself." minItems:"1" maxItems:"200"`
}

// Rules implements text.Ruled.
func (b *bulkInvites) Rules(f *text.Fields) {
	f.Check("invites", len(b.Invites) >= 1 && len(b.Invites) <= maxBulkInvites, "must hold 1 to 200 rows")
}

// invitePreview is what the holder of a token may see.
type invitePreview struct {
	Email        string        `json:"email"         doc:"Where the invite went." format:"email" example:"dana@acme.example"`
	Intent       invite.Intent `json:"intent"        doc:"activate: names and a new password are wanted. add_to_app: the address has a user, whose password is."`
	FirstName    string        `json:"first_name"    doc:"As the inviter wrote it." example:"Dana" maxLength:"100"`
	LastName     string        `json:"last_name"     doc:"As the inviter wrote it." example:"Cole" maxLength:"100"`
	AppName      string        `json:"app_name"      doc:"Name of the Account that invites." example:"Acme Realty" maxLength:"100"`
	InviterEmail *string       `json:"inviter_email" doc:"Who invited; null once the inviter has left." example:"alex@acme.example" format:"email"`
}

var (
	inviteID     = wire.PathID[invite.ID]("id", "The invite's id.", invite.ErrNotFound)
	invitePaging = wire.Paged(invite.Sorts)
	inviteStatus = wire.QueryEnum("status", "Only invites of this status.",
		invite.Pending, invite.Accepted, invite.Revoked, invite.Expired)
)

// Routes registers the resource.
func (h *Invites) Routes(rt *wire.Router) {
	g := rt.InAccount("/user-invites", tagInvites)
	refused := []*fault.Error{
		invite.ErrAlreadyMember, invite.ErrMemberDeactivated, invite.ErrAlreadyPending, fault.RateLimited,
	}
	one := []wire.Parameter{inviteID}
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, ID: "createUserInvite", Summary: "Invite a colleague",
		About: "Mails a link that makes the person an admin of the Account. No answer ever shows its token.",
		Needs: permission.UserInvite, Idempotent: true, Status: http.StatusCreated, Faults: refused,
		Writes: []wire.EventType{invite.Created},
	}, h.create)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateUserInvites", Summary: "Invite many colleagues",
		About: "Each row is done by itself; 207 says that some were not.",
		Needs: permission.UserInvite, Idempotent: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: refused,
		Writes: []wire.EventType{invite.Created},
	}, h.createMany)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listUserInvites", Summary: "List invites",
		About: "One page of the Account's invites, with how their mails fare.",
		Needs: permission.UserView, Params: []wire.Parameter{inviteStatus, invitePaging}, Status: http.StatusOK,
	}, h.list)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "userInvitesSummary", Summary: "Count invites",
		About: "How many invites there are in each status.",
		Needs: permission.UserView, Status: http.StatusOK,
	}, h.summary)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getUserInvite", Summary: "Read an invite",
		About: "An invite of the Account, with how its mail fares.",
		Needs: permission.UserView, Params: one, Status: http.StatusOK,
	}, h.get)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/resend", ID: "resendUserInvite", Summary: "Send a new link",
		About: "The earlier link is dead at once. At most once in five minutes.",
		Needs: permission.UserInvite, Params: one, Status: http.StatusOK,
		Faults: []*fault.Error{invite.ErrNotPending, invite.ErrCooldown, fault.RateLimited},
		Writes: []wire.EventType{invite.Resent},
	}, h.resend)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "revokeUserInvite", Summary: "Withdraw an invite",
		About: "The link is dead at once.",
		Needs: permission.UserInvite, Params: one, Status: http.StatusNoContent,
		Faults: []*fault.Error{invite.ErrNotPending}, Writes: []wire.EventType{invite.Withdrawn},
	}, h.revoke)
	h.inviteeRoutes(rt)
}

func (h *Invites) inviteeRoutes(rt *wire.Router) {
	g := rt.Public("/v1/auth", tagInvites)
	perLink := []wire.Limit{{Name: ratelimit.Link, By: wire.ByIP}}
	dead := []*fault.Error{invite.ErrNotFound, invite.ErrExpired, invite.ErrRevoked, invite.ErrAlreadyAccepted}
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/invite-info", ID: "inviteInfo", Summary: "Preview an invite by its token",
		About:  "Changes nothing, any number of times.",
		Limits: perLink, Status: http.StatusOK, Faults: dead,
	}, h.info)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/accept-invite", ID: "acceptInvite", Summary: "Accept an invite by its token",
		About: "Makes the person an admin of the Account. It signs nobody in. " +
			"A refusal leaves the invite as it is.",
		Limits: perLink, Browser: knownBrowser, Status: http.StatusOK,
		Faults: append([]*fault.Error{
			portaluser.ErrInvalidCredentials, portaluser.ErrTooManyAttempts, fault.Busy,
		}, dead...),
		Writes: []wire.EventType{
			invite.WasAccepted, invite.MemberAdded, invite.AcceptFailed,
			portaluser.Registered, portaluser.SignInFailed, portaluser.SignInLocked,
		},
	}, h.accept)
}

func (h *Invites) create(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], in invite.Draft,
) (wire.Data[UserInvite], error) {
	inv, err := h.Invites.Create(ctx, by.User, by.In, in)
	return wire.Of(viewInvite(inv), err)
}

func (h *Invites) createMany(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in bulkInvites,
) (wire.Bulk[UserInvite], error) {
	return wire.EachRow(c, in.Invites, func(d invite.Draft) (UserInvite, error) {
		inv, err := h.Invites.Create(ctx, by.User, by.In, d)
		return viewInvite(inv), err
	})
}

func (h *Invites) list(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Page[userInviteWithMail], error) {
	list, info, err := h.Invites.List(ctx, by.In, invitePaging.Of(c), inviteStatus.Of(c))
	return wire.PageOf(list, info, err, viewInviteWithMail)
}

func (h *Invites) summary(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[inviteCounts], error) {
	n, err := h.Invites.Summary(ctx, by.In)
	return wire.Of(inviteCounts{n.Total, n.Pending, n.Accepted, n.Expired, n.Revoked}, err)
}

func (h *Invites) get(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[userInviteWithMail], error) {
	inv, err := h.Invites.Get(ctx, by.In, inviteID.Of(c))
	return wire.Of(viewInviteWithMail(inv), err)
}

func (h *Invites) resend(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[wire.Message], error) {
	return wire.Say("Invite resent", h.Invites.Resend(ctx, by.User, by.In, inviteID.Of(c)))
}

func (h *Invites) revoke(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Empty, error) {
	return wire.Empty{}, h.Invites.Revoke(ctx, by.User, by.In, inviteID.Of(c))
}

func (h *Invites) info(
	ctx context.Context, _ *wire.Call, _ principal.Actor, in tokenBody,
) (wire.Data[invitePreview], error) {
	p, err := h.Invites.Preview(ctx, in.Token)
	return wire.Of(invitePreview{p.Email, p.Intent, p.FirstName, p.LastName, p.AccountName, p.InviterEmail}, err)
}

func (h *Invites) accept(
	ctx context.Context, _ *wire.Call, by principal.Actor, in invite.Acceptance,
) (wire.Data[wire.Message], error) {
	return wire.Say("Invite accepted", h.Invites.Accept(ctx, by, in))
}
