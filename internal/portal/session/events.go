package session

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/tenant/application"
)

// The events of sessions.
var (
	SignedIn = event.Type[SignedInPayload]{
		Action: "user.login.succeeded", Category: event.Auth, Resource: "user",
		About: "A session was opened.",
	}
	Refreshed = event.Type[event.None]{
		Action: "user.session.refreshed", Category: event.Auth, Resource: "session", Hidden: true,
		About: "A session was renewed.",
	}
	ReuseDetected = event.Type[ReuseDetectedPayload]{
		Action: "user.session.reuse_detected", Category: event.Auth, Resource: "session",
		Outcome: event.Denied, Severity: event.Critical,
		About: "A refresh token was used a second time; the session has ended.",
	}
	Switched = event.Type[SwitchedPayload]{
		Action: "user.application_switched", Category: event.Auth, Resource: "user",
		About: "A session was bound to another Application.",
	}
	SignedOut = event.Type[event.None]{
		Action: "user.logout", Category: event.Auth, Resource: "session",
		About: "A person ended the current session.",
	}
	Revoked = event.Type[event.None]{
		Action: "user.session.revoked", Category: event.Auth, Resource: "session",
		About: "A person ended one of their own sessions.",
	}
	AllRevoked = ofUsers(identitysession.AllRevoked)
)

// ofUsers is an event of identities as portal users have it, too: they are of Accounts.
func ofUsers[P any](t event.Type[P]) event.Type[P] {
	t.Resource, t.Feed, t.On = "user", event.OfAccounts, event.Admin
	return t
}

// SignedInPayload says which session, and from where.
type SignedInPayload struct {
	SessionID ID     `json:"session_id"`
	IPAddress string `json:"ip_address"`
	UserAgent string `json:"user_agent"`
}

// ReuseDetectedPayload says from where.
type ReuseDetectedPayload struct {
	IPAddress string `json:"ip_address"`
}

// SwitchedPayload names the Applications that belong to the Account of the row;
// nil stands for one of another Account.
type SwitchedPayload struct {
	From *application.ID `json:"from_application_id"`
	To   *application.ID `json:"to_application_id"`
}

// EndReason says why several sessions ended.
type EndReason = identitysession.EndReason

// The reasons.
const (
	LoggedOut         EndReason = "logout"
	UserRequest       EndReason = "user_request"
	PasswordReset     EndReason = "password_reset"
	PasswordChange    EndReason = "password_change"
	MemberRemoved     EndReason = "member_removed"
	MemberDeactivated EndReason = "member_deactivated"
)

// AllRevokedPayload says how many, and why.
type AllRevokedPayload = identitysession.AllRevokedPayload
