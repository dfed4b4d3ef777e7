package portaluser

import "canopy.dev/canopy/internal/foundation/fault"

// The faults of people and their passwords.
var (
	ErrNotFound           = fault.New(fault.NotFound, "users.not_found", "User not found")
	ErrInvalidCredentials = fault.InvalidCredentials
	ErrTooManyAttempts    = fault.TooManyAttempts
)

// The faults of links that a mail carries to a person.
var (
	ErrLinkNotFound = fault.New(fault.NotFound, "auth.link_not_found", "This link is not valid")
	ErrLinkExpired  = fault.New(fault.Gone, "auth.link_expired", "This link has expired")
	ErrLinkUsed     = fault.New(fault.Gone, "auth.link_used", "This link has already been used")
)
