package enrolment

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct {
	DB        *database.DB
	Passwords *credential.Passwords
	// RevokeInvites withdraws the pending invites of an address into an Environment whose lock
	// the transaction holds, and tells how many there were. nil: there are no invites.
	RevokeInvites func(
		ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, email string,
	) (int, error)
}

// Result is how one row of several ended: with an identity, or with a fault.
type Result struct {
	Identity enduser.Identity
	Err      error
}

func results(rows []*row) []Result {
	list := make([]Result, len(rows))
	for i, r := range rows {
		list[i] = r.Result
	}
	return list
}
