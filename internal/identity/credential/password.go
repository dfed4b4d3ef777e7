package credential

import (
	"context"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
)

// ErrBreached says that a password is known to attackers.
var ErrBreached = fault.New(fault.Invalid, "identities.password_breached",
	"This password is in a known breach; choose another one")

// Passwords makes the hashes of new passwords. It is safe for concurrent use.
type Passwords struct {
	Hasher   *secret.Hasher
	Breached secret.Breaches
	// History is how many passwords of somebody may not come again, the present one included;
	// 0 remembers none.
	History int
}

// Refuse is identities.password_breached for a password that nobody should have.
func (p *Passwords) Refuse(password string) error {
	held, err := p.Breached.Hold(password)
	if held {
		return ErrBreached
	}
	return err
}

// Hash makes the hash of a password, which its rules have passed. Faults:
// identities.password_breached, server.busy.
func (p *Passwords) Hash(ctx context.Context, by principal.Actor, password string) (string, error) {
	if err := p.Refuse(password); err != nil {
		return "", err
	}
	return p.Hasher.Hash(ctx, secret.From{Lane: secret.Identities, Network: by.Request.Network}, password)
}
