// Package principal holds the words for who is calling. It decides nothing: the
// rooms that keep users, identities and keys make principals, everything above
// reads them.
package principal

import (
	"context"

	"canopy.dev/canopy/internal/foundation/id"
)

// Kind is the sort of a caller, as it stands in token claims and audit rows.
type Kind string

// The kinds of caller.
const (
	User      Kind = "user"      // a portal user, signed in
	Identity  Kind = "identity"  // an end user of the customer's product
	APIKey    Kind = "api_key"   // a program
	SCIM      Kind = "scim"      // a directory
	Platform  Kind = "platform"  // the operator of the install
	System    Kind = "system"    // Canopy's own background work
	Anonymous Kind = "anonymous" // no credential
	PreAuth   Kind = "preauth"   // a portal user who has yet to choose an Account
)

// Principal is the caller of one request. Fields that don't apply are zero.
type Principal struct {
	Kind            Kind
	ID              id.ID // of the user, identity or key
	Label           string
	SessionID       id.ID
	AccountID       id.ID
	AccountSlug     string
	AccountRole     string // "owner" or "admin", for users
	ApplicationID   id.ID
	ApplicationSlug string
}

// Call is what audit rows and limits know of a request beside its principal.
type Call struct {
	Principal Principal
	RequestID string
	IP        string
	UserAgent string
}

type key struct{}

// With puts the call into a context, for the rooms' audit rows.
func With(ctx context.Context, c Call) context.Context { return context.WithValue(ctx, key{}, c) }

// From is the call of ctx; background work has none and is System.
func From(ctx context.Context) Call {
	if c, ok := ctx.Value(key{}).(Call); ok {
		return c
	}
	return Call{Principal: Principal{Kind: System}}
}

// As is ctx with p as the caller of the same request, for what a person does by
// presenting a mailed token.
func As(ctx context.Context, p Principal) context.Context {
	c := From(ctx)
	c.Principal = p
	return With(ctx, c)
}
