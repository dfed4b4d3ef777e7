package audit

import "canopy.dev/canopy/internal/foundation/fault"

// The faults of this room.
var (
	ErrRowNotFound = fault.New(fault.NotFound, "audit.row_not_found", "Audit log row not found")
	ErrViewLimit   = fault.New(fault.Invalid, "audit.view_limit_exceeded",
		"At most 20 views can be saved; delete one first")
)
