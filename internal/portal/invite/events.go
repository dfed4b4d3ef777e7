package invite

import (
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// The events of user invites.
var (
	Created = event.Type[LinkPayload]{
		Action: "user_invite.created", Feed: event.OfAccounts, Category: event.Invites, Resource: "user_invite",
		About: "A colleague was invited into the Account.",
	}
	Resent = event.Type[ResentPayload]{
		Action: "user_invite.resent", Feed: event.OfAccounts, Category: event.Invites, Resource: "user_invite",
		About: "An invite got a new link; the earlier one is dead.",
	}
	Withdrawn = event.Type[EmailPayload]{
		Action: "user_invite.revoked", Feed: event.OfAccounts, Category: event.Invites, Resource: "user_invite",
		About: "An invite was withdrawn.",
	}
	WasAccepted = event.Type[AcceptedPayload]{
		Action: "user_invite.accepted", Category: event.Invites, Resource: "user_invite",
		Feed:  event.OfAccounts,
		About: "An invite was accepted.",
	}
	AcceptFailed = event.Type[portaluser.SignInFailedPayload]{
		Action: "user_invite.accept_failed", Category: event.Invites, Resource: "user_invite",
		Outcome: event.Failure, Severity: event.Notice,
		About: "An invite could not be accepted, since the password was refused.",
	}
	DeliveryChanged = event.Type[DeliveryPayload]{
		Action: "user_invite.delivery_changed", Category: event.Invites, Resource: "user_invite",
		About: "The mail of an invite was sent, or given up.",
	}
	MemberAdded = event.Type[MemberAddedPayload]{
		Action: "account_member.added", Category: event.AdminUser, Resource: "account_member",
		Feed:  event.OfAccounts,
		About: "A person joined the Account through an invite.",
	}
)

// LinkPayload says whom a link was made for, and how long it works.
type LinkPayload struct {
	Email     string    `json:"email"`
	ExpiresAt time.Time `json:"expires_at"`
}

// ResentPayload also says how often the invite has been sent.
type ResentPayload struct {
	Email     string    `json:"email"`
	ExpiresAt time.Time `json:"expires_at"`
	SendCount int       `json:"send_count"`
}

// EmailPayload says whom the invite was for.
type EmailPayload struct {
	Email string `json:"email"`
}

// AcceptedPayload says who accepted.
type AcceptedPayload struct {
	Email  string        `json:"email"`
	UserID portaluser.ID `json:"user_id"`
}

// DeliveryPayload says how the newest mail fares.
type DeliveryPayload struct {
	Delivery Delivery `json:"delivery"`
}

// MemberAddedPayload says who joined, and by which invite.
type MemberAddedPayload struct {
	Email    string `json:"email"`
	InviteID ID     `json:"invite_id"`
}
