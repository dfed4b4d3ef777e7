// Package identityinvite owns identity invites: how a person becomes an identity, a member of
// an Environment, or gets a new password. Its table is identity_invite. Everything is decided by
// guarded updates and one partial unique index, identity_invite_live: at most one live invite
// for each address into each Environment, or into the directory alone.
//
//	            resend (new link)
//	              ┌───┐
//	create ──► pending ──accept──► accepted
//	              │ ├────revoke──► revoked    (also: its node or role goes, the member is removed)
//	              │ └─expires_at─► expired    (computed; stored when the address is invited again)
//	              └ the last three never change and never stand in a new invite's way
//
// What accepting asks and does is judged when it happens: by whether the address has an identity
// then, not by what the inviter saw. Only the token opens an invite.
//
// Persons are held before the Environment, and both before invites. It calls enduser,
// membership, assignment, credential and mailqueue, and refuses to open sessions.
package identityinvite
