package invite

import (
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
)

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

// Delivery is how the newest mail of an invite fares.
type Delivery string

// The deliveries.
const (
	Queued  Delivery = "queued"
	Sent    Delivery = "sent"
	Failed  Delivery = "failed"
	Bounced Delivery = "bounced"
)

// cooldown is the least time between two sends of one invite.
const cooldown = 5 * time.Minute

// Invite is one row. The token is never in it.
type Invite struct {
	ID         id.ID
	AccountID  id.ID
	Email      string
	FirstName  string
	LastName   string
	Status     Status
	ExpiresAt  time.Time
	InvitedBy  id.ID
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
type Draft struct{ Email, FirstName, LastName string }

func (d Draft) folded() string { return text.Fold(d.FirstName + " " + d.LastName) }

// searched is what a list's q is looked for in.
func (d Draft) searched() string { return d.Email + "\n" + d.folded() }

// Counts are the numbers of invites by status.
type Counts struct{ Total, Pending, Accepted, Expired, Revoked int }

// Intent says what accepting will ask of the person.
type Intent string

// The intents.
const (
	Activate Intent = "activate"   // no portal user has the address: names and a new password
	AddToApp Intent = "add_to_app" // one exists: the present password
)

// Preview is what the holder of a token may see of the invite.
type Preview struct {
	Email        string
	Intent       Intent
	FirstName    string
	LastName     string
	AccountName  string
	InviterEmail *string // nil once the inviter is no active user of the Account
}
