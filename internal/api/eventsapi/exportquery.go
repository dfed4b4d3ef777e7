package eventsapi

import (
	"strings"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
)

// query is what the filters ask. They have been found good.
func (f *AuditFilters) query() audit.Query {
	q := audit.Query{
		Filter: event.Filter{
			Application: idIn[scope.ApplicationID](f.ApplicationID), Environment: idIn[scope.EnvironmentID](f.EnvironmentID),
			Actions: f.Action, Category: said(f.Category), Severity: said(f.Severity), Outcome: said(f.Outcome),
			ActorType: said(f.ActorType), ResourceType: said(f.ResourceType), ActorID: idIn[id.ID](f.ActorID),
			ResourceID: idIn[id.ID](f.ResourceID), Q: strings.TrimSpace(said(f.Q)),
		},
		From: instantIn(f.From), To: instantIn(f.To),
	}
	if of := idIn[id.ID](f.CorrelationID); !of.IsZero() {
		q.Correlation = of.String()
	}
	return q
}

// said is a text that may be absent, "" when it is.
func said[T ~string](text *T) (t T) {
	if text != nil {
		t = *text
	}
	return t
}

func idIn[I ~[16]byte](text *string) (of I) {
	if text != nil {
		of, _ = id.Parse[I](*text)
	}
	return of
}

func instantIn(text *string) *time.Time {
	if text == nil {
		return nil
	}
	at, _ := time.Parse(time.RFC3339, *text)
	return &at
}
