package peopleapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Credentials serves what administrators do about signing in, for members of an Environment
// and identities of an Account.
type Credentials struct {
	Credentials *credential.Service
	Factors     *mfa.Service
}

// authState is how an identity stands to signing in.
type authState struct {
	IsActive        bool       `json:"is_active"             doc:"The switch for the whole Account."`
	EmailVerified   bool       `json:"email_verified"        doc:"Whether the address is proven."`
	EmailVerifiedAt *time.Time `json:"email_verified_at"     doc:"Since when."`
	PasswordSet     bool       `json:"password_set"          doc:"Whether there is a password to sign in with."`
	Locked          bool       `json:"locked"                doc:"Whether wrong passwords keep the person out."`
	LockedUntil     *time.Time `json:"locked_until"          doc:"Until when; null when not locked."`
	FailedLogins    int        `json:"failed_login_attempts" doc:"Wrong passwords in a row." example:"0"`
	MFAEnrolled     bool       `json:"mfa_enrolled"          doc:"Whether there is a second factor."`
	MFAFactors      int        `json:"mfa_factor_count"      doc:"How many." example:"1"`
	MFAResetAt      *time.Time `json:"mfa_admin_reset_at"    doc:"When an administrator reset the factors last."`
}

func viewState(s mfa.State) authState {
	v := authState{
		s.Active, s.EmailVerified(), instant(s.EmailVerifiedAt), s.PasswordSet(), s.Locked, nil, s.WrongPasswords,
		s.Factors > 0, s.Factors, instant(s.MFAResetAt),
	}
	if s.Locked {
		v.LockedUntil = &s.LockedUntil
	}
	return v
}

// identityFactors is what an identity has enrolled.
type identityFactors struct {
	Factors    []identityFactor `json:"factors"                   doc:"The second factors, the oldest first." maxItems:"20"`
	Generation int              `json:"recovery_codes_generation" doc:"Which batch of recovery codes; 0 for none ever." example:"1"`
	Remaining  int              `json:"recovery_codes_remaining"  doc:"Codes of it that are left." example:"10"`
	ResetAt    *time.Time       `json:"mfa_admin_reset_at"        doc:"When an administrator reset the factors last."`
}

// identityFactor is a second factor, without its secret.
type identityFactor struct {
	ID         mfa.FactorID   `json:"id"             doc:"The factor's id."`
	Type       mfa.FactorKind `json:"type"           doc:"What it is."`
	Label      string         `json:"label"          doc:"As the person calls it." example:"Phone" maxLength:"100"`
	EnrolledAt time.Time      `json:"enrolled_at"    doc:"Since when it counts."`
	LastUsedAt *time.Time     `json:"last_used_at"   doc:"When it was used last."`
	RPID       *string        `json:"webauthn_rp_id" doc:"The relying party of a passkey." example:"canopy.acme.example" maxLength:"253"`
}

func viewFactors(m mfa.Summary) identityFactors {
	v := identityFactors{[]identityFactor{}, m.Generation, m.Remaining, instant(m.ResetAt)}
	for _, f := range m.Factors {
		v.Factors = append(v.Factors, identityFactor{f.ID, f.Kind, f.Label, f.EnrolledAt, instant(f.LastUsedAt), f.RPID})
	}
	return v
}

// mailed is the limit of mails to one address.
var mailed = []wire.Limit{{Name: ratelimit.MailRecipient, By: wire.ByUseCase}}

// Routes registers the resource.
func (h *Credentials) Routes(rt *wire.Router) {
	g := rt.Twins("/identities/{id}", tagIdentities)
	one := []wire.Parameter{identityID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/auth-state", ID: "getIdentityAuthState",
		Summary: "See how an identity can sign in",
		About:   "Switch, address, password, lock and factors in short.",
		Needs:   permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inEnvironment, h.state))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/mfa", ID: "getIdentityMfa", Summary: "See an identity's second factors",
		About: "Without any secret.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inEnvironment, h.factors))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/password", ID: "setIdentityPassword", Summary: "Set an identity's password",
		About: "All sessions end, open reset links die, and a lock is lifted.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Faults: []*fault.Error{credential.ErrBreached},
		Writes: []wire.EventType{credential.PasswordSet, identitysession.AllRevoked},
	}, from(inEnvironment, h.setPassword))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/password/reset", ID: "requestIdentityPasswordReset",
		Summary: "Mail a link for a new password",
		About:   "It works once, for an hour; earlier ones die. Password and sessions stay until it is used.",
		Needs:   permission.IdentityManage, Params: one, Limits: mailed, Status: http.StatusNoContent,
		Faults: []*fault.Error{credential.ErrInactive}, Writes: []wire.EventType{credential.ResetRequested},
	}, from(inEnvironment, h.requestReset))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/verify-email", ID: "verifyIdentityEmail",
		Summary: "Vouch for an identity's address",
		About:   "The address counts as proven from now on.",
		Needs:   permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Writes: []wire.EventType{credential.EmailVerified},
	}, from(inEnvironment, h.verify))
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/mfa/reset", ID: "resetIdentityMfa", Summary: "Reset an identity's second factors",
		About: "Factors and trusted devices go, recovery codes are spent. Sessions stay.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusNoContent,
		Writes: []wire.EventType{mfa.ForcedReset},
	}, from(inEnvironment, h.reset))
	h.ofDirectory(rt)
}

