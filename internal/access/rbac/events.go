package rbac

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// The events of permissions and roles.
var (
	PermissionCreated = event.Type[KeyPayload]{
		Action: "permission.created", Feed: event.OfEnvironments, Category: event.RBAC, Resource: "permission",
		About: "The catalogue got a permission.",
	}
	PermissionUpdated = event.Type[ChangesPayload]{
		Action: "permission.updated", Feed: event.OfEnvironments, Category: event.RBAC, Resource: "permission",
		About: "Name, category or description of a permission were changed.",
	}
	PermissionDeleted = event.Type[KeyPayload]{
		Action: "permission.deleted", Feed: event.OfEnvironments, Category: event.RBAC, Resource: "permission",
		About: "A permission was taken out of the catalogue, and out of every role.",
	}
	RoleCreated = event.Type[NamePayload]{
		Action: "role.created", Category: event.RBAC, Resource: "role", About: "A role came into being.",
		Feed: event.OfEnvironments,
	}
	RoleUpdated = event.Type[ChangesPayload]{
		Action: "role.updated", Feed: event.OfEnvironments, Category: event.RBAC, Resource: "role",
		About: "Name, description or state of a role were changed.",
	}
	RoleDeleted = event.Type[NamePayload]{
		Action: "role.deleted", Category: event.RBAC, Resource: "role", Severity: event.Notice,
		Feed:  event.OfEnvironments,
		About: "A role was deleted, with its assignments.",
	}
	RolePermissionsUpdated = event.Type[KeysPayload]{
		Action: "role.permissions.updated", Category: event.RBAC, Resource: "role", Severity: event.Notice,
		Feed:  event.OfEnvironments,
		About: "The permissions of a role were changed.",
	}
)

// The payloads.
type (
	// KeyPayload names a permission.
	KeyPayload struct {
		Key string `json:"key"`
	}
	// NamePayload names a role.
	NamePayload struct {
		Name string `json:"name"`
	}
	// ChangesPayload has the new values of what was changed.
	ChangesPayload struct {
		Changes map[string]any `json:"changes"`
	}
	// KeysPayload is the whole set of a role's permissions afterwards.
	KeysPayload struct {
		PermissionKeys []string `json:"permission_keys"`
	}
)

// entry is an event about something in an Environment.
func entry(by principal.Actor, in scope.Environment, of id.ID, label string) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: of, Label: label,
	}
}
