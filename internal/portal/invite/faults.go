package invite

import "canopy.dev/canopy/internal/foundation/fault"

// The faults of user invites.
var (
	ErrNotFound      = fault.New(fault.NotFound, "invites.not_found", "Invite not found")
	ErrAlreadyMember = fault.New(fault.Conflict, "invites.already_member",
		"This e-mail already belongs to a member of the account")
	ErrMemberDeactivated = fault.New(fault.Conflict, "invites.member_deactivated",
		"This e-mail belongs to a deactivated member of the account; activate them instead")
	ErrAlreadyPending = fault.New(fault.Conflict, "invites.already_pending",
		"A pending invite for this e-mail already exists")
	ErrNotPending = fault.New(fault.Invalid, "invites.not_pending", "Only a pending invite can be changed")
	ErrCooldown   = fault.New(fault.Invalid, "invites.resend_cooldown",
		"This invite was sent less than 5 minutes ago")
	ErrExpired         = fault.New(fault.Gone, "invites.expired", "This invite has expired")
	ErrRevoked         = fault.New(fault.Gone, "invites.revoked", "This invite was withdrawn")
	ErrAlreadyAccepted = fault.New(fault.Gone, "invites.already_accepted", "This invite has already been accepted")
)
