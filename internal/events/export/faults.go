package export

import "canopy.dev/canopy/internal/foundation/fault"

// ErrNotFound is for a job that does not exist, or not for who asks, and for a link that is not
// good.
var ErrNotFound = fault.New(fault.NotFound, "audit.export_not_found", "Audit export not found")

// Why a job fails, as its error says.
const (
	tooManyRows = "There are more than %d rows; choose a narrower filter or a shorter time"
	interrupted = "The export was interrupted too often; try again later"
)
