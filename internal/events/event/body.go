package event

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// timeOfBody is the form of instants in bodies: RFC 3339 in UTC, with milliseconds.
const timeOfBody = "2006-01-02T15:04:05.000Z07:00"

// Body is an event as a webhook is sent it, the same bytes each time: the object of "event"
// and "data".
func (r *Row) Body() ([]byte, error) {
	raw, err := r.Data()
	if err != nil {
		return nil, err
	}
	body := append([]byte(`{"event":"`), r.Action...) // letters, points and underscores
	body = append(append(body, `","data":`...), raw...)
	return append(body, '}'), nil
}

// Data is what an event says, as followers get it: the same bytes in the body of a webhook and
// in the change feed.
func (r *Row) Data() (jsontext.Value, error) {
	return json.Marshal(data{
		Account: orNil(r.Account), Application: orNil(r.Application), Environment: orNil(r.Environment),
		ActorID: orNil(r.ActorID), ActorType: r.ActorType, ResourceType: orAbsent(r.ResourceType),
		ResourceID: orNil(r.ResourceID), Metadata: r.Metadata, Timestamp: r.CreatedAt.UTC().Format(timeOfBody),
	}, json.Deterministic(true), jsontext.PreserveRawStrings(true))
}

type data struct {
	Account      *scope.AccountID     `json:"account_id"`
	Application  *scope.ApplicationID `json:"application_id"`
	Environment  *scope.EnvironmentID `json:"environment_id"`
	ActorID      *id.ID               `json:"actor_id"`
	ActorType    principal.Kind       `json:"actor_type"`
	ResourceType *string              `json:"resource_type"`
	ResourceID   *id.ID               `json:"resource_id"`
	Metadata     jsontext.Value       `json:"metadata"`
	Timestamp    string               `json:"timestamp"`
}

func orNil[T interface {
	comparable
	IsZero() bool
}](v T) *T {
	if v.IsZero() {
		return nil
	}
	return &v
}

func orAbsent(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
