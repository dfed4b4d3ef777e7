package assignment

import (
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

const resource = "role_assignment"

// The events of assignments. The label of each is the name of the role, which tells of no
// person.
var (
	Created = event.Type[CreatedPayload]{
		Action: "assignment.created", Category: event.RBAC, Resource: resource,
		About: "An identity was given a role at a node.",
	}
)

// The payloads.
type (
	// CreatedPayload says who got what, where, and how that came about: absent for a call
	// that asked for it.
	CreatedPayload struct {
		Identity principal.IdentityID `json:"identity_id"`
		Node     hierarchy.ID         `json:"node_id"`
		Role     rbac.RoleID          `json:"role_id"`
		Source   string               `json:"source,omitempty"`
	}
)

func entry(by principal.Actor, in scope.Environment, of id.ID, label string) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: of, Label: label,
	}
}
