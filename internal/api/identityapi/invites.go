package identityapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Invites serves identity invites to those invited.
type Invites struct{ Invites *identityinvite.Service }

var tagInvited = wire.Tag{
	Name: "Invited identities", About: "What the holder of an identity invite's link can do.",
}

// inviteToken brings the token of a link.
type inviteToken struct {
	Token string `json:"token" doc:"From the link."`
}

// Rules implements text.Ruled.
func (b *inviteToken) Rules(f *text.Fields) { f.Field("token", &b.Token, text.TokenRule) }

// identityInvitePreview is what the holder of a token may see.
type identityInvitePreview struct {
	Email            string                `json:"email"             doc:"Where the invite went." format:"email" example:"dana@acme.example"`
	Intent           identityinvite.Intent `json:"intent"            doc:"activate: names and a new password are wanted. add_to_app: the address has an identity, whose present password is. password_reset: a new password is."`
	FirstName        string                `json:"first_name"        doc:"As the inviter wrote it; empty where nobody did." example:"Dana" maxLength:"100"`
	LastName         string                `json:"last_name"         doc:"Likewise." example:"Cole" maxLength:"100"`
	AppName          string                `json:"app_name"          doc:"Name of the Application, or of the Account where the invite leads into its directory alone." example:"Lease Desk" maxLength:"100"`
	InviterEmail     *string               `json:"inviter_email"     doc:"Who invited; null where a program did, or once the inviter has left." example:"alex@acme.example" format:"email"`
	PasswordRequired bool                  `json:"password_required" doc:"Whether accepting takes a password."`
}

// Routes registers the resource.
func (h *Invites) Routes(rt *wire.Router) {
	g := rt.Public("/v1/identity/auth", tagInvited)
	perLink := []wire.Limit{{Name: ratelimit.Link, By: wire.ByIP}}
	dead := []*fault.Error{
		identityinvite.ErrNotFound, identityinvite.ErrExpired, identityinvite.ErrRevoked, identityinvite.ErrAlreadyAccepted,
	}
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/invite-info", ID: "identityInviteInfo",
		Summary: "Preview an identity invite by its token", About: "Changes nothing, any number of times.",
		Limits: perLink, Status: http.StatusOK, Faults: dead,
	}, h.info)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/accept-invite", ID: "acceptIdentityInvite",
		Summary: "Accept an identity invite by its token",
		About: "Makes the identity, the memberships and the role, or sets the new password, all at once. It signs nobody " +
			"in. A refusal leaves the invite as it is.",
		Limits: perLink, Waits: true, Status: http.StatusOK,
		Faults: append([]*fault.Error{
			credential.ErrInvalidCredentials, credential.ErrTooManyAttempts, credential.ErrBreached, credential.ErrReused,
			credential.ErrInactive, identityinvite.ErrUnavailable, fault.Busy,
		}, dead...),
		Writes: []wire.EventType{
			identityinvite.WasAccepted, enduser.Created, membership.Added, assignment.Created,
			credential.AddressVerified, credential.PasswordReset, identitysession.AllRevoked,
			credential.LoginFailed, credential.Locked,
		},
	}, h.accept)
}

func (h *Invites) info(
	ctx context.Context, _ *wire.Call, _ principal.Actor, in inviteToken,
) (wire.Data[identityInvitePreview], error) {
	p, err := h.Invites.Preview(ctx, in.Token)
	return wire.Of(identityInvitePreview{
		p.Email, p.Intent, p.FirstName, p.LastName, p.AppName, p.InviterEmail, p.PasswordRequired,
	}, err)
}

func (h *Invites) accept(
	ctx context.Context, _ *wire.Call, by principal.Actor, in identityinvite.Acceptance,
) (wire.Data[wire.Message], error) {
	return wire.Say("Invite accepted", h.Invites.Accept(ctx, by, in))
}
