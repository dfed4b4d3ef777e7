package portalapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
)

type resetBody struct {
	Token    string `json:"token"`
	Password string `json:"password"`
}

// Check implements wire.Checked.
func (b *resetBody) Check(p *fault.Problems) { keep(p, "password", &b.Password, text.PortalPassword) }

type changeBody struct {
	CurrentPassword string `json:"current_password"`
	NewPassword     string `json:"new_password"`
}

// Check implements wire.Checked.
func (b *changeBody) Check(p *fault.Problems) {
	keep(p, "current_password", &b.CurrentPassword, text.PresentPassword)
	keep(p, "new_password", &b.NewPassword, text.PortalPassword)
}

func (d *Door) passwordRoutes(rt *wire.Router) {
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/forgot-password", ID: "forgotPassword", Summary: "Ask for a reset link",
		Status: 200, Faults: []*fault.Error{fault.RateLimited}}, d.forgot)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/reset-password", ID: "resetPassword", Summary: "Set a new password with a reset link",
		Status: 200, PerIP: string(ratelimit.Link), Faults: append([]*fault.Error{fault.Busy}, linkFaults...)}, d.reset)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/change-password", ID: "changePassword", Summary: "Change one's password",
		Status: 200, Access: wire.User, Faults: []*fault.Error{portaluser.ErrInvalidCredentials, portaluser.ErrLocked, portaluser.ErrTooManyAttempts, fault.Busy}}, d.change)
}

func (d *Door) forgot(ctx context.Context, c *wire.Call, in emailBody) (wire.Data[wire.Message], error) {
	if err := d.Limits.Take(ctx, ratelimit.Recover, c.IP+" "+in.Email); err != nil {
		return wire.Data[wire.Message]{}, err
	}
	d.later(ctx, "forgot-password", func(ctx context.Context) error { return d.Passwords.Forgot(ctx, in.Email) })
	return wire.Say("If an account exists for this address, a reset link has been sent"), nil
}

func (d *Door) reset(ctx context.Context, c *wire.Call, in resetBody) (wire.Data[wire.Message], error) {
	err := d.Passwords.Reset(ctx, in.Token, in.Password)
	return wire.Say("Password reset"), err
}

func (d *Door) change(ctx context.Context, _ *wire.Call, in changeBody) (wire.Data[wire.Message], error) {
	err := d.Passwords.Change(ctx, in.CurrentPassword, in.NewPassword)
	return wire.Say("Password changed"), err
}
