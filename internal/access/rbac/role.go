package rbac

import (
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
)

// RoleID names a role of an Environment.
type RoleID = id.Of[roleKind]

// PlatformAdmin is the key of the one system role. It stands for portal users, holds every
// system permission, and can be neither changed, deleted nor assigned.
const PlatformAdmin = "platform_admin"

// PlatformAdminName is the name of that role in every Environment.
const PlatformAdminName = "Platform Admin"

// Role is a named set of permissions in one Environment.
type Role struct {
	ID          RoleID
	Name        string // unique in the Environment, without regard to case
	Description *string
	Active      bool    // one that is not grants nothing
	SystemKey   *string // nil: a custom role
	Version     int
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Ref         RoleID // of the role that this is a copy of, else its own; read for dumps alone
}

// Listed is a role with what lists tell besides.
type Listed struct {
	Role
	Permissions int // that it holds
	Members     int // distinct identities with any assignment of it
}

// Usage says which roles hold a permission, and how many identities they reach.
type Usage struct {
	Roles      []Listed // by name; of each the members, not the permissions
	Identities int      // distinct over all of them
}

// The faults of roles.
var (
	ErrRoleNotFound  = fault.New(fault.NotFound, "rbac.role_not_found", "Role not found")
	ErrRoleNameTaken = fault.New(fault.Conflict, "rbac.role_name_taken",
		"Another role of the Environment has this name")
	ErrRoleProtected = fault.New(fault.Forbidden, "rbac.role_system_protected",
		"A system role can't be changed or deleted")
)

// Kind is the sort of a role in lists.
type Kind string

// The kinds.
const (
	SystemRole Kind = "system"
	CustomRole Kind = "custom"
)

// NewRole is a role to be made.
type NewRole struct {
	Name        string         `json:"name"                 doc:"Its name, unique in the Environment without regard to case."`
	Description text.Clearable `json:"description,omitzero" doc:"What it is for."`
}

// Rules implements text.Ruled.
func (n *NewRole) Rules(f *text.Fields) {
	f.Field("name", &n.Name, text.NameRule)
	f.Clearable("description", &n.Description, text.DescriptionRule)
}

// RoleChange is what a caller wants changed; nil leaves a field as it is.
type RoleChange struct {
	Name        *string        `json:"name,omitempty"       nullable:"false" doc:"Its name."`
	Description text.Clearable `json:"description,omitzero" doc:"What it is for; null clears."`
	Active      *bool          `json:"is_active,omitempty"  nullable:"false" doc:"An inactive role keeps its assignments and grants nothing."`
}

// Rules implements text.Ruled.
func (c *RoleChange) Rules(f *text.Fields) {
	f.Optional("name", c.Name, text.NameRule)
	f.Clearable("description", &c.Description, text.DescriptionRule)
}

// applied is the role with a change made, and what differs, for the audit log.
func (r Role) applied(c RoleChange) (Role, map[string]any) {
	changes := map[string]any{}
	set(changes, "name", &r.Name, c.Name)
	set(changes, "is_active", &r.Active, c.Active)
	clearable(changes, "description", &r.Description, c.Description)
	return r, changes
}
