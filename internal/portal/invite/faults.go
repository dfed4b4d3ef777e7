package invite

import "canopy.dev/canopy/internal/foundation/fault"

// The faults of user invites.
var (
	ErrNotFound          = fault.InviteNotFound
	ErrAlreadyMember     = fault.InviteAlreadyMember
	ErrMemberDeactivated = fault.New(fault.Conflict, "invites.member_deactivated",
		"This e-mail belongs to a deactivated member of the account; activate them instead")
	ErrAlreadyPending  = fault.InviteAlreadyPending
	ErrNotPending      = fault.InviteNotPending
	ErrCooldown        = fault.InviteCooldown
	ErrExpired         = fault.InviteExpired
	ErrRevoked         = fault.InviteRevoked
	ErrAlreadyAccepted = fault.InviteAccepted
)
