// Package credential owns how identities prove who they are: the tables identity_password, with
// the hashes of passwords that were replaced, and identity_link, with what a mail carries to
// somebody. Its Guard alone judges a password that is to let somebody in, and counts it first.
//
//	none ──► live ──used, or another link, or another password──► used
//	          └──expires_at──► too old                  both are remembered for a week
//
// It calls enduser, membership, identitysession, mfa and mailqueue. It refuses to open sessions.
package credential
