// Package identityapi is the door of identities themselves: /v1/identity/auth. So far it serves
// those who hold the link of an invite.
package identityapi
