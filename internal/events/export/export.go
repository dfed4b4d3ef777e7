package export

import (
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
)

type job struct{}

// ID names a job. It is the correlation id of what the job records, too.
type ID = id.Of[job]

// Format is what a file is written in.
type Format string

// The formats.
const (
	CSV    Format = "csv"    // RFC 4180, with a header line
	NDJSON Format = "ndjson" // a row as JSON in each line
)

// Enum lists the formats, for schemas.
func (Format) Enum() []string { return []string{string(CSV), string(NDJSON)} }

// Status says how far a job is.
type Status string

// The statuses. In the store what was deleted is there until it is swept, as "deleted".
const (
	Pending    Status = "pending"
	Processing Status = "processing"
	Completed  Status = "completed"
	Failed     Status = "failed"
)

// Enum lists the statuses, for schemas.
func (Status) Enum() []string {
	return []string{string(Pending), string(Processing), string(Completed), string(Failed)}
}

// Job is the work of making a file.
type Job struct {
	ID          ID
	Account     scope.AccountID
	Application scope.ApplicationID // whose rows are asked for; zero: any
	Environment scope.EnvironmentID // likewise
	Surface     string
	Format      Format
	Status      Status
	RowCount    *int64    // of a completed one
	Error       *string   // of a failed one
	CreatedAt   time.Time // also the end of the usual window
	CompletedAt time.Time // zero: it is not
	ExpiresAt   time.Time // when a completed one is swept; zero: it is not
	Size        int64     // of a completed one's file, in bytes
}

const (
	// Kept is how long a file is kept.
	Kept = 7 * 24 * time.Hour
	// LinkLife is how long a link to a file is good.
	LinkLife = 15 * time.Minute

	mostUnfinished = 5
	mostListed     = 50
	mostRows       = 1_000_000
	mostTries      = 3
)

// order is what a job is about, as it is kept until the file is made.
type order struct {
	Filter event.Filter `json:"filter"`
	// Nothing says that there can be no such row, or none that exists for who asks.
	Nothing bool `json:"nothing,omitzero"`
}

// surfaceOf is the name of a reader's part of the log.
func surfaceOf(in audit.Reader) string { return in.On.Names()[0] }

// reach is what a reader's jobs are found by.
func reach(in audit.Reader) id.ID {
	if in.Environment.ID.IsZero() {
		return in.Account.Any()
	}
	return in.Environment.ID.Any()
}
