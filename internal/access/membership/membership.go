package membership

import (
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

type (
	kind            struct{}
	applicationKind struct{}
)

type (
	// ID names a membership in an Environment; it tells when that came into being.
	ID = id.Of[kind]
	// AppID names a membership in an Application, likewise.
	AppID = id.Of[applicationKind]
)

// Status says whether a membership counts.
type Status string

// The statuses.
const (
	Active      Status = "active"
	Deactivated Status = "deactivated"
)

// Enum lists the statuses, for schemas.
func (Status) Enum() []string { return []string{string(Active), string(Deactivated)} }

// Membership is a person's place in an Environment.
type Membership struct {
	ID          ID
	In          scope.Environment // without slugs, where it was not read by its place
	Identity    enduser.ID
	Status      Status
	Assignments int       // there, in whatever state
	ActivatedAt time.Time // when it was switched on last
}

// App is a person's place in an Application.
type App struct {
	ID            AppID
	Application   scope.ApplicationID
	Identity      enduser.ID
	Status        Status
	InvitedAt     time.Time // zero: it did not begin with an invite
	ActivatedAt   time.Time // zero: never
	DeactivatedAt time.Time // zero: it is active
}

// The faults of memberships.
var (
	ErrAlreadyMember = fault.New(fault.Conflict, "identities.already_member", "The identity is a member already")
)

// The events of memberships. Their resource is the identity.
var (
	Added = event.Type[AddedPayload]{
		Action: "identity.env_membership.added", Category: event.Identity, Resource: "identity",
		Feed: event.OfEnvironments, On: event.Both,
		About: "An identity became a member of an Environment, or one again.",
	}
	Removed = event.Type[RemovedPayload]{
		Action: "identity.env_membership.removed", Category: event.Identity, Resource: "identity",
		Feed: event.OfEnvironments, On: event.Both,
		Severity: event.Notice, About: "An identity is no member of an Environment any more.",
	}
	AppAdded = event.Type[AppPayload]{
		Action: "identity.app_membership.added", On: event.Both, Category: event.Identity, Resource: "identity",
		About: "An identity may use an Application, or may again.",
	}
	AppRemoved = event.Type[AppPayload]{
		Action: "identity.app_membership.removed", Category: event.Identity, Resource: "identity",
		On:    event.Both,
		About: "An identity may not use an Application any more.",
	}
)

// Source says how somebody came to be a member; "" where that goes without saying.
type Source string

// The sources.
const (
	ByCreation Source = "identity_create"
	ByInvite   Source = "invite"
)

// The payloads.
type (
	// AddedPayload says which membership, and how it came about: by which invite, if by one.
	AddedPayload struct {
		Reactivated bool   `json:"reactivated"`
		ID          ID     `json:"membership_id"`
		Source      Source `json:"source,omitempty"`
		Invite      id.ID  `json:"invite_id,omitzero"`
	}
	// RemovedPayload says what went along.
	RemovedPayload struct {
		RevokedInvites int `json:"revoked_pending_invites"`
	}
	// AppPayload says which Application.
	AppPayload struct {
		Application scope.ApplicationID `json:"application_id"`
	}
)

// Entry is an event about an identity in an Environment.
func Entry(by principal.Actor, in scope.Environment, who enduser.Identity) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: who.ID.Any(), Label: who.Email,
	}
}

// AppEntry is an event about an identity in an Application.
func AppEntry(by principal.Actor, in scope.Application, who enduser.Identity) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Account.ID, Application: in.ID, Resource: who.ID.Any(), Label: who.Email,
	}
}

// put says what decisions see of somebody who has the status in an Environment.
func put(who enduser.Identity, is Status) revision.Change {
	return edits.PutMember(decide.Member{
		Identity: who.ID.Any(), IdentityActive: who.Active, MembershipActive: is == Active,
	})
}
