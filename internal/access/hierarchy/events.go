package hierarchy

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// The events of trees.
var (
	Created = event.Type[CreatedPayload]{
		Action: "node.created", Category: event.Hierarchy, Resource: "node", About: "A node came into being.",
		Feed: event.OfEnvironments,
	}
	Updated = event.Type[UpdatedPayload]{
		Action: "node.updated", Feed: event.OfEnvironments, Category: event.Hierarchy, Resource: "node",
		About: "A node was changed and stays in its place.",
	}
	Moved = event.Type[MovedPayload]{
		Action: "node.moved", Category: event.Hierarchy, Resource: "node", Severity: event.Notice,
		Feed:  event.OfEnvironments,
		About: "A node was moved, with everything below it.",
	}
	Deleted = event.Type[DeletedPayload]{
		Action: "node.deleted", Category: event.Hierarchy, Resource: "node", Severity: event.Warning,
		Feed:  event.OfEnvironments,
		About: "A node was deleted, with everything below it.",
	}
	SchemaUpdated = event.Type[SchemaPayload]{
		Action: "hierarchy_schema.updated", Category: event.Hierarchy, Resource: "hierarchy_schema",
		Feed:     event.OfEnvironments,
		Severity: event.Notice, About: "The schema of a tree was changed.",
	}
)

// The payloads.
type (
	// CreatedPayload says where a node lies; the parent of a root is null.
	CreatedPayload struct {
		Name     string `json:"name"`
		Type     string `json:"node_type"`
		ParentID *ID    `json:"parent_node_id"`
	}
	// UpdatedPayload has the status where that was changed.
	UpdatedPayload struct {
		Name   string  `json:"name"`
		Status *Status `json:"status,omitempty"`
	}
	// MovedPayload says where a node lies now.
	MovedPayload struct {
		Name     string  `json:"name"`
		ParentID *ID     `json:"parent_node_id"`
		Status   *Status `json:"status,omitempty"`
	}
	// DeletedPayload says what went along.
	DeletedPayload struct {
		Name               string `json:"name"`
		DescendantCount    int    `json:"descendant_count"` // without the node itself
		AssignmentsRemoved int    `json:"assignments_removed"`
	}
	// SchemaPayload is the new schema, in short.
	SchemaPayload struct {
		NodeTypes []string `json:"node_types"`
		MaxDepth  int      `json:"max_depth"`
	}
)

func entry(by principal.Actor, in scope.Environment, of id.ID, label string) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: of, Label: label,
	}
}
