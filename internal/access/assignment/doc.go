// Package assignment owns who holds which role where, and when: the table assignment.
//
//	scheduled ──effective_from──► active ──effective_to──► expired
//
// These states are computed, never stored: no job runs when a window opens or closes. It
// calls enduser, membership, hierarchy, rbac and edits. It refuses to decide: it says what
// is assigned, and package decide what that allows.
//
// Every write holds the Environment's lock (environment.Write) and appends to its revision.
package assignment
