package event_test

import (
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// published is the body for which a signature is published (docs/guide/events.md).
const published = `{"event":"role.deleted","data":{"account_id":"019daac3-0200-7a4c-823b-1612dd272d13",` +
	`"application_id":"019daac3-0201-771c-8714-9d439536b321","environment_id":"019daac3-0203-7d5a-9fd1-2aabfe228f21",` +
	`"actor_id":"019daac3-0202-76fd-aeeb-975729fae923","actor_type":"user","resource_type":"role",` +
	`"resource_id":"019daf52-0000-7000-8000-000000000001","metadata":{"name":"Approver"},` +
	`"timestamp":"2026-04-21T09:15:00.000Z"}}`

func parsed[T ~[16]byte](t *testing.T, s string) T {
	t.Helper()
	of, err := id.Parse[id.ID](s)
	if err != nil {
		t.Fatal(err)
	}
	return T(of)
}

func TestBodyIsAsPublished(t *testing.T) {
	t.Parallel()
	r := event.Row{
		Account:     parsed[scope.AccountID](t, "019daac3-0200-7a4c-823b-1612dd272d13"),
		Application: parsed[scope.ApplicationID](t, "019daac3-0201-771c-8714-9d439536b321"),
		Environment: parsed[scope.EnvironmentID](t, "019daac3-0203-7d5a-9fd1-2aabfe228f21"),
		ActorID:     parsed[id.ID](t, "019daac3-0202-76fd-aeeb-975729fae923"), ActorType: principal.KindUser,
		Action: "role.deleted", ResourceType: "role",
		ResourceID: parsed[id.ID](t, "019daf52-0000-7000-8000-000000000001"),
		Metadata:   jsontext.Value(`{"name":"Approver"}`), CreatedAt: time.UnixMilli(1776762900000),
	}
	body, err := r.Body()
	if err != nil || string(body) != published {
		t.Errorf("%s, %v", body, err)
	}
}

// TestBodyKeepsTheMetadata: byte for byte, whatever is in it; what is missing is null.
func TestBodyKeepsTheMetadata(t *testing.T) {
	t.Parallel()
	for _, metadata := range []string{
		`{}`, `{"b":1,"a":"<&>"}`, `{"name":"Zoë 🌳"}`, `{"at":"\u2028"}`, `{"n":12345678901234567890}`,
	} {
		r := event.Row{Action: "a.b", ActorType: principal.KindSystem, Metadata: jsontext.Value(metadata)}
		body, err := r.Body()
		want := `{"event":"a.b","data":{"account_id":null,"application_id":null,"environment_id":null,"actor_id":null,` +
			`"actor_type":"system","resource_type":null,"resource_id":null,"metadata":` + metadata +
			`,"timestamp":"0001-01-01T00:00:00.000Z"}}`
		if err != nil || string(body) != want {
			t.Errorf("%s, %v", body, err)
		}
	}
}
