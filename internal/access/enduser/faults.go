package enduser

import "canopy.dev/canopy/internal/foundation/fault"

// ErrNotFound is for an identity that is none here.
var ErrNotFound = fault.New(fault.NotFound, "identities.not_found", "Identity not found")
