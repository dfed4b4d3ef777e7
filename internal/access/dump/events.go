package dump

import (
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
)

func entry(by principal.Actor, in scope.Environment, e environment.Environment) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: in.ID.Any(), Label: e.Name,
	}
}
