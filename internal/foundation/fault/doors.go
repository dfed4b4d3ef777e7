package fault

// The faults of doors that two worlds have, which share nothing else: portal users and
// identities sign in with a password each, and are invited each.
var (
	InvalidCredentials = New(Unauthenticated, "auth.invalid_credentials", "Invalid email or password")
	TooManyAttempts    = New(TooMany, "auth.too_many_attempts", "Too many failed attempts, try again later")

	InviteNotFound       = New(NotFound, "invites.not_found", "Invite not found")
	InviteAlreadyMember  = New(Conflict, "invites.already_member", "This e-mail already belongs to a member")
	InviteAlreadyPending = New(Conflict, "invites.already_pending", "A pending invite for this e-mail already exists")
	InviteNotPending     = New(Invalid, "invites.not_pending", "Only a pending invite can be changed")
	InviteCooldown       = New(Invalid, "invites.resend_cooldown", "This invite was sent less than 5 minutes ago")
	InviteExpired        = New(Gone, "invites.expired", "This invite has expired")
	InviteRevoked        = New(Gone, "invites.revoked", "This invite was withdrawn")
	InviteAccepted       = New(Gone, "invites.already_accepted", "This invite has already been accepted")
)
