package enduser

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/scope"
)

// The events of identities.
var (
	Created = event.Type[CreatedPayload]{
		Action: "identity.created", Category: event.Identity, Resource: "identity", About: "An identity came into being.",
		Feed: event.OfEnvironments, On: event.Both,
	}
	Updated = event.Type[UpdatedPayload]{
		Action: "identity.updated", Category: event.Identity, Resource: "identity",
		Feed: event.OfEnvironments, On: event.Both,
		About: "The profile of an identity was changed.",
	}
	StatusSet = event.Type[StatusSetPayload]{
		Action: "identity.status_set", Category: event.Identity, Resource: "identity", Severity: event.Notice,
		Feed: event.OfEnvironments, On: event.Both,
		About: "An identity was switched on or off, for the whole Account.",
	}
)

// The payloads.
type (
	// CreatedPayload says who, and where; without an Environment in the directory only. Source
	// is how it came about, "" for a call that asked for it.
	CreatedPayload struct {
		Email       string               `json:"email"`
		PasswordSet bool                 `json:"password_set"`
		Environment *scope.EnvironmentID `json:"environment_id"`
		Source      string               `json:"source,omitempty"`
	}
	// UpdatedPayload has what fields have become, through an Environment or an Application, or
	// else which fields they are, through the directory of the Account.
	UpdatedPayload struct {
		Changes *Changes `json:"changes,omitempty"`
		Fields  []string `json:"fields_updated,omitempty"`
	}
	// StatusSetPayload has both states; the Account's row names the Environments in which the
	// identity is a member.
	StatusSetPayload struct {
		Previous     bool                  `json:"previous_is_active"`
		New          bool                  `json:"new_is_active"`
		Environments []scope.EnvironmentID `json:"environment_ids,omitempty"`
	}
)
