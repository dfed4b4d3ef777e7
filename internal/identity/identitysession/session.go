package identitysession

import (
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
)

type kind struct{}

// ID names a session. It is no credential.
type ID = id.Of[kind]

// keepEnded is how long a session is remembered after it has ended.
const keepEnded = 30 * 24 * time.Hour

// Session is one sign-in on one device.
type Session struct {
	ID        ID
	IPAddress *string // of the browser, as far as it was told
	UserAgent *string
	OrgNode   *string // the node of the organization that the session is in
	CreatedAt time.Time
	ExpiresAt time.Time
}

// ErrNotFound is for what is not a live session of somebody here.
var ErrNotFound = fault.New(fault.NotFound, "auth.session_not_found", "Session not found")

// The events of sessions. AllRevoked is declared here for portal users, too, whose sessions
// are another area's.
var (
	AllRevoked = event.Type[AllRevokedPayload]{
		Action: "session.all_revoked", Category: event.Auth, Resource: "identity", Severity: event.Notice,
		Feed: event.OfEnvironments, On: event.Identities,
		About: "Several sessions of a person ended at once.",
	}
	Revoked = event.Type[RevokedPayload]{
		Action: "identity.session.revoked", Category: event.Identity, Resource: "identity",
		On:    event.Identities,
		About: "One session of an identity was ended.",
	}
	AdminRevoked = event.Type[CountPayload]{
		Action: "identity.sessions.admin_revoked", Category: event.Identity, Resource: "identity", Severity: event.Notice,
		On:    event.Both,
		About: "An administrator ended every session of an identity.",
	}
)

// EndReason says why several sessions ended.
type EndReason string

// The reasons for which sessions of identities end.
const (
	AdminRequest        EndReason = "admin_request"
	IdentityDeactivated EndReason = "identity_deactivated"
	PasswordSet         EndReason = "password_set"
	PasswordReset       EndReason = "password_reset"
)

// The payloads.
type (
	// AllRevokedPayload says how many, and why.
	AllRevokedPayload struct {
		Count  int       `json:"revoked_count"`
		Reason EndReason `json:"reason"        nullable:"true"` // always said here; null is the contract's
	}
	// RevokedPayload says which one.
	RevokedPayload struct {
		SessionID ID `json:"session_id"`
	}
	// CountPayload says how many.
	CountPayload struct {
		Count int `json:"revoked_count"`
	}
)
