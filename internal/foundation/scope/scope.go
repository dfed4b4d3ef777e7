// Package scope holds the places that a call can be about: an Account, an
// Application in it, an Environment in that. The router resolves the place once,
// from the path and the credential, and hands it down as an argument; a use case
// that has one may rely on the caller's right to be there.
//
// A scope names a place and decides nothing. It refuses to know tables or HTTP.
package scope

import "canopy.dev/canopy/internal/foundation/id"

type (
	account     struct{}
	application struct{}
	environment struct{}
)

// The ids of places, one type each.
type (
	// AccountID names an Account.
	AccountID = id.Of[account]
	// ApplicationID names an Application of an Account.
	ApplicationID = id.Of[application]
	// EnvironmentID names an Environment of an Application.
	EnvironmentID = id.Of[environment]
)

// Account is one customer company of the install.
type Account struct {
	ID   AccountID
	Slug string // unique in the install
}

// Application is one product of an Account.
type Application struct {
	Account Account
	ID      ApplicationID
	Slug    string // unique in its Account
}

// Environment is one unit of isolation of an Application.
type Environment struct {
	Application Application
	ID          EnvironmentID
	Slug        string // unique in its Application
}
