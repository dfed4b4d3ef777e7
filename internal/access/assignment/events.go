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

// The events of assignments. The label of one about a single assignment is the name of its
// role, which tells of no person.
var (
	Created = event.Type[CreatedPayload]{
		Action: "assignment.created", Category: event.RBAC, Resource: resource,
		Feed: event.OfEnvironments, On: event.Both,
		About: "An identity was given a role at a node.",
	}
	Updated = event.Type[Holding]{
		Action: "assignment.updated", Category: event.RBAC, Resource: resource,
		Feed: event.OfEnvironments, On: event.Both,
		About: "The role or the window of an assignment was changed.",
	}
	Removed = event.Type[Holding]{
		Action: "assignment.removed", Category: event.RBAC, Resource: resource,
		Feed: event.OfEnvironments, On: event.Both,
		About: "An assignment was removed.",
	}
	BulkCreated = event.Type[BulkCreatedPayload]{
		Action: "assignment.bulk_created", Feed: event.OfEnvironments, Category: event.RBAC, Resource: resource,
		About: "Identities were given roles by one call. It failed where nobody was.",
	}
	BulkRemoved = event.Type[BulkRemovedPayload]{
		Action: "assignment.bulk_removed", Category: event.RBAC, Resource: resource, Severity: event.Notice,
		Feed:  event.OfEnvironments,
		About: "Assignments were removed by one call.",
	}
	BulkRoleChanged = event.Type[BulkRolePayload]{
		Action: "assignment.bulk_role_changed", Category: event.RBAC, Resource: resource, Severity: event.Notice,
		Feed:  event.OfEnvironments,
		About: "Assignments got another role by one call.",
	}
)

// The payloads.
type (
	// Holding says who has what, and where.
	Holding struct {
		Identity principal.IdentityID `json:"identity_id"`
		Node     hierarchy.ID         `json:"node_id"`
		Role     rbac.RoleID          `json:"role_id"`
	}
	// CreatedPayload says who got what, where, and how that came about: absent for a call
	// that asked for it.
	CreatedPayload struct {
		Identity principal.IdentityID `json:"identity_id"`
		Node     hierarchy.ID         `json:"node_id"`
		Role     rbac.RoleID          `json:"role_id"`
		Source   string               `json:"source,omitempty"`
	}
	// BulkCreatedPayload names what was made, and counts the rows.
	BulkCreatedPayload struct {
		IDs       []ID `json:"assignment_ids"`
		Succeeded int  `json:"succeeded"`
		Failed    int  `json:"failed"`
	}
	// BulkRemovedPayload names what is gone.
	BulkRemovedPayload struct {
		IDs      []ID      `json:"assignment_ids"`
		Affected []Holding `json:"affected"`
	}
	// BulkRolePayload names what has the role now and had another.
	BulkRolePayload struct {
		IDs      []ID        `json:"assignment_ids"`
		Role     rbac.RoleID `json:"role_id"`
		Affected []Holder    `json:"affected"`
	}
	// Holder says who, and where.
	Holder struct {
		Identity principal.IdentityID `json:"identity_id"`
		Node     hierarchy.ID         `json:"node_id"`
	}
)

func (a Assignment) holding() Holding { return Holding{a.Identity, a.Node, a.Role} }

func entry(by principal.Actor, in scope.Environment, of id.ID, label string) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: of, Label: label,
	}
}
