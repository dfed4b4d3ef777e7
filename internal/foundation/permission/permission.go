// Package permission holds the keys of rights that exist in every install, and
// which of them the two roles of portal users hold. It decides nothing about
// identities: what they may do hangs on roles and assignments.
package permission

import "slices"

// Key names a right, such as "hierarchy.view".
type Key string

// The system permissions: they exist in every Environment from its start, and an
// API key or an identity can hold them.
const (
	IdentityView       Key = "identity.view"
	IdentityManage     Key = "identity.manage"
	HierarchyView      Key = "hierarchy.view"
	HierarchyManage    Key = "hierarchy.manage"
	RolesView          Key = "rbac.view_roles"
	RolesManage        Key = "rbac.manage_roles"
	AssignmentsView    Key = "rbac.view_assignments"
	AssignmentsManage  Key = "rbac.manage_assignments"
	Evaluate           Key = "permissions.evaluate"
	WebhookView        Key = "webhook.view"
	WebhookManage      Key = "webhook.manage"
	APIKeyView         Key = "api_key.view" //nolint:gosec // it names a right
	APIKeyManage       Key = "api_key.manage"
	AuditView          Key = "audit.view"
	AuditExport        Key = "audit.export"
	OrganizationManage Key = "canopy:organization.manage"
)

// The rights on an Account itself, which only portal users hold.
const (
	AccountView       Key = "account.view"
	AccountManage     Key = "account.manage"
	ApplicationManage Key = "application.manage"
	EnvironmentManage Key = "environment.manage"
	UserView          Key = "user.view"
	UserInvite        Key = "user.invite"
	UserManage        Key = "user.manage"
	UserManageOwners  Key = "user.manage_owners"
)

// system are the system permissions.
var system = []Key{
	IdentityView, IdentityManage, HierarchyView, HierarchyManage,
	RolesView, RolesManage, AssignmentsView, AssignmentsManage, Evaluate,
	WebhookView, WebhookManage, APIKeyView, APIKeyManage, AuditView, AuditExport,
	OrganizationManage,
}

// System lists the system permissions. The slice is the caller's.
func System() []Key { return slices.Clone(system) }

// IsSystem reports whether a key is a system permission.
func IsSystem(k Key) bool { return slices.Contains(system, k) }

// Enum lists every key, for schemas.
func (Key) Enum() []string {
	var words []string
	for _, k := range Owner.Keys() {
		words = append(words, string(k))
	}
	return words
}

// AccountRole is what a portal user is in one Account.
type AccountRole string

// The roles of portal users.
const (
	Owner AccountRole = "owner" // signed the Account up, or was promoted
	Admin AccountRole = "admin" // was invited
)

// Enum lists the roles, for schemas.
func (AccountRole) Enum() []string { return []string{string(Owner), string(Admin)} }

// ownersOnly are the keys that an admin does not hold.
var ownersOnly = []Key{UserManageOwners}

// ofAccounts are the rights on an Account itself.
var ofAccounts = []Key{
	AccountView, AccountManage, ApplicationManage, EnvironmentManage, UserView, UserInvite, UserManage, UserManageOwners,
}

// Keys are the rights that the role holds, sorted. The slice is the caller's. An
// unknown role holds none.
func (r AccountRole) Keys() []Key {
	all := slices.Sorted(slices.Values(slices.Concat(system, ofAccounts)))
	return slices.DeleteFunc(all, func(k Key) bool { return !r.Holds(k) })
}

// Holds reports whether the role holds a right. Nobody holds an unknown one.
func (r AccountRole) Holds(k Key) bool {
	if !slices.Contains(system, k) && !slices.Contains(ofAccounts, k) {
		return false
	}
	return r == Owner || r == Admin && !slices.Contains(ownersOnly, k)
}
