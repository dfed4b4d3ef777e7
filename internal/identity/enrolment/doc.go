// Package enrolment holds the use cases that bring identities in and take them out: of the
// Account, of Applications, of Environments.
//
//	Create ──► identity + AppMembership + membership (+ assignment), or none of them
//	Attach ──► (again) a member, without a role        Remove ──► no member, no assignments
//
// It owns no table: it calls enduser, membership and credential. Persons are held before
// Environments, ids ascending.
package enrolment
