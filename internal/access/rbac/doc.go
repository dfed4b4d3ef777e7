// Package rbac owns the catalogue of permissions and the roles of an Environment: the
// tables permission, role and role_permission.
package rbac
