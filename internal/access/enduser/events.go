package enduser

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/scope"
)

// The events of identities.
var (
	Created = event.Type[CreatedPayload]{
		Action: "identity.created", Category: event.Identity, Resource: "identity", About: "An identity came into being.",
	}
)

// The payloads.
type (
	// CreatedPayload says who, and where; without an Environment in the directory only.
	CreatedPayload struct {
		Email       string               `json:"email"`
		PasswordSet bool                 `json:"password_set"`
		Environment *scope.EnvironmentID `json:"environment_id"`
	}
)
