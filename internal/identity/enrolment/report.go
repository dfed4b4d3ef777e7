package enrolment

import (
	"context"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Mode says what an import did for each row.
type Mode string

// The modes.
const (
	ModeCreate Mode = "create"
	ModeInvite Mode = "invite"
)

// Enum lists the modes, for schemas.
func (Mode) Enum() []string { return []string{string(ModeCreate), string(ModeInvite)} }

// ImportReport is what a client tells of an import that it has done in pieces.
type ImportReport struct {
	Mode      Mode `json:"mode"              doc:"What was done for each row."`
	Total     *int `json:"total"             doc:"Rows in all: succeeded and failed."       nullable:"false" example:"120"`
	Succeeded *int `json:"succeeded"         doc:"Rows that were done."                     nullable:"false" example:"118"`
	Failed    *int `json:"failed"            doc:"Rows that were not."                      nullable:"false" example:"2"`
	Skipped   *int `json:"skipped,omitempty" doc:"Rows that the client left out by itself." nullable:"false" example:"0"`
}

// Rules implements text.Ruled.
func (r *ImportReport) Rules(f *text.Fields) {
	f.Check("mode", r.Mode == ModeCreate || r.Mode == ModeInvite, "must be create or invite")
	whole := func(name string, n *int) bool {
		f.Check(name, n == nil || *n >= 0, "must be 0 or more")
		return n != nil && *n >= 0
	}
	all := true
	for name, n := range map[string]*int{"total": r.Total, "succeeded": r.Succeeded, "failed": r.Failed} {
		f.Check(name, n != nil, "is required")
		all = whole(name, n) && all
	}
	whole("skipped", r.Skipped)
	f.Check("total", !all || *r.Total == *r.Succeeded+*r.Failed, "must be succeeded and failed together")
}

// ImportCompleted is recorded when a client says that its import is done.
var ImportCompleted = event.Type[ImportPayload]{
	Action: "identity.bulk_import.completed", Category: event.Identity,
	About: "A client reported that an import of identities is done.",
}

// ImportPayload is what the client told.
type ImportPayload struct {
	Mode      Mode `json:"mode"`
	Total     int  `json:"total"`
	Succeeded int  `json:"succeeded"`
	Failed    int  `json:"failed"`
	Skipped   *int `json:"skipped,omitempty"`
}

// ReportImport notes that a client's import is done. r is normalised. Event:
// identity.bulk_import.completed.
func (s *Service) ReportImport(ctx context.Context, by principal.Actor, at membership.Place, r ImportReport) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		app, _ := at.Application()
		about := event.Entry{Actor: by, Account: at.Account().ID, Application: app.ID}
		return event.Record(ctx, tx, ImportCompleted, about, ImportPayload{
			r.Mode, *r.Total, *r.Succeeded, *r.Failed, r.Skipped,
		})
	})
}
