package dump

import (
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/tenant/environment"
)

// The events of Environments in motion.
var (
	Exported = event.Type[event.None]{
		Action: "environment.exported", Category: event.Tenancy, Resource: "environment",
		About: "The configuration of an Environment was read as one dump.",
	}
	Imported = event.Type[ImportedPayload]{
		Action: "environment.imported", Category: event.Tenancy, Resource: "environment", Severity: event.Warning,
		Feed:  event.OfEnvironments,
		About: "The configuration of an Environment was replaced, by a dump or by that of another one.",
	}
	RevertedToFlat = event.Type[Reverted]{
		Action: "environment.reverted_to_flat", Category: event.Tenancy, Resource: "environment", Severity: event.Warning,
		Feed:  event.OfEnvironments,
		About: "The tree of an Environment went; what was assigned in it holds everywhere.",
	}
)

// The payloads.
type (
	// ImportedPayload says what was replaced, and where it came from. It stands for every
	// permission, role, node and assignment that was changed.
	ImportedPayload struct {
		Source             Source         `json:"source_env"`
		Parts              []Part         `json:"parts"`
		Permissions        *Counts        `json:"permissions,omitempty"`
		Roles              *Counts        `json:"roles,omitempty"`
		Nodes              *Counts        `json:"nodes,omitempty"`
		AssignmentsRemoved int            `json:"assignments_removed"`
		Metadata           jsontext.Value `json:"metadata,omitempty"`
	}
	// Counts are what became of the things of one kind.
	Counts struct {
		Created int `json:"created"`
		Changed int `json:"changed"`
		Removed int `json:"removed"`
	}
)

func entry(by principal.Actor, in scope.Environment, e environment.Environment) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: in.ID.Any(), Label: e.Name,
	}
}
