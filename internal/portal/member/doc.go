// Package member holds the use cases on the people of an Account: listing,
// switching on and off, removing, changing roles. It owns no table: it works
// through portaluser, and ends sessions through session, in one transaction.
// Reach ends at the Account: memberships elsewhere, the password and the user row
// stay.
package member
