package signup

import (
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	life    = 24 * time.Hour // of a link
	maxLife = 72 * time.Hour // of a sign-up, with all its links
	// An ended row is kept for a while, so that its link is answered as too
	// old and not as unknown.
	keepEnded = 7 * 24 * time.Hour
	// mostTried bounds the sign-ups of an address that one password is compared with.
	mostTried = 10
)

// The faults of sign-up.
var (
	// ErrClosed says that nobody can sign up here.
	ErrClosed = fault.New(fault.Forbidden, "auth.sign_up_closed", "Sign-up is closed on this server")
	// ErrPasswordRequired says that the link alone does not tell whose sign-up it is.
	ErrPasswordRequired = fault.New(fault.Conflict, "auth.password_required",
		"Several sign-ups wait for this address; send the password chosen at sign-up")
)

// The events of sign-ups.
var (
	Requested = event.Type[RequestedPayload]{
		Action: "user.registration_requested", Category: event.Auth, Hidden: true,
		About: "Somebody signed up; the address is not proven yet.",
	}
	LinkResent = event.Type[event.None]{
		Action: "user.verification_resent", Category: event.Auth, Hidden: true,
		About: "A sign-up got a new link. A failure where the address asked for got none.",
	}
)

// RequestedPayload is what there is to say of a sign-up.
type RequestedPayload struct {
	AccountSlug string `json:"account_slug"`
}

type kind struct{}

// ID names a sign-up.
type ID = id.Of[kind]

// Params is what a sign-up brings.
type Params struct {
	Email           string `json:"email"            doc:"The address that the link goes to."`
	Password        string `json:"password"         doc:"8 to 128 characters with an upper-case letter, a lower-case letter, a digit and a special character."`
	FirstName       string `json:"first_name"       doc:"The person's first name."`
	LastName        string `json:"last_name"        doc:"The person's last name."`
	AccountName     string `json:"account_name"     doc:"Name of the company; its slug is derived from it." example:"Acme Realty"`
	ApplicationName string `json:"application_name" doc:"Name of the first product; its slug is derived from it." example:"Lease Desk"`
}

// Rules implements text.Ruled.
func (p *Params) Rules(f *text.Fields) {
	f.Field("email", &p.Email, text.EmailRule)
	f.Field("password", &p.Password, text.PortalPasswordRule)
	f.Field("first_name", &p.FirstName, text.FirstNameRule)
	f.Field("last_name", &p.LastName, text.LastNameRule)
	f.Field("account_name", &p.AccountName, text.NameRule)
	f.Field("application_name", &p.ApplicationName, text.NameRule)
}

// Proof is what an address is proved with.
type Proof struct {
	Token string `json:"token" doc:"From the mail."`
	// Password tells whose sign-up it is; nil when none was sent.
	Password *string `json:"password,omitempty" doc:"The password chosen at sign-up: it tells which sign-up of the address is established. Needed while several wait."`
}

// Rules implements text.Ruled.
func (p *Proof) Rules(f *text.Fields) {
	f.Field("token", &p.Token, text.TokenRule)
	f.Optional("password", p.Password, text.CurrentPasswordRule)
}

// Result is what a sign-up is told; every id and slug will be those of the real
// things once the address is proven.
type Result struct {
	AccountID       account.ID
	AccountSlug     string
	ApplicationID   application.ID
	ApplicationSlug string
	UserID          portaluser.ID
}

// registration is a row of the table of that name.
type registration struct {
	account         account.ID
	application     application.ID
	user            portaluser.ID
	email           string
	firstName       string
	lastName        string
	accountName     string
	applicationName string
	applicationSlug string
	passwordHash    string
}
