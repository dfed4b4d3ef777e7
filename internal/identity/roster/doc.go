// Package roster holds what is read of identities together with what they hold: lists with
// roles, one identity in detail, and its assignments.
//
// It owns no table: it calls membership and assignment.
package roster
