package identityinvite

import (
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
)

const resource = "identity_invite"

// The events of identity invites.
var (
	Created = event.Type[Payload]{
		Action: "invite.created", Category: event.Invites, Resource: resource, About: "A person was invited.",
		On: event.Both,
	}
	Resent = event.Type[Payload]{
		Action: "invite.resent", On: event.Both, Category: event.Invites, Resource: resource,
		About: "An invite got a new link; the earlier one is dead.",
	}
	Withdrawn = event.Type[WithdrawnPayload]{
		Action: "invite.revoked", On: event.Both, Category: event.Invites, Resource: resource,
		About: "An invite was withdrawn, by somebody or with what it names.",
	}
	WasAccepted = event.Type[Payload]{
		Action: "invite.accepted", Category: event.Invites, Resource: resource, About: "An invite was accepted.",
		On: event.Both,
	}
)

// Reason says what took an invite along; "" for somebody who withdrew it.
type Reason string

// The reasons.
const (
	NodeDeleted   Reason = "node_deleted"
	RoleDeleted   Reason = "role_deleted"
	MemberRemoved Reason = "member_removed"
)

// The payloads.
type (
	// Payload says whom an invite is for, and to what end. Mailed stands with Created alone.
	Payload struct {
		Email  string       `json:"email"`
		Intent Intent       `json:"intent"`
		Role   rbac.RoleID  `json:"role_id,omitzero"`
		Node   hierarchy.ID `json:"node_id,omitzero"`
		Mailed *bool        `json:"send_email,omitempty"`
	}
	// WithdrawnPayload says whom it was for, and what took it along.
	WithdrawnPayload struct {
		Email  string `json:"email"`
		Reason Reason `json:"reason,omitempty"`
	}
)

func (i Invite) told() Payload {
	return Payload{Email: i.Email, Intent: i.Intent, Role: i.Role, Node: i.Node}
}

// entry is an event about the invite.
func (i Invite) entry(by principal.Actor) event.Entry {
	return event.Entry{
		Actor: by, Account: i.Account, Application: i.Application, Environment: i.Environment,
		Resource: i.ID.Any(), Label: i.Email,
	}
}
