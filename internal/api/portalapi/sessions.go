package portalapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// Sessions serves what the caller's own sessions are, and their end.
type Sessions struct{ Sessions *session.Service }

// boundAccount is the Account that a token is bound to.
type boundAccount struct {
	AccountID   account.ID             `json:"account_id"   doc:"The Account's id."`
	AccountName string                 `json:"account_name" doc:"Its name." example:"Acme Realty" maxLength:"100"`
	AccountSlug string                 `json:"account_slug" doc:"Its slug, for paths." example:"acme-realty" maxLength:"63"`
	AccountRole permission.AccountRole `json:"account_role" doc:"The caller's role there."`
}

// me is the caller.
type me struct {
	User
	AvatarURL     *string          `json:"avatar_url"     doc:"Always null for now." format:"uri"`
	EmailVerified bool             `json:"email_verified" doc:"Always true: a user exists only for a proven address."`
	CreatedAt     time.Time        `json:"created_at"     doc:"When the user came into being."`
	Account       boundAccount     `json:"account"        doc:"The Account that the token is bound to."`
	Application   namedApplication `json:"application"    doc:"The Application that the token is bound to."`
}

// liveSession is one of the caller's sessions.
type liveSession struct {
	ID              session.ID `json:"id"               doc:"The session's id. It is no credential."`
	AccountSlug     string     `json:"account_slug"     doc:"The Account that it is bound to." example:"acme-realty" maxLength:"63"`
	ApplicationSlug string     `json:"application_slug" doc:"The Application that it is bound to." example:"lease-desk" maxLength:"63"`
	IPAddress       string     `json:"ip_address"       doc:"Where it was opened." example:"203.0.113.7" maxLength:"45"`
	UserAgent       string     `json:"user_agent"       doc:"What it was opened with, cut to 256 characters." example:"Mozilla/5.0" maxLength:"256"`
	IsCurrent       bool       `json:"is_current"       doc:"Whether it is the one that asks."`
	CreatedAt       time.Time  `json:"created_at"       doc:"When it was opened."`
	LastUsedAt      time.Time  `json:"last_used_at"     doc:"When it was renewed last."`
	ExpiresAt       time.Time  `json:"expires_at"       doc:"When it ends unless it is renewed."`
}

// logoutScope says how much to end.
type logoutScope struct {
	RevokeAll bool `json:"revoke_all,omitempty" doc:"End every session of the person, in every Account."`
}

type revoked struct {
	RevokedCount int `json:"revoked_count" doc:"How many sessions ended." example:"1"`
}

var sessionID = wire.PathID[session.ID]("id", "The session's id.", session.ErrNotFound)

// Routes registers the resource.
func (h *Sessions) Routes(rt *wire.Router) {
	wire.Handle(rt.UsersOrCookie("/v1/auth", tagSignIn), wire.Route{
		Method: http.MethodPost, Path: "/logout", ID: "logout", Summary: "Sign out",
		About: "Ends the session and clears the cookie. Where the access token has run out, the session is that of " +
			"the cookie.",
		Limits: perSession, Cookie: refreshCookie, Status: http.StatusOK,
		Writes: []wire.EventType{session.SignedOut, session.AllRevoked, session.ReuseDetected},
	}, h.logout)

	g := rt.Users("/v1/auth", tagSelf)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/me", ID: "me", Summary: "Read who is signed in",
		About:  "The person, and the Account and Application that the token is bound to.",
		Status: http.StatusOK, Faults: []*fault.Error{application.ErrNotFound},
	}, h.me)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/me/permissions", ID: "myPermissions", Summary: "List one's rights",
		About: "The keys that the caller holds in the Account, sorted.", Status: http.StatusOK,
	}, h.permissions)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/accounts", ID: "myAccounts", Summary: "List the Accounts one can enter",
		About: "Accounts in which the caller is active, by name, with their Applications.", Status: http.StatusOK,
	}, h.accounts)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/sessions", ID: "listSessions", Summary: "List one's sessions",
		About: "The caller's live sessions in all Accounts, the newest first.", Status: http.StatusOK,
	}, h.list)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/sessions", ID: "revokeAllSessions", Summary: "End all of one's sessions",
		About:  "Ends every session of the caller, this one included, and clears the cookie.",
		Cookie: refreshCookie, Status: http.StatusNoContent, Writes: []wire.EventType{session.AllRevoked},
	}, h.revokeAll)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/sessions/{id}", ID: "revokeSession", Summary: "End one of one's sessions",
		About:  "Ending the session that asks clears the cookie too.",
		Params: []wire.Parameter{sessionID}, Cookie: refreshCookie, Status: http.StatusNoContent,
		Faults: []*fault.Error{session.ErrNotFound}, Writes: []wire.EventType{session.Revoked},
	}, h.revoke)
}

