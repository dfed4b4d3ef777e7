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

// System lists the system permissions. The slice is the caller's.
func System() []Key {
	return []Key{
		IdentityView, IdentityManage, HierarchyView, HierarchyManage,
		RolesView, RolesManage, AssignmentsView, AssignmentsManage, Evaluate,
		WebhookView, WebhookManage, APIKeyView, APIKeyManage, AuditView, AuditExport,
		OrganizationManage,
	}
}

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

// Keys are the rights that the role holds, sorted. The slice is the caller's.
func (r AccountRole) Keys() []Key {
	keys := System()
	for _, k := range []Key{
		AccountView, AccountManage, ApplicationManage, EnvironmentManage,
		UserView, UserInvite, UserManage, UserManageOwners,
	} {
		if r.Holds(k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

// Holds reports whether the role holds a right. An unknown role holds none.
func (r AccountRole) Holds(k Key) bool {
	switch r {
	case Owner:
		return true
	case Admin:
		return k != UserManageOwners
	}
	return false
}
