package member

import (
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
)

// The faults of people in an Account.
var (
	ErrLastOwner        = fault.New(fault.Conflict, "account.last_owner", "The account must keep an active owner")
	ErrDeactivatedOwner = fault.Validation.WithDetails("account_role can't be owner for a deactivated person")
)

// The events of people in an Account.
var (
	Removed = event.Type[event.None]{
		Action: "account_member.removed", Category: event.AdminUser, Resource: "account_member",
		Feed:  event.OfAccounts,
		About: "A person was taken out of the Account.",
	}
	Activated = event.Type[event.None]{
		Action: "account_member.activated", Category: event.AdminUser, Resource: "account_member",
		About: "A person may enter the Account again.",
	}
	Deactivated = event.Type[event.None]{
		Action: "account_member.deactivated", Category: event.AdminUser, Resource: "account_member",
		About: "A person may no longer enter the Account.",
	}
	RoleChanged = event.Type[RoleChangedPayload]{
		Action: "account_member.role_changed", Category: event.AdminUser, Resource: "account_member",
		Severity: event.Notice, About: "A person's role in the Account was changed.",
	}
)

// RoleChangedPayload says what the person was and is.
type RoleChangedPayload struct {
	From permission.AccountRole `json:"from"`
	To   permission.AccountRole `json:"to"`
}

// RoleChange is the role that a person is to have.
type RoleChange struct {
	Role permission.AccountRole `json:"account_role" doc:"The role that the person is to have."`
}

// Rules implements text.Ruled.
func (c *RoleChange) Rules(f *text.Fields) {
	f.Check("account_role", c.Role == permission.Owner || c.Role == permission.Admin, "must be owner or admin")
}
