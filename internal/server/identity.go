package server

import (
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
)

// identity is what the area of end users offers.
type identity struct {
	members   *membership.Service
	enrolment *enrolment.Service
}

func newIdentity(p *platform) *identity {
	passwords := &credential.Passwords{Hasher: p.hasher, Breached: p.breached}
	return &identity{
		members:   &membership.Service{DB: p.db},
		enrolment: &enrolment.Service{DB: p.db, Passwords: passwords},
	}
}
