package session

import (
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/identity/identitysession"
)

// The faults of signing in, renewing and ending sessions.
var (
	ErrEmailNotVerified = fault.New(fault.Forbidden, "auth.email_not_verified",
		"Confirm your e-mail address first; the link is in your mail")
	ErrNoActiveAccount = fault.New(fault.Forbidden, "auth.no_active_account", "You have no active account")
	ErrRevoked         = fault.New(fault.Unauthenticated, "auth.session_revoked", "This session has ended, sign in again")
	ErrNotFound        = identitysession.ErrNotFound
)
