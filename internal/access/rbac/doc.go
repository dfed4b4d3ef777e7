// Package rbac owns what may be done in an Environment, and who bundles it: the catalogue
// of permissions and the roles, in the tables permission, role and role_permission.
//
// A permission is a key. The system's own exist in every Environment from its first
// moment, and so does the role platform_admin that holds them; neither can be changed.
// A role is a named set of keys; changing it changes every holder at once.
//
// Every write holds the Environment's lock (environment.Write) and appends what decisions
// depend on to its revision. The room refuses to know who holds a role, and where: that is
// for assignments.
package rbac
