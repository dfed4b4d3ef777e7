// Package invite owns user invites: how a person becomes a portal user of an
// Account. Its table is user_invite. Everything is decided by guarded updates
// and one partial unique index, user_invite_live: at most one live invite per
// Account and address.
//
//	            resend (new link)
//	              ┌───┐
//	create ──► pending ──accept──► accepted
//	              │ ├────revoke──► revoked
//	              │ └─expires_at─► expired   (computed; stored when the address is invited again)
//	              └ the last three never change and never stand in a new invite's way
//
// There is no role in an invite: whoever accepts becomes admin. Only the token from
// the mail opens one; the id, the address and a session open nothing. It calls
// account, portaluser, signup and mailqueue, and refuses to open sessions.
package invite
