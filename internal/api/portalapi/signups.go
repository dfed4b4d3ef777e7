package portalapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Signups serves sign-up.
type Signups struct {
	Signups *signup.Service
}

// registered is what a sign-up is told.
type registered struct {
	Message     string           `json:"message"     doc:"One English sentence." example:"Verification email sent" maxLength:"1000"`
	Account     namedAccount     `json:"account"     doc:"The Account that will be."`
	Application namedApplication `json:"application" doc:"The Application that will be."`
	User        User             `json:"user"        doc:"The user that will be."`
}

var linkToken = wire.QueryText("token", "From the mail.", 43, "mZ0k1Yq3vN8pT5wXc7RdLgJ2hS4bF6aE9uKiOoPxQyM")

// Routes registers the resource.
func (h *Signups) Routes(rt *wire.Router) {
	g := rt.Public("/v1/auth", tagSignUp)
	perLink := []wire.Limit{{Name: ratelimit.Link, By: wire.ByIP}}
	linkFaults := []*fault.Error{
		portaluser.ErrLinkNotFound, portaluser.ErrLinkExpired, portaluser.ErrLinkUsed, signup.ErrClosed,
		signup.ErrPasswordRequired,
	}
	establishes := []wire.EventType{portaluser.Registered, account.Created, application.Created, environment.Created}

	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/register", ID: "register", Summary: "Sign up",
		About: "Keeps the sign-up until the mailed link is used; ids and slugs are those that will be. " +
			"The answer is the same for an address that is free and for one that is taken.",
		Limits: []wire.Limit{{Name: ratelimit.SignUp, By: wire.ByIP}},
		Status: http.StatusCreated, Faults: []*fault.Error{signup.ErrClosed, fault.Busy},
		Writes: []wire.EventType{signup.Requested},
	}, h.register)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/verify-email", ID: "verifyEmailByLink",
		Summary: "Confirm an e-mail address by a link",
		About: "The same as verifyEmail without a password, for clients that can only follow links. " +
			"Mails lead to a page that uses verifyEmail.",
		Params: []wire.Parameter{linkToken}, Limits: perLink,
		Status: http.StatusOK, Faults: linkFaults, Writes: establishes,
	}, h.verifyLink)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/verify-email", ID: "verifyEmail",
		Summary: "Confirm an e-mail address",
		About: "Uses the link of a sign-up: user, Account, Application and Environments come into being. " +
			"It signs nobody in. With a password, the sign-up that it belongs to is established, whichever sign-up " +
			"of the address the link was mailed for; while several wait, it is needed.",
		Limits: perLink, Status: http.StatusOK,
		Faults: append(linkFaults, portaluser.ErrInvalidCredentials, portaluser.ErrTooManyAttempts, fault.Busy),
		Writes: append(establishes, portaluser.SignInFailed),
	}, h.verify)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/resend-verification", ID: "resendVerification",
		Summary: "Send the confirmation mail again",
		About:   "Gives the newest sign-up of the address a new link. The answer is the same for every address.",
		Limits:  []wire.Limit{{Name: ratelimit.RecoverIP, By: wire.ByIP}, {Name: ratelimit.Recover, By: wire.ByIPAndBody}},
		Status:  http.StatusOK, Faults: []*fault.Error{fault.Busy}, Writes: []wire.EventType{signup.LinkResent},
	}, h.resend)
}

func (h *Signups) register(
	ctx context.Context, _ *wire.Call, by principal.Actor, in signup.Params,
) (wire.Data[registered], error) {
	r, err := h.Signups.Register(ctx, by, in)
	return wire.Of(registered{
		Message:     "Verification email sent",
		Account:     namedAccount{r.AccountID, in.AccountName, r.AccountSlug},
		Application: namedApplication{r.ApplicationID, in.ApplicationName, r.ApplicationSlug},
		User:        User{r.UserID, in.Email, in.FirstName, in.LastName},
	}, err)
}

func (h *Signups) verifyLink(
	ctx context.Context, c *wire.Call, by principal.Actor, _ wire.None,
) (wire.Data[wire.Message], error) {
	return wire.Say("Email verified", h.Signups.Verify(ctx, by, signup.Proof{Token: linkToken.Of(c)}))
}

func (h *Signups) verify(
	ctx context.Context, _ *wire.Call, by principal.Actor, in signup.Proof,
) (wire.Data[wire.Message], error) {
	return wire.Say("Email verified", h.Signups.Verify(ctx, by, in))
}

func (h *Signups) resend(
	ctx context.Context, _ *wire.Call, by principal.Actor, in emailBody,
) (wire.Data[wire.Message], error) {
	return wire.Say("If this address is waiting for verification, a new email has been sent",
		h.Signups.AskAgain(ctx, by, in.Email))
}
