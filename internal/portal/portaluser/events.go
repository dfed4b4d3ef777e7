package portaluser

import (
	"context"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// The events of people and their passwords.
var (
	Registered = event.Type[RegisteredPayload]{
		Action: "user.registered", Category: event.Auth, Resource: "user", Hidden: true,
		About: "A person proved an address and became a portal user.",
	}
	SignInFailed = event.Type[SignInFailedPayload]{
		Action: "user.login.failed", Category: event.Auth, Resource: "user", Outcome: event.Failure, Severity: event.Notice,
		About: "A password was refused, or was right and opened nothing.",
	}
	SignInLocked = event.Type[SignInLockedPayload]{
		Action: "user.locked", Category: event.Auth, Resource: "user", Severity: event.Warning,
		About: "Too many wrong passwords in a row closed sign-in for a while.",
	}
)

// RegisteredPayload is what there is to say of a new user.
type RegisteredPayload struct {
	Email string `json:"email"`
}

// Reason says why a sign-in failed.
type Reason string

// The reasons.
const (
	WrongPassword   Reason = "wrong_password"
	UnknownAddress  Reason = "unknown_address"
	NotVerified     Reason = "not_verified"
	Throttled       Reason = "throttled"
	NoActiveAccount Reason = "no_active_account"
)

// SignInFailedPayload says why, and from where.
type SignInFailedPayload struct {
	Reason    Reason `json:"reason"`
	IPAddress string `json:"ip_address"`
}

// SignInLockedPayload says until when, in RFC 3339.
type SignInLockedPayload struct {
	LockedUntil string `json:"locked_until"`
}

// Record writes an event about a person: once for every Account in which they
// are active; where there is none, once without an Account and hidden. The zero User is
// nobody, about whom the same statements write one row.
func Record[P any](
	ctx context.Context, tx *database.Tx, by principal.Actor, u User, t event.Type[P], payload P,
) error {
	return RecordEach(ctx, tx, by, u, t, func(scope.AccountID) P { return payload })
}

// RecordEach is Record with a payload for each Account, which learns nothing of others
// from it; the row without an Account gets that of the zero id.
func RecordEach[P any](
	ctx context.Context, tx *database.Tx, by principal.Actor, u User, t event.Type[P], payload func(scope.AccountID) P,
) error {
	memberships, err := ActiveMemberships(ctx, tx, u.ID)
	if err != nil {
		return err
	}
	entry := event.Entry{Actor: by, Resource: u.ID.Any(), Label: u.Email}
	if u.ID.IsZero() {
		t.Resource = ""
	}
	if len(memberships) == 0 {
		entry.Hidden = true
		return event.Record(ctx, tx, t, entry, payload(entry.Account))
	}
	for _, m := range memberships {
		entry.Account = m.Account.ID
		if err := event.Record(ctx, tx, t, entry, payload(entry.Account)); err != nil {
			return err
		}
	}
	return nil
}

// RecordFailure writes user.login.failed: about the user whose address it is, or
// about nobody when there is none.
func RecordFailure(ctx context.Context, tx *database.Tx, by principal.Actor, u User, known bool, reason Reason) error {
	return recordOfAddress(ctx, tx, by, u, known, SignInFailed, SignInFailedPayload{reason, by.Request.IP})
}

// recordOfAddress is Record for the user whose address it is; where there is none, it
// writes the event about nobody, hidden.
func recordOfAddress[P any](
	ctx context.Context, tx *database.Tx, by principal.Actor, u User, known bool, t event.Type[P], payload P,
) error {
	if !known {
		u = User{}
	}
	return Record(ctx, tx, by, u, t, payload)
}
