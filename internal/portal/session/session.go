package session

import (
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	preAuthLife = 300 * time.Second
	// A refresh token that was used this short a time ago is the mark of two
	// tabs that race, not of a thief; it yields no token all the same.
	conflictWithin = 10 * time.Second
	// A session that has ended is remembered for so long.
	keepEnded = 7 * 24 * time.Hour
	// As many characters of a user agent are kept.
	maxUserAgent = 256
)

// ID names a session. It proves nothing.
type ID = principal.SessionID

// Bound is a session that has just been opened, renewed or rebound: all that a
// token answer is made of.
type Bound struct {
	AccessToken string
	ExpiresIn   time.Duration
	Refresh     secret.Token  // for the cookie
	RefreshLife time.Duration // how long it can be used
	User        portaluser.User
	Membership  portaluser.Membership
	Application application.Application
}

// Choice is an Account one can enter, with its Applications.
type Choice struct {
	Membership   portaluser.Membership
	Applications []application.Application
}

// state is what a row of portal_session says of the session's binding and life.
type state struct {
	id          ID
	user        portaluser.ID
	account     scope.AccountID
	application application.ID
	permissions bool // access tokens list the rights
	endsAt      time.Time
}

// place is where a session is or will be bound.
type place struct {
	user        portaluser.User
	membership  portaluser.Membership
	application application.Application
}

// Credentials are what somebody signs in with.
type Credentials struct {
	Email       string `json:"email"    doc:"The person's address."`
	Password    string `json:"password" doc:"The person's password."`
	Permissions bool   `json:"include_permissions,omitempty" doc:"Whether access tokens are to list the person's rights."`
}

// Rules implements text.Ruled.
func (c *Credentials) Rules(f *text.Fields) {
	f.Field("email", &c.Email, text.EmailRule)
	f.Field("password", &c.Password, text.CurrentPasswordRule)
}

// View is a live session as its owner sees it.
type View struct {
	ID              ID
	AccountSlug     string
	ApplicationSlug string
	IPAddress       string
	UserAgent       string
	CreatedAt       time.Time
	LastUsedAt      time.Time
	ExpiresAt       time.Time
}
