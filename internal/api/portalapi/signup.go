package portalapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/signup"
)

type registerBody struct {
	Email           string `json:"email"`
	Password        string `json:"password"`
	FirstName       string `json:"first_name"`
	LastName        string `json:"last_name"`
	AccountName     string `json:"account_name"`
	ApplicationName string `json:"application_name"`
}

// Check implements wire.Checked.
func (b *registerBody) Check(p *fault.Problems) {
	keep(p, "email", &b.Email, text.Email)
	keep(p, "password", &b.Password, text.PortalPassword)
	keepNames(p, &b.FirstName, &b.LastName)
	keep(p, "account_name", &b.AccountName, text.Name)
	keep(p, "application_name", &b.ApplicationName, text.Name)
}

type registered struct {
	Message     string          `json:"message"`
	Account     applicationView `json:"account"`
	Application applicationView `json:"application"`
	User        userView        `json:"user"`
}

type tokenBody struct {
	Token string `json:"token"`
}

type emailBody struct {
	Email string `json:"email"`
}

// Check implements wire.Checked.
func (b *emailBody) Check(p *fault.Problems) { keep(p, "email", &b.Email, text.Email) }

var linkFaults = []*fault.Error{signup.ErrLinkNotFound, signup.ErrLinkExpired, signup.ErrLinkUsed}

func (d *Door) signUpRoutes(rt *wire.Router) {
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/register", ID: "register", Summary: "Sign up", Status: 201,
		PerIP: string(ratelimit.SignUp), Faults: []*fault.Error{signup.ErrClosed, fault.Busy}}, d.register)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: "/v1/auth/verify-email", ID: "verifyEmailByLink", Summary: "Confirm an e-mail address",
		Status: 200, Query: []wire.Param{{Name: "token", Doc: "from the mail"}}, PerIP: string(ratelimit.Link), Faults: linkFaults}, d.verifyLink)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/verify-email", ID: "verifyEmail", Summary: "Confirm an e-mail address",
		Status: 200, PerIP: string(ratelimit.Link), Faults: linkFaults}, d.verify)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/resend-verification", ID: "resendVerification",
		Summary: "Send the confirmation mail again", Status: 200, Faults: []*fault.Error{fault.RateLimited}}, d.resendVerification)
}

func (d *Door) register(ctx context.Context, c *wire.Call, in registerBody) (wire.Data[registered], error) {
	r, err := d.Registrations.Register(ctx, signup.Params{Email: in.Email, Password: in.Password, FirstName: in.FirstName,
		LastName: in.LastName, AccountName: in.AccountName, ApplicationName: in.ApplicationName})
	if err != nil {
		return wire.Data[registered]{}, err
	}
	return wire.Data[registered]{Data: registered{Message: "Verification email sent",
		Account:     applicationView{r.AccountID, in.AccountName, r.AccountSlug},
		Application: applicationView{r.ApplicationID, in.ApplicationName, r.ApplicationSlug},
		User:        userView{r.UserID, in.Email, in.FirstName, in.LastName}}}, nil
}

func (d *Door) verifyLink(ctx context.Context, c *wire.Call, _ wire.None) (wire.Data[wire.Message], error) {
	if c.Query("token") == "" {
		return wire.Data[wire.Message]{}, fault.Validation.WithDetails("token is required")
	}
	return wire.Say("Email verified"), d.Registrations.Verify(ctx, c.Query("token"))
}

func (d *Door) verify(ctx context.Context, c *wire.Call, in tokenBody) (wire.Data[wire.Message], error) {
	return wire.Say("Email verified"), d.Registrations.Verify(ctx, in.Token)
}

func (d *Door) resendVerification(ctx context.Context, c *wire.Call, in emailBody) (wire.Data[wire.Message], error) {
	if err := d.Limits.Take(ctx, ratelimit.Recover, c.IP+" "+in.Email); err != nil {
		return wire.Data[wire.Message]{}, err
	}
	d.later(ctx, "resend-verification", func(ctx context.Context) error { return d.Registrations.Resend(ctx, in.Email) })
	return wire.Say("If this address is waiting for verification, a new email has been sent"), nil
}
