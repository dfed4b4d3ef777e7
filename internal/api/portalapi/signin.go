package portalapi

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// SignIn serves the opening and renewing of sessions.
type SignIn struct{ Sessions *session.Service }

// refreshCookie keeps the refresh token in the browser.
var refreshCookie = wire.Cookie{
	Name: "canopy_refresh", Path: "/v1/auth", About: "The refresh token of a session; refresh renews it with each use.",
}

// knownBrowser marks a browser that a person has proved a password in.
var knownBrowser = wire.BrowserCookie{
	Name: "canopy_known", Life: portaluser.BrowserLife,
	About: "Marks a browser that the person has signed in with: wrong passwords from elsewhere keep nobody out of it.",
}

// perSession limits what makes or ends the tokens of one session. Refresh counts by the
// session of its cookie.
var perSession = []wire.Limit{{Name: ratelimit.Session, By: wire.BySession}}

// selection is the Account and Application to enter. What is not an id names
// nothing, like an unknown one.
type selection struct {
	AccountID     string `json:"account_id"     doc:"One of the Accounts that login offered."  format:"uuid"`
	ApplicationID string `json:"application_id" doc:"One of the Applications of that Account." format:"uuid"`
}

// target is the Application to switch to.
type target struct {
	ApplicationID string `json:"application_id" doc:"An Application of any Account in which the caller is active. The cookie is renewed if the call carries it." format:"uuid"`
}

// tokens is the answer that carries a fresh access token.
type tokens struct {
	AccessToken            string `json:"access_token" doc:"For the Authorization header." example:"eyJhbGciOiJSUzI1NiIs…" maxLength:"65536"`
	TokenType              string `json:"token_type"   doc:"Always Bearer." enum:"Bearer"`
	ExpiresIn              int    `json:"expires_in"   doc:"Seconds that the token lives." example:"900"`
	User                   User   `json:"user"         doc:"Who is signed in."`
	DefaultEnvironmentSlug string `json:"default_environment_slug" doc:"The Application's default Environment." example:"development" maxLength:"63"`
}

// signedIn is the answer of login: bound, or with a choice to make.
type signedIn struct {
	RequiresAccountSelection     bool               `json:"requires_account_selection"     doc:"The person has several Accounts; see accounts." example:"false"`
	RequiresApplicationSelection bool               `json:"requires_application_selection" doc:"The Account has several Applications; see applications." example:"false"`
	AccessToken                  string             `json:"access_token" doc:"An access token, or a pre-auth token when a choice is required." example:"eyJhbGciOiJSUzI1NiIs…" maxLength:"65536"`
	TokenType                    string             `json:"token_type"   doc:"Bearer or preauth." enum:"Bearer,preauth"`
	ExpiresIn                    int                `json:"expires_in"   doc:"Seconds that the token lives." example:"900"`
	User                         User               `json:"user"         doc:"Who signed in."`
	Account                      *accountChoice     `json:"account,omitempty"      doc:"The Account, when there is just one."`
	Accounts                     []accountChoice    `json:"accounts,omitempty"     doc:"The Accounts to choose from, by name."`
	Applications                 []namedApplication `json:"applications,omitempty" doc:"The Applications to choose from, the oldest first."`
	DefaultEnvironmentSlug       string             `json:"default_environment_slug,omitempty" doc:"The Application's default Environment." example:"development" maxLength:"63"`
}

// Routes registers the resource.
func (h *SignIn) Routes(rt *wire.Router) {
	public := rt.Public("/v1/auth", tagSignIn)
	wire.Handle(public, wire.Route{
		Method: http.MethodPost, Path: "/login", ID: "login", Summary: "Sign in",
		About:  "Opens a session, or answers a pre-auth token and the choices for select-application.",
		Cookie: refreshCookie, Browser: knownBrowser, Status: http.StatusOK,
		Faults: []*fault.Error{
			portaluser.ErrInvalidCredentials, session.ErrEmailNotVerified, session.ErrNoActiveAccount,
			portaluser.ErrTooManyAttempts, fault.Busy,
		},
		Writes: []wire.EventType{session.SignedIn, portaluser.SignInFailed, portaluser.SignInLocked},
	}, h.login)
	wire.Handle(public, wire.Route{
		Method: http.MethodPost, Path: "/refresh", ID: "refresh", Summary: "Renew the access token",
		About: "Reads the cookie and sets a new one. Each refresh token works once; " +
			"its repeat within 30 seconds gets the same new one.",
		Cookie: refreshCookie, CookieAuth: true, Status: http.StatusOK,
		Limits: []wire.Limit{{Name: ratelimit.Session, By: wire.ByUseCase}},
		Faults: []*fault.Error{signingkey.ErrInvalidToken, session.ErrRevoked},
		Writes: []wire.EventType{session.Refreshed, session.ReuseDetected},
	}, h.refresh)
	wire.Handle(rt.PreAuth("/v1/auth", tagSignIn), wire.Route{
		Method: http.MethodPost, Path: "/select-application", ID: "selectApplication", Summary: "Choose an Application",
		About:  "Spends the pre-auth token of a login on one of the choices it offered.",
		Cookie: refreshCookie, Browser: knownBrowser, Status: http.StatusOK,
		Faults: []*fault.Error{application.ErrNotFound},
		Writes: []wire.EventType{session.SignedIn},
	}, h.choose)
	wire.Handle(rt.Users("/v1/auth", tagSignIn), wire.Route{
		Method: http.MethodPost, Path: "/switch-application", ID: "switchApplication", Summary: "Switch the Application",
		About: "Binds the session to another Application, of any Account in which the caller is active. " +
			"The cookie is renewed if the call carries it.",
		Limits: perSession, Cookie: refreshCookie, Status: http.StatusOK,
		Faults: []*fault.Error{application.ErrNotFound}, Writes: []wire.EventType{session.Switched},
	}, h.change)
}

