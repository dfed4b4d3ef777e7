// Package session owns portal sessions: signing in, choosing and switching the
// Application, renewing, ending. Its tables are portal_session,
// portal_session_used and pre_auth.
//
//	login ─┬─ one Application ────────────────► session
//	       └─ a choice ──► pre-auth ──select──► session
//	session ──refresh──► session (new refresh token, the old one is remembered)
//	        ──logout, revocation, password, removal, reuse, age──► ended
//
// A session is bound to one Account and Application. Its access tokens are
// looked up here on every call to this server, so an ended session is refused
// at once. It calls portaluser for the person, signup for those who have not
// proven their address yet, account and application for what a session is bound
// to, and signingkey for tokens. It refuses to change passwords, which is
// recovery's.
package session
