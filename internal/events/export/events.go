package export

import (
	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
)

// The events of this room. None of them tells what is in a file.
var (
	Requested = event.Type[Payload]{
		Action: "audit.export.requested", Category: event.Audit, Resource: "audit_export", Severity: event.Notice,
		About: "Somebody asked for a file of rows of the audit log.",
	}
	Deleted = event.Type[Payload]{
		Action: "audit.export.deleted", Category: event.Audit, Resource: "audit_export", Severity: event.Notice,
		About: "A file of rows of the audit log, or the work on it, was deleted.",
	}
	Executed = event.Type[ExecutedPayload]{
		Action: "audit.export.executed", Category: event.Audit, Resource: "audit_export",
		About: "A file of rows of the audit log was made.",
	}
	Failure = event.Type[FailedPayload]{
		Action: "audit.export.failed", Category: event.Audit, Resource: "audit_export", Outcome: event.Failure,
		About: "A file of rows of the audit log could not be made.",
	}
)

// Payload says what was asked for.
type Payload struct {
	Surface string       `json:"surface"`
	Format  Format       `json:"format"`
	Filter  audit.Stated `json:"filter"`
}

// ExecutedPayload also says how much that was.
type ExecutedPayload struct {
	Payload
	RowCount int64 `json:"row_count"`
}

// FailedPayload also says why it failed.
type FailedPayload struct {
	Payload
	Error string `json:"error"`
}
