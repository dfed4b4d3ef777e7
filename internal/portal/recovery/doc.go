// Package recovery owns the ways to a new password: the mailed reset link and the
// change by its owner. Its table is password_reset.
//
//	Forgot ──► live ──Reset──► used
//	             └──1 h, another Forgot, another password──► dead
//
// A new password ends what the old one had made possible: sessions and pre-auth
// tokens through session, reset links here. It calls portaluser for the person
// and mailqueue for mails, and refuses to open sessions.
package recovery
