// Package portaluser owns the people who configure Canopy and the Accounts they
// belong to: the tables portal_user and account_member, passwords, and the
// throttles and locks around guessing them. A user row exists only for a proven
// address; what a user may do hangs on memberships. It refuses to know sessions,
// invites and sign-ups, which stand on it; the use cases on members are member's.
// What anybody may ask for about an address it takes down as errands; the rooms that
// it is asked of do them.
//
//	wrong password ──► pair (IP, address) + 1, IP + 1, run + 1 ──► 10th: locked 15 min
//	right password ──► pair and run start again at 0
package portaluser
