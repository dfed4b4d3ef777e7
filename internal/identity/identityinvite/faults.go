package identityinvite

import "canopy.dev/canopy/internal/foundation/fault"

// The faults of identity invites.
var (
	ErrNotFound        = fault.InviteNotFound
	ErrAlreadyMember   = fault.InviteAlreadyMember
	ErrAlreadyPending  = fault.InviteAlreadyPending
	ErrNotPending      = fault.InviteNotPending
	ErrCooldown        = fault.InviteCooldown
	ErrExpired         = fault.InviteExpired
	ErrRevoked         = fault.InviteRevoked
	ErrAlreadyAccepted = fault.InviteAccepted

	ErrUnavailable = fault.New(fault.Conflict, "invites.assignment_unavailable",
		"The role of this invite can't be given any more; ask for another invitation")
	ErrClientUnknown = fault.New(fault.Invalid, "invites.client_unknown",
		"The Environment has no OAuth client of this id")
)
