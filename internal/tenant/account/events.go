package account

import "canopy.dev/canopy/internal/events/event"

// The events of Accounts.
var (
	Created = event.Type[event.None]{
		Action: "account.created", Category: event.Tenancy, Resource: "account",
		About: "An Account came into being.",
	}
	Updated = event.Type[UpdatedPayload]{
		Action: "account.updated", Category: event.Tenancy, Resource: "account",
		About: "Name or settings of the Account were changed.",
	}
)

// UpdatedPayload names what was changed.
type UpdatedPayload struct {
	Changes []string `json:"changes"`
}