func (h *SignIn) login(
	ctx context.Context, c *wire.Call, by principal.Actor, in session.Credentials,
) (wire.Data[signedIn], error) {
	s, err := h.Sessions.Login(ctx, by, in)
	if err != nil {
		return wire.Data[signedIn]{}, err
	}
	v := signedIn{User: viewUser(s.User), AccessToken: s.PreAuthToken, TokenType: "preauth", ExpiresIn: 300}
	first := viewChoice(s.Choices[0])
	switch {
	case s.Bound != nil:
		t := bound(c, s.Bound)
		v.AccessToken, v.TokenType, v.ExpiresIn = t.AccessToken, t.TokenType, t.ExpiresIn
		v.DefaultEnvironmentSlug = t.DefaultEnvironmentSlug
		v.Account = &first
	case len(s.Choices) == 1:
		v.RequiresApplicationSelection = true
		v.Account, v.Applications = &first, first.Applications
	default:
		v.RequiresAccountSelection = true
		for _, choice := range s.Choices {
			v.Accounts = append(v.Accounts, viewChoice(choice))
		}
	}
	return wire.Of(v, nil)
}

// bound sets the cookies, where there are new ones, and makes the token answer.
func bound(c *wire.Call, b *session.Bound) tokens {
	if !b.Refresh.IsZero() {
		c.SetCookie(b.Refresh.Reveal(), b.RefreshLife)
	}
	if !b.Browser.IsZero() {
		c.SetBrowser(b.Browser)
	}
	return tokens{
		AccessToken: b.AccessToken, TokenType: "Bearer", ExpiresIn: int(b.ExpiresIn / time.Second),
		User: viewUser(b.User), DefaultEnvironmentSlug: b.Application.DefaultEnvironmentSlug,
	}
}

func boundOr(c *wire.Call, b *session.Bound, err error) (wire.Data[tokens], error) {
	if err != nil {
		return wire.Data[tokens]{}, err
	}
	return wire.Of(bound(c, b), nil)
}

func (h *SignIn) choose(
	ctx context.Context, c *wire.Call, by principal.PreAuth, in selection,
) (wire.Data[tokens], error) {
	accountID, err1 := id.Parse[account.ID](in.AccountID)
	applicationID, err2 := id.Parse[application.ID](in.ApplicationID)
	if err1 != nil || err2 != nil {
		return wire.Data[tokens]{}, application.ErrNotFound
	}
	b, err := h.Sessions.Select(ctx, by, accountID, applicationID)
	return boundOr(c, b, err)
}

func (h *SignIn) change(ctx context.Context, c *wire.Call, by principal.User, in target) (wire.Data[tokens], error) {
	applicationID, err := id.Parse[application.ID](in.ApplicationID)
	if err != nil {
		return wire.Data[tokens]{}, application.ErrNotFound
	}
	b, err := h.Sessions.Switch(ctx, by, applicationID, c.Cookie())
	return boundOr(c, b, err)
}

func (h *SignIn) refresh(
	ctx context.Context, c *wire.Call, by principal.Actor, _ wire.None,
) (wire.Data[tokens], error) {
	token := c.Cookie()
	if strings.TrimSpace(token) == "" {
		c.ClearCookie()
		return wire.Data[tokens]{}, signingkey.ErrInvalidToken
	}
	b, err := h.Sessions.Refresh(ctx, by, token)
	if errors.Is(err, signingkey.ErrInvalidToken) || errors.Is(err, session.ErrRevoked) {
		c.ClearCookie() // the token in it will never work again
	}
	return boundOr(c, b, err)
}
