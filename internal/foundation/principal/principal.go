// Package principal holds the words for who is calling. It decides nothing: the
// rooms that keep users, identities and keys make principals from credentials,
// the router hands them to use cases, and events name them.
package principal

import (
	"slices"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
)

type (
	user    struct{}
	session struct{}
	preAuth struct{}
	key     struct{}
	person  struct{}
)

// The ids of those who call and of what they sign in with, one type each.
type (
	// UserID names a portal user.
	UserID = id.Of[user]
	// SessionID names a session of a portal user.
	SessionID = id.Of[session]
	// PreAuthID names a pre-auth token.
	PreAuthID = id.Of[preAuth]
	// KeyID names an API key.
	KeyID = id.Of[key]
	// IdentityID names an identity, an end user of the customer's product.
	IdentityID = id.Of[person]
)

// Kind is the sort of a caller, as it stands in token claims and audit rows.
type Kind string

// The kinds of caller.
const (
	KindUser      Kind = "user"      // a portal user, signed in
	KindIdentity  Kind = "identity"  // an end user of the customer's product
	KindAPIKey    Kind = "api_key"   // a program
	KindSCIM      Kind = "scim"      // a directory
	KindPlatform  Kind = "platform"  // the operator of the install
	KindSystem    Kind = "system"    // Canopy's own background work
	KindAnonymous Kind = "anonymous" // no credential
	KindPreAuth   Kind = "preauth"   // a portal user who has yet to choose an Account
)

// Request is what audit rows and limits know of the request that somebody acts
// by. It is zero for background work.
type Request struct {
	ID        string // X-Request-Id, the correlation id of audit rows
	IP        string // of the client
	Network   string // what limits see of it: an IPv4 address, or the /64 of an IPv6 address
	UserAgent string
	Browser   string // hash of the token that marks the browser, which proves nobody; "": none came
}

// Actor is who acts, and by which request: what an audit row says of it. ID and
// Label are zero for background work and for callers without a credential.
type Actor struct {
	Kind    Kind
	ID      id.ID
	Label   string // an e-mail address or a name, as it is now
	Request Request
}

// System is Canopy's own background work.
func System() Actor { return Actor{Kind: KindSystem} }

// AsUser is the actor of the same request who has turned out to be a portal user,
// by presenting a mailed token or a password.
func (a Actor) AsUser(userID UserID, email string) Actor {
	a.Kind, a.ID, a.Label = KindUser, userID.Any(), email
	return a
}

// AsIdentity is the actor of the same request who has turned out to be an identity, likewise.
func (a Actor) AsIdentity(of IdentityID, email string) Actor {
	a.Kind, a.ID, a.Label = KindIdentity, of.Any(), email
	return a
}

// Principal is a caller whose credential was found good: a User, a PreAuth, or one of
// a kind that has no routes yet (Other).
type Principal interface {
	// Who is the caller as audit rows name it, without the request.
	Who() Actor
	// Holds reports whether the caller holds a right.
	Holds(k permission.Key) bool
}

// User is a portal user with a live session, bound to one Account and Application.
type User struct {
	Actor
	UserID      UserID
	Email       string
	SessionID   SessionID
	Role        permission.AccountRole // in Account
	Account     scope.Account
	Application scope.Application
	TokenEnds   time.Time // when the token is good no longer
}

// Who implements Principal.
func (u User) Who() Actor { return u.Actor }

// Holds implements Principal: a user holds what the role in the Account does.
func (u User) Holds(k permission.Key) bool { return u.Role.Holds(k) }

// PreAuth is a portal user whose password was right and who has yet to choose an
// Account; nothing else is granted.
type PreAuth struct {
	Actor
	UserID  UserID
	TokenID PreAuthID
}

// Who implements Principal.
func (p PreAuth) Who() Actor { return p.Actor }

// Holds implements Principal: no right at all.
func (PreAuth) Holds(permission.Key) bool { return false }

// Key is a program that calls for one Environment.
type Key struct {
	Actor
	KeyID       KeyID
	Environment scope.Environment
	FullAccess  bool             // it may do everything in the Environment
	Scopes      []permission.Key // what it may do otherwise, sorted
	ExpiresAt   time.Time        // zero: never
}

// Who implements Principal.
func (k Key) Who() Actor { return k.Actor }

// Holds implements Principal: a key holds system permissions, all of them or its scopes.
// Other keys of a catalogue open nothing here.
func (k Key) Holds(right permission.Key) bool {
	return permission.IsSystem(right) && (k.FullAccess || slices.Contains(k.Scopes, right))
}

// Other is a caller with a good credential of a kind that has no routes here.
type Other struct{ Actor }

// Who implements Principal.
func (o Other) Who() Actor { return o.Actor }

// Holds implements Principal: no right at all.
func (Other) Holds(permission.Key) bool { return false }
