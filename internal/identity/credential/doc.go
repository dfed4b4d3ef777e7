// Package credential owns how identities prove who they are, as far as administrators and
// backends have a hand in it: the tables identity_password, with the hashes of passwords that
// were replaced, and identity_link, with what a mail carries to somebody.
//
//	none ──► live ──used, or another link, or another password──► used
//	          └──expires_at──► too old                  both are remembered for a week
//
// It calls enduser, membership, identitysession, mfa and mailqueue. It refuses to judge a
// password that somebody signs in with.
package credential