func (h *Sessions) me(ctx context.Context, _ *wire.Call, by principal.User, _ wire.None) (wire.Data[me], error) {
	s, err := h.Sessions.Self(ctx, by)
	return wire.Of(me{
		User: viewUser(s.User), EmailVerified: true, CreatedAt: s.User.CreatedAt,
		Account: boundAccount{
			s.Membership.Account.ID, s.Membership.AccountName, s.Membership.Account.Slug, s.Membership.Role,
		},
		Application: viewApplication(s.Application),
	}, err)
}

func (h *Sessions) permissions(
	_ context.Context, _ *wire.Call, by principal.User, _ wire.None,
) (wire.Items[permission.Key], error) {
	return wire.Items[permission.Key]{Items: by.Role.Keys()}, nil
}

func (h *Sessions) accounts(
	ctx context.Context, _ *wire.Call, by principal.User, _ wire.None,
) (wire.Items[accountChoice], error) {
	choices, err := h.Sessions.Choices(ctx, by)
	return wire.ItemsOf(choices, err, func(c session.Choice) accountChoice {
		v := viewChoice(c)
		v.AccountRole = c.Membership.Role
		return v
	})
}

func (h *Sessions) list(
	ctx context.Context, _ *wire.Call, by principal.User, _ wire.None,
) (wire.Items[liveSession], error) {
	list, err := h.Sessions.List(ctx, by)
	return wire.ItemsOf(list, err, func(s session.View) liveSession {
		return liveSession{
			ID: s.ID, AccountSlug: s.AccountSlug, ApplicationSlug: s.ApplicationSlug,
			IPAddress: s.IPAddress, UserAgent: s.UserAgent, IsCurrent: s.ID == by.SessionID,
			CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, ExpiresAt: s.ExpiresAt,
		}
	})
}

func (h *Sessions) logout(
	ctx context.Context, c *wire.Call, by wire.UserOrCookie, in logoutScope,
) (wire.Data[revoked], error) {
	var n int
	var err error
	if by.User != nil {
		n, err = h.Sessions.Logout(ctx, *by.User, in.RevokeAll)
	} else {
		n, err = h.Sessions.LogoutByCookie(ctx, by.Actor, by.Cookie, in.RevokeAll)
	}
	if err == nil || errors.Is(err, signingkey.ErrInvalidToken) {
		c.ClearCookie() // the token in it will never work again
	}
	return wire.Of(revoked{n}, err)
}

func (h *Sessions) revokeAll(ctx context.Context, c *wire.Call, by principal.User, _ wire.None) (wire.Empty, error) {
	err := h.Sessions.RevokeAll(ctx, by)
	if err == nil {
		c.ClearCookie()
	}
	return wire.Empty{}, err
}

func (h *Sessions) revoke(ctx context.Context, c *wire.Call, by principal.User, _ wire.None) (wire.Empty, error) {
	target := sessionID.Of(c)
	err := h.Sessions.Revoke(ctx, by, target)
	if err == nil && target == by.SessionID {
		c.ClearCookie()
	}
	return wire.Empty{}, err
}
