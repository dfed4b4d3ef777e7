package audit

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/text"
)

// The events of this room.
var (
	QueryExecuted = event.Type[QueryExecutedPayload]{
		Action: "audit.query.executed", Category: event.Audit,
		About: "Somebody asked for rows of the audit log, or began to follow it.",
	}
	RowViewed = event.Type[event.None]{
		Action: "audit.row.viewed", Category: event.Audit, Resource: "audit_event",
		About: "Somebody looked at a row of the audit log.",
	}
)

// QueryExecutedPayload says what was asked.
type QueryExecutedPayload struct {
	Surface Door   `json:"surface"`
	Filter  Stated `json:"filter"`
}

// Stated is a filter as rows of the log state it: of q only that it was used, for it may hold
// a name.
type Stated struct {
	From          string   `json:"from,omitzero"`
	To            string   `json:"to,omitzero"`
	Action        []string `json:"action,omitzero"`
	Category      string   `json:"category,omitzero"`
	Severity      string   `json:"severity,omitzero"`
	Outcome       string   `json:"outcome,omitzero"`
	ActorType     string   `json:"actor_type,omitzero"`
	ActorID       string   `json:"actor_id,omitzero"`
	ResourceType  string   `json:"resource_type,omitzero"`
	ResourceID    string   `json:"resource_id,omitzero"`
	CorrelationID string   `json:"correlation_id,omitzero"`
	ApplicationID string   `json:"application_id,omitzero"`
	EnvironmentID string   `json:"environment_id,omitzero"`
	Q             bool     `json:"q,omitzero"`
}

// Stated is the filter as rows of the log state it.
func (q *Query) Stated() Stated {
	f := &q.Filter
	s := Stated{
		Action: f.Actions, Category: string(f.Category), Severity: string(f.Severity), Outcome: string(f.Outcome),
		ActorType: f.ActorType, ResourceType: f.ResourceType, CorrelationID: f.Correlation, Q: f.Q != "",
	}
	for _, of := range []struct {
		into *string
		is   interface {
			IsZero() bool
			String() string
		}
	}{
		{&s.ActorID, f.ActorID},
		{&s.ResourceID, f.ResourceID},
		{&s.ApplicationID, f.Application},
		{&s.EnvironmentID, f.Environment},
	} {
		if !of.is.IsZero() {
			*of.into = of.is.String()
		}
	}
	if q.From != nil {
		s.From = text.InstantOf(*q.From)
	}
	if q.To != nil {
		s.To = text.InstantOf(*q.To)
	}
	return s
}
