package portalapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/application"
)

type loginBody struct {
	Email              string `json:"email"`
	Password           string `json:"password"`
	IncludePermissions bool   `json:"include_permissions,omitempty"`
}

// Check implements wire.Checked.
func (b *loginBody) Check(p *fault.Problems) {
	keep(p, "email", &b.Email, text.Email)
	keep(p, "password", &b.Password, text.PresentPassword)
}

type selectBody struct {
	AccountID     string `json:"account_id"`
	ApplicationID string `json:"application_id"`
}

type switchBody struct {
	ApplicationID string `json:"application_id"`
}

type logoutBody struct {
	RevokeAll bool `json:"revoke_all,omitempty"`
}

type emptyBody struct{}

// tokens is the answer that carries a fresh access token.
type tokens struct {
	AccessToken            string   `json:"access_token"`
	TokenType              string   `json:"token_type"`
	ExpiresIn              int      `json:"expires_in"`
	User                   userView `json:"user"`
	DefaultEnvironmentSlug string   `json:"default_environment_slug"`
}

// signedIn is the answer of login: bound, or with a choice to make.
type signedIn struct {
	RequiresAccountSelection     bool              `json:"requires_account_selection"`
	RequiresApplicationSelection bool              `json:"requires_application_selection"`
	AccessToken                  string            `json:"access_token"`
	TokenType                    string            `json:"token_type"`
	ExpiresIn                    int               `json:"expires_in"`
	User                         userView          `json:"user"`
	Account                      *accountChoice    `json:"account,omitempty"`
	Accounts                     []accountChoice   `json:"accounts,omitempty"`
	Applications                 []applicationView `json:"applications,omitempty"`
	DefaultEnvironmentSlug       string            `json:"default_environment_slug,omitempty"`
}

const refreshCookie = "canopy_refresh"

func (d *Door) signInRoutes(rt *wire.Router) {
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/login", ID: "login", Summary: "Sign in", Status: 200, Cookie: true,
		Faults: []*fault.Error{portaluser.ErrInvalidCredentials, session.ErrEmailNotVerified, portaluser.ErrLocked, session.ErrNoActiveAccount,
			portaluser.ErrTooManyAttempts, fault.Busy}}, d.login)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/select-application", ID: "selectApplication", Summary: "Choose an Application",
		Status: 200, Access: wire.PreAuth, Cookie: true, Faults: []*fault.Error{application.ErrNotFound}}, d.selectApplication)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/switch-application", ID: "switchApplication", Summary: "Switch the Application",
		Status: 200, Access: wire.User, Cookie: true, Faults: []*fault.Error{application.ErrNotFound}}, d.switchApplication)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/refresh", ID: "refresh", Summary: "Renew the access token", Status: 200, Cookie: true,
		Faults: []*fault.Error{signingkey.ErrInvalidToken, session.ErrRevoked, session.ErrConflict}}, d.refresh)
	wire.Handle(rt, wire.Route{Method: http.MethodPost, Path: "/v1/auth/logout", ID: "logout", Summary: "Sign out", Status: 200,
		Access: wire.User, Cookie: true}, d.logout)
}

func (d *Door) login(ctx context.Context, c *wire.Call, in loginBody) (wire.Data[signedIn], error) {
	s, err := d.Sessions.Login(ctx, in.Email, in.Password, in.IncludePermissions)
	if err != nil {
		return wire.Data[signedIn]{}, err
	}
	u := s.User
	v := signedIn{User: userView{u.ID, u.Email, u.FirstName, u.LastName}}
	switch first := choiceView(s.Choices[0], false); {
	case s.Bound != nil:
		t := d.bind(c, s.Bound)
		v.AccessToken, v.TokenType, v.ExpiresIn, v.DefaultEnvironmentSlug = t.AccessToken, t.TokenType, t.ExpiresIn, t.DefaultEnvironmentSlug
		v.Account = &first
		return wire.Data[signedIn]{Data: v}, nil
	case len(s.Choices) == 1:
		v.RequiresApplicationSelection, v.Applications = true, first.Applications
		v.Account = &first
	default:
		v.RequiresAccountSelection = true
		for _, choice := range s.Choices {
			v.Accounts = append(v.Accounts, choiceView(choice, false))
		}
	}
	v.AccessToken, v.TokenType, v.ExpiresIn = s.PreAuthToken, "preauth", 300
	return wire.Data[signedIn]{Data: v}, nil
}

// bind sets the cookie and makes the token answer.
func (d *Door) bind(c *wire.Call, b *session.Bound) tokens {
	age := b.RefreshUntil.Sub(d.DB.Now())
	c.SetCookie(&http.Cookie{Name: refreshCookie, Value: b.Refresh.Reveal(), Path: "/v1/auth", MaxAge: int((age + time.Second/2) / time.Second), HttpOnly: true,
		SameSite: http.SameSiteStrictMode, Secure: d.SecureCookies})
	return tokens{b.AccessToken, "Bearer", int(b.ExpiresIn / time.Second), userView{b.User.ID, b.User.Email, b.User.FirstName, b.User.LastName},
		b.Application.DefaultEnvironmentSlug}
}

func (d *Door) clearCookie(c *wire.Call) {
	c.SetCookie(&http.Cookie{Name: refreshCookie, Path: "/v1/auth", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: d.SecureCookies})
}

func (d *Door) selectApplication(ctx context.Context, c *wire.Call, in selectBody) (out wire.Data[tokens], err error) {
	accountID, err1 := id.Parse[id.ID](in.AccountID)
	applicationID, err2 := id.Parse[id.ID](in.ApplicationID)
	if err1 != nil || err2 != nil {
		return out, application.ErrNotFound
	}
	b, err := d.Sessions.Select(ctx, accountID, applicationID)
	if err != nil {
		return out, err
	}
	return wire.Data[tokens]{Data: d.bind(c, b)}, nil
}

func (d *Door) switchApplication(ctx context.Context, c *wire.Call, in switchBody) (out wire.Data[tokens], err error) {
	applicationID, err := id.Parse[id.ID](in.ApplicationID)
	if err != nil {
		return out, application.ErrNotFound
	}
	b, err := d.Sessions.Switch(ctx, applicationID)
	if err != nil {
		return out, err
	}
	return wire.Data[tokens]{Data: d.bind(c, b)}, nil
}

func (d *Door) refresh(ctx context.Context, c *wire.Call, _ emptyBody) (out wire.Data[tokens], err error) {
	token := c.Cookie(refreshCookie)
	if strings.TrimSpace(token) == "" {
		return out, signingkey.ErrInvalidToken.WithCookieCleared()
	}
	b, err := d.Sessions.Refresh(ctx, token)
	if err != nil {
		return out, err
	}
	return wire.Data[tokens]{Data: d.bind(c, b)}, nil
}

type revoked struct {
	RevokedCount int `json:"revoked_count"`
}

func (d *Door) logout(ctx context.Context, c *wire.Call, in logoutBody) (out wire.Data[revoked], err error) {
	n, err := d.Sessions.Logout(ctx, in.RevokeAll)
	if err != nil {
		return out, err
	}
	d.clearCookie(c)
	return wire.Data[revoked]{Data: revoked{n}}, nil
}
