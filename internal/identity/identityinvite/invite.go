package identityinvite

import (
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/mail"
)

type kind struct{}

// ID names an invite. It opens nothing.
type ID = id.Of[kind]

// Status is where an invite stands.
type Status string

// The statuses. Expired is what a pending invite becomes at ExpiresAt; no job has to run for
// it.
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

// at is the status as the clock tells it: the instant of expiry is too late.
func (s Status) at(now, expiresAt time.Time) Status {
	if s == Pending && !now.Before(expiresAt) {
		return Expired
	}
	return s
}

// Delivery is how the newest mail of an invite fares.
type Delivery string

// The deliveries.
const (
	Queued   Delivery = "queued"
	Sent     Delivery = "sent"
	Failed   Delivery = "failed"
	Bounced  Delivery = "bounced"
	Unmailed Delivery = "none" // it is not mailed: who invites hands the link over
)

// Enum lists the deliveries, for schemas.
func (Delivery) Enum() []string {
	return []string{string(Queued), string(Sent), string(Failed), string(Bounced), string(Unmailed)}
}

// Intent says what accepting is about.
type Intent string

// The intents.
const (
	Activate      Intent = "activate"       // nobody has the address: names and a new password
	AddToApp      Intent = "add_to_app"     // somebody has it: becomes a member, after the present password
	PasswordReset Intent = "password_reset" // a member gets a new password
)

// Enum lists the intents, for schemas.
func (Intent) Enum() []string {
	return []string{string(Activate), string(AddToApp), string(PasswordReset)}
}

// Sorts are the sort keys of a list of invites.
var Sorts = page.Sorts{
	{Key: "created_at", Column: "v.created_at", Desc: true},
	{Key: "expires_at", Column: "v.expires_at", Desc: true},
	{Key: "email", Column: "v.email"},
	{Key: "name", Column: "v.name_fold"},
}

// cooldown is the least time between two links of one invite.
const cooldown = 5 * time.Minute

// Invite is one row. The token is never in it.
type Invite struct {
	ID              ID
	Account         scope.AccountID
	Application     scope.ApplicationID // zero with the Environment
	Environment     scope.EnvironmentID // zero: it leads into the directory alone
	EnvironmentName string
	Email           string
	Intent          Intent // as the inviter saw it
	FirstName       string // "" where nobody gave one
	LastName        string
	Role            rbac.RoleID  // zero: none
	Node            hierarchy.ID // where to give the role
	Status          Status
	ExpiresAt       time.Time
	InvitedBy       id.ID // a portal user, or an API key
	CreatedAt       time.Time
	Delivery        Delivery
	LastSentAt      *time.Time // nil: no mail has been handed over
	SendCount       int        // mails asked for

	byUser          bool      // who invited is a portal user
	askedAt         time.Time // the newest link was asked for
	environmentSlug string
}

// Name is first and last name, as far as there are any.
func (i Invite) Name() string { return nameOf(i.FirstName, i.LastName) }

func nameOf(first, last string) string { return strings.TrimSpace(first + " " + last) }

// at is the invite as the clock tells it.
func (i Invite) at(now time.Time) Invite {
	i.Status = i.Status.at(now, i.ExpiresAt)
	return i
}

// into are the Environments that the invite leads into: one, or none.
func (i Invite) into() []scope.Environment {
	if i.Environment.IsZero() {
		return nil
	}
	app := scope.Application{Account: scope.Account{ID: i.Account}, ID: i.Application}
	return []scope.Environment{{Application: app, ID: i.Environment, Slug: i.environmentSlug}}
}

// mailed reports whether the invite's links go by mail.
func (i Invite) mailed() bool { return i.Delivery != Unmailed }

// mail is the kind of mail that carries its links.
func (i Invite) mail() mail.Kind {
	if i.Intent == PasswordReset {
		return mail.IdentityInviteReset
	}
	return mail.IdentityInvite
}

// Counts are the numbers of invites by status.
type Counts struct{ Total, Pending, PendingWithRole, Accepted, Expired, Revoked int }

// folded is a name as lists sort it.
func folded(first, last string) string { return text.Fold(nameOf(first, last)) }

// searched is what a list's q is looked for in.
func searched(email, first, last string) string { return email + "\n" + folded(first, last) }
