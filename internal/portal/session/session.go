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
	// A refresh token that was used this short a time ago gets its successor again: two
	// tabs raced, or an answer was lost.
	repeatWithin = 30 * time.Second
	// So many live sessions a person may have; a further one ends the one unused longest.
	mostSessions = 100
	// So many used refresh tokens of a session are remembered.
	keepUsed = 1000
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
	Refresh     secret.Token  // for the cookie; "" leaves the cookie as it is
	RefreshLife time.Duration // how long it can be used
	Browser     secret.Token  // to be known by; "" leaves what there is
	User        portaluser.User
	Membership  portaluser.Membership
	Application application.Application
}

// Choice is an Account one can enter, with its Applications.
type Choice struct {
	Membership   portaluser.Membership
	Applications []application.Application
}

// state is a session as its row has it.
type state struct {
	id          ID
	account     scope.AccountID
	application application.ID
	permissions bool // access tokens list the rights
	refreshHash string
	renewedWith string    // hash of the refresh token before the current one
	renewedAt   time.Time // when that was used; zero: never
	successor   []byte    // the current refresh token, which that one opens
	expiresAt   time.Time // unless it is used before
	endsAt      time.Time // however often it is used
	endedAt     time.Time // zero: it is live
}

// live reports whether the session can be used at now.
func (st *state) live(now time.Time) bool { return st.endedAt.IsZero() && now.Before(st.expiresAt) }

// place is where a person is or goes, whose row is held.
type place struct {
	who         portaluser.Locked
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
