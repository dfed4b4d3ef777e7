package portalapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/recovery"
	"canopy.dev/canopy/internal/portal/session"
)

// Passwords serves forgotten and changed passwords.
type Passwords struct {
	Recovery *recovery.Service
}

// Routes registers the resource.
func (h *Passwords) Routes(rt *wire.Router) {
	g := rt.Public("/v1/auth", tagPassword)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/forgot-password", ID: "forgotPassword",
		Summary: "Ask for a reset link",
		About:   "Mails a link that works for one hour. The answer is the same for every address.",
		Limits: []wire.Limit{
			{Name: ratelimit.RecoverIP, By: wire.ByUseCase}, {Name: ratelimit.Recover, By: wire.ByUseCase},
		},
		Browser: knownBrowser, Status: http.StatusOK,
		Faults: []*fault.Error{fault.Busy}, Writes: []wire.EventType{recovery.Requested},
	}, h.forgot)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/reset-password", ID: "resetPassword",
		Summary: "Set a new password with a reset link",
		About:   "Ends all sessions of the person and opens none.",
		Limits:  []wire.Limit{{Name: ratelimit.Link, By: wire.ByIP}}, Browser: knownBrowser, Status: http.StatusOK,
		Faults: []*fault.Error{portaluser.ErrLinkNotFound, portaluser.ErrLinkExpired, portaluser.ErrLinkUsed, fault.Busy},
		Writes: []wire.EventType{recovery.Reset, session.AllRevoked},
	}, h.reset)
	wire.Handle(rt.Users("/v1/auth", tagPassword), wire.Route{
		Method: http.MethodPost, Path: "/change-password", ID: "changePassword",
		Summary: "Change one's password",
		About:   "Ends all other sessions of the caller; this one goes on.",
		Browser: knownBrowser, Status: http.StatusOK,
		Faults: []*fault.Error{
			portaluser.ErrInvalidCredentials, portaluser.ErrTooManyAttempts,
			portaluser.ErrNotFound, fault.Busy,
		},
		Writes: []wire.EventType{recovery.Changed, session.AllRevoked, portaluser.SignInFailed, portaluser.SignInLocked},
	}, h.change)
}

func (h *Passwords) forgot(
	ctx context.Context, _ *wire.Call, by principal.Actor, in emailBody,
) (wire.Data[wire.Message], error) {
	return wire.Say("If an account exists for this address, a reset link has been sent",
		h.Recovery.Ask(ctx, by, in.Email))
}

func (h *Passwords) reset(
	ctx context.Context, c *wire.Call, by principal.Actor, in recovery.NewPassword,
) (wire.Data[wire.Message], error) {
	browser, err := h.Recovery.Reset(ctx, by, in)
	if err == nil {
		c.SetBrowser(browser)
	}
	return wire.Say("Password reset", err)
}

func (h *Passwords) change(
	ctx context.Context, c *wire.Call, by principal.User, in recovery.PasswordChange,
) (wire.Data[wire.Message], error) {
	browser, err := h.Recovery.Change(ctx, by, in)
	if err == nil {
		c.SetBrowser(browser)
	}
	return wire.Say("Password changed", err)
}
