package enduser

import "canopy.dev/canopy/internal/foundation/fault"

// The faults of identities.
var (
	ErrNotFound   = fault.New(fault.NotFound, "identities.not_found", "Identity not found")
	ErrEmailTaken = fault.New(fault.Conflict, "identities.email_taken",
		"The Account has an identity with this e-mail")
	ErrExternalIDTaken = fault.New(fault.Conflict, "identities.external_id_taken",
		"The Account has an identity with this external_id")
)