func (h *Credentials) ofDirectory(rt *wire.Router) {
	g := rt.InAccount("/identities/{id}", tagIdentities)
	one := []wire.Parameter{identityID}
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/mfa", ID: "getDirectoryIdentityMfa",
		Summary: "See the second factors of an Account's identity", About: "Without any secret.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, from(inAccount, h.factors))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/mfa/reset", ID: "resetDirectoryIdentityMfa",
		Summary: "Reset the second factors of an Account's identity",
		About:   "Factors and trusted devices go, recovery codes are spent. Sessions stay.",
		Needs:   permission.IdentityManage, Params: one, Status: http.StatusOK, Writes: []wire.EventType{mfa.ForcedReset},
	}, from(inAccount, saying("Second factors reset", h.reset)))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/reset-password", ID: "requestDirectoryPasswordReset",
		Summary: "Mail an Account's identity a link for a new password",
		About:   "It works once, for an hour; earlier ones die. Password and sessions stay until it is used.",
		Needs:   permission.IdentityManage, Params: one, Limits: mailed, Status: http.StatusOK,
		Faults: []*fault.Error{credential.ErrInactive}, Writes: []wire.EventType{credential.ResetRequested},
	}, from(inAccount, saying("Reset link sent", h.requestReset)))
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/resend-verification", ID: "resendDirectoryVerification",
		Summary: "Mail an Account's identity a verification link",
		About:   "It works once, for a day; earlier ones die.",
		Needs:   permission.IdentityManage, Params: one, Limits: mailed, Status: http.StatusOK,
		Faults: []*fault.Error{credential.ErrAlreadyVerified}, Writes: []wire.EventType{credential.VerificationResent},
	}, from(inAccount, h.resend))
}

// saying is a handler that answers a sentence instead of nothing.
func saying[In any](
	sentence string, fn func(context.Context, *wire.Call, caller, In) (wire.Empty, error),
) func(context.Context, *wire.Call, caller, In) (wire.Data[wire.Message], error) {
	return func(ctx context.Context, c *wire.Call, by caller, in In) (wire.Data[wire.Message], error) {
		_, err := fn(ctx, c, by, in)
		return wire.Say(sentence, err)
	}
}

func (h *Credentials) state(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Data[authState], error) {
	s, err := h.Factors.State(ctx, by.at, identityID.Of(c))
	return wire.Of(viewState(s), err)
}

func (h *Credentials) factors(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Data[identityFactors], error) {
	m, err := h.Factors.Summary(ctx, by.at, identityID.Of(c))
	return wire.Of(viewFactors(m), err)
}

func (h *Credentials) setPassword(
	ctx context.Context, c *wire.Call, by caller, in credential.NewPassword,
) (wire.Empty, error) {
	return wire.Empty{}, h.Credentials.SetPassword(ctx, by.Actor, by.at, identityID.Of(c), in)
}

func (h *Credentials) requestReset(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Credentials.RequestReset(ctx, by.Actor, by.at, identityID.Of(c))
}

func (h *Credentials) verify(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Credentials.VerifyEmail(ctx, by.Actor, by.at, identityID.Of(c))
}

func (h *Credentials) reset(ctx context.Context, c *wire.Call, by caller, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Factors.Reset(ctx, by.Actor, by.at, identityID.Of(c))
}

func (h *Credentials) resend(
	ctx context.Context, c *wire.Call, by caller, _ wire.None,
) (wire.Data[wire.Message], error) {
	return wire.Say("Verification link sent", h.Credentials.ResendVerification(ctx, by.Actor, by.at, identityID.Of(c)))
}
