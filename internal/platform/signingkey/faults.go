package signingkey

import "canopy.dev/canopy/internal/foundation/fault"

// ErrInvalidToken says that a credential is no good, and never why; the cause is
// for logs only.
var ErrInvalidToken = fault.New(fault.Unauthenticated, "auth.invalid_token", "Invalid or expired token")
