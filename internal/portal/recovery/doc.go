// Package recovery owns the ways to a new password: the mailed reset link and the
// change by its owner. Its table is password_reset.
//
//	Ask ──worker──► Forgot ──► live ──Reset──► used
//	             └──1 h, another Forgot, another password──► dead
//
// Ask only notes what a stranger asks for; Forgot is done by the worker. It writes as
// much for an address that gets no mail as for one that does: there may be links, and
// mails, of nobody.
//
// A new password ends what the old one had made possible: sessions and pre-auth
// tokens through session, reset links here. It calls portaluser for the person
// and mailqueue for mails, and refuses to open sessions.
package recovery
