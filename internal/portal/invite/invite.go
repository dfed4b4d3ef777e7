package invite

import (
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
)

type kind struct{}

// ID names an invite. It opens nothing.
type ID = id.Of[kind]

// Status is where an invite stands.
type Status string

// The statuses. Expired is what a pending invite becomes at ExpiresAt; no job
// has to run for it.
const (
	Pending  Status = "pending"
	Accepted Status = "accepted"
	Revoked  Status = "revoked"
	Expired  Status = "expired"
)

// Enum lists the statuses, for schemas.
func (Status) Enum() []string {
	return []string{string(Pending), string(Accepted), string(Revoked), string(Expired)}
}

// Delivery is how the newest mail of an invite fares.
type Delivery string

// The deliveries.
const (
	Queued  Delivery = "queued"
	Sent    Delivery = "sent"
	Failed  Delivery = "failed"
	Bounced Delivery = "bounced"
)

// Enum lists the deliveries, for schemas.
func (Delivery) Enum() []string {
	return []string{string(Queued), string(Sent), string(Failed), string(Bounced)}
}

// Sorts are the sort keys of a list of invites.
var Sorts = page.Sorts{
	{Key: "created_at", Column: "created_at", Desc: true},
	{Key: "expires_at", Column: "expires_at", Desc: true},
	{Key: "email", Column: "email"},
	{Key: "name", Column: "name_fold"},
}

// cooldown is the least time between two sends of one invite.
const cooldown = 5 * time.Minute

// Invite is one row. The token is never in it.
type Invite struct {
	ID         ID
	AccountID  account.ID
	Email      string
	FirstName  string
	LastName   string
	Status     Status
	ExpiresAt  time.Time
	InvitedBy  portaluser.ID
	CreatedAt  time.Time
	Delivery   Delivery
	LastSentAt *time.Time
	SendCount  int

	askedAt time.Time // the last send was asked for
}

// Name is first and last name.
func (i Invite) Name() string { return i.FirstName + " " + i.LastName }

// at is the status as the clock tells it: the instant of expiry is too late.
func (s Status) at(now, expiresAt time.Time) Status {
	if s == Pending && !now.Before(expiresAt) {
		return Expired
	}
	return s
}

// Draft is what an inviter writes.
type Draft struct {
	Email     string `json:"email"      doc:"Where the invite goes."`
	FirstName string `json:"first_name" doc:"The colleague's first name."`
	LastName  string `json:"last_name"  doc:"The colleague's last name."`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("email", &d.Email, text.EmailRule)
	f.Field("first_name", &d.FirstName, text.FirstNameRule)
	f.Field("last_name", &d.LastName, text.LastNameRule)
}

func (d *Draft) folded() string { return text.Fold(d.FirstName + " " + d.LastName) }

// searched is what a list's q is looked for in.
func (d *Draft) searched() string { return d.Email + "\n" + d.folded() }

// Counts are the numbers of invites by status.
type Counts struct{ Total, Pending, Accepted, Expired, Revoked int }

// Intent says what accepting will ask of the person.
type Intent string

// The intents.
const (
	Activate Intent = "activate"   // no portal user has the address: names and a new password
	AddToApp Intent = "add_to_app" // one exists: the current password
)

// Enum lists the intents, for schemas.
func (Intent) Enum() []string { return []string{string(Activate), string(AddToApp)} }

// Acceptance is what the invitee brings: names and a new password for an address
// without a user, else the user's current password.
type Acceptance struct {
	Token     string `json:"token"      doc:"From the mail."`
	FirstName string `json:"first_name" doc:"The person's first name; of use only to a new user."`
	LastName  string `json:"last_name"  doc:"The person's last name; of use only to a new user."`
	Password  string `json:"password"   doc:"A new password (8 to 128 characters with an upper-case letter, a lower-case letter, a digit and a special character), or the current one of the address's user."`
}

// Rules implements text.Ruled. Whether the password must be a good new one
// depends on the invite.
func (a *Acceptance) Rules(f *text.Fields) {
	f.Field("token", &a.Token, text.TokenRule)
	f.Field("first_name", &a.FirstName, text.FirstNameRule)
	f.Field("last_name", &a.LastName, text.LastNameRule)
	f.Field("password", &a.Password, text.CurrentPasswordRule)
}

// Preview is what the holder of a token may see of the invite.
type Preview struct {
	Email        string
	Intent       Intent
	FirstName    string
	LastName     string
	AccountName  string
	InviterEmail *string // nil once the inviter is not an active user of the Account
}
