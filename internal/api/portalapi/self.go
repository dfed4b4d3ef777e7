package portalapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

type boundAccount struct {
	AccountID   id.ID        `json:"account_id"`
	AccountName string       `json:"account_name"`
	AccountSlug string       `json:"account_slug"`
	AccountRole account.Role `json:"account_role"`
}

type meView struct {
	ID            id.ID           `json:"id"`
	Email         string          `json:"email"`
	FirstName     string          `json:"first_name"`
	LastName      string          `json:"last_name"`
	AvatarURL     *string         `json:"avatar_url"`
	EmailVerified bool            `json:"email_verified"`
	CreatedAt     time.Time       `json:"created_at"`
	Account       boundAccount    `json:"account"`
	Application   applicationView `json:"application"`
}

type sessionView struct {
	ID              id.ID     `json:"id"`
	AccountSlug     string    `json:"account_slug"`
	ApplicationSlug string    `json:"application_slug"`
	IPAddress       string    `json:"ip_address"`
	UserAgent       string    `json:"user_agent"`
	IsCurrent       bool      `json:"is_current"`
	CreatedAt       time.Time `json:"created_at"`
	LastUsedAt      time.Time `json:"last_used_at"`
	ExpiresAt       time.Time `json:"expires_at"`
}

func (d *Door) selfRoutes(rt *wire.Router) {
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: "/v1/auth/me", ID: "me", Summary: "Who is signed in", Status: 200, Access: wire.User}, d.me)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: "/v1/auth/me/permissions", ID: "myPermissions", Summary: "What the caller may do",
		Status: 200, Access: wire.User}, d.myPermissions)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: "/v1/auth/accounts", ID: "myAccounts", Summary: "Where the caller may go",
		Status: 200, Access: wire.User}, d.myAccounts)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: "/v1/auth/sessions", ID: "listSessions", Summary: "The caller's sessions",
		Status: 200, Access: wire.User}, d.sessions)
	wire.Handle(rt, wire.Route{Method: http.MethodDelete, Path: "/v1/auth/sessions", ID: "revokeAllSessions", Summary: "End all of the caller's sessions",
		Status: 204, Access: wire.User, Cookie: true}, d.revokeSessions)
	wire.Handle(rt, wire.Route{Method: http.MethodDelete, Path: "/v1/auth/sessions/{id}", ID: "revokeSession", Summary: "End one of the caller's sessions",
		Status: 204, Access: wire.User, Cookie: true, Faults: []*fault.Error{session.ErrNotFound}}, d.revokeSession)
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: "/.well-known/jwks.json", ID: "jwks", Summary: "The keys that verify access tokens",
		Status: 200}, d.jwks)
}

func (d *Door) me(ctx context.Context, c *wire.Call, _ wire.None) (wire.Data[meView], error) {
	p := c.Principal
	return database.Read(ctx, d.DB, func(tx *database.Tx) (out wire.Data[meView], err error) {
		u, err := portaluser.ByID(ctx, tx, p.ID)
		if err != nil {
			return out, err
		}
		m, _, err := account.MembershipOf(ctx, tx, p.AccountID, p.ID)
		if err != nil {
			return out, err
		}
		app, err := application.Find(ctx, tx, p.ApplicationID)
		out.Data = meView{ID: u.ID, Email: u.Email, FirstName: u.FirstName, LastName: u.LastName, EmailVerified: true, CreatedAt: u.CreatedAt,
			Account: boundAccount{m.AccountID, m.AccountName, m.AccountSlug, m.Role}, Application: applicationView{app.ID, app.Name, app.Slug}}
		return out, err
	})
}

func (d *Door) myPermissions(_ context.Context, c *wire.Call, _ wire.None) (wire.Items[string], error) {
	return wire.Items[string]{Items: session.Rights(account.Role(c.Principal.AccountRole))}, nil
}

func (d *Door) myAccounts(ctx context.Context, c *wire.Call, _ wire.None) (wire.Items[accountChoice], error) {
	return database.Read(ctx, d.DB, func(tx *database.Tx) (out wire.Items[accountChoice], err error) {
		choices, err := session.Choices(ctx, tx, c.Principal.ID)
		out.Items = []accountChoice{}
		for _, choice := range choices {
			out.Items = append(out.Items, choiceView(choice, true))
		}
		return out, err
	})
}

func (d *Door) sessions(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Items[sessionView], err error) {
	list, err := d.Sessions.List(ctx, c.Principal.ID)
	out.Items = []sessionView{}
	for _, s := range list {
		out.Items = append(out.Items, sessionView{s.ID, s.AccountSlug, s.ApplicationSlug, s.IPAddress, s.UserAgent, s.ID == c.Principal.SessionID,
			s.CreatedAt, s.LastUsedAt, s.ExpiresAt})
	}
	return out, err
}

func (d *Door) revokeSessions(ctx context.Context, c *wire.Call, _ wire.None) (wire.Empty, error) {
	err := d.Sessions.RevokeAll(ctx)
	if err == nil {
		d.clearCookie(c)
	}
	return wire.Empty{}, err
}

func (d *Door) revokeSession(ctx context.Context, c *wire.Call, _ wire.None) (out wire.Empty, err error) {
	sessionID, err := wire.PathID(c, "id", session.ErrNotFound)
	if err != nil {
		return out, err
	}
	if err := d.Sessions.Revoke(ctx, sessionID); err != nil {
		return out, err
	}
	if sessionID == c.Principal.SessionID {
		d.clearCookie(c)
	}
	return out, nil
}

// jwks is the key set as RFC 7517 has it, not wrapped.
func (d *Door) jwks(ctx context.Context, c *wire.Call, _ wire.None) (jsontext.Value, error) {
	set, err := d.Keys.JWKS(ctx)
	if err != nil {
		return nil, err
	}
	c.SetHeader("Cache-Control", "public, max-age=300")
	return set, nil
}
