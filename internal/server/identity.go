package server

import (
	"context"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/profile"
	"canopy.dev/canopy/internal/identity/roster"
)

// identity is what the area of end users offers.
type identity struct {
	members   *membership.Service
	roster    *roster.Service
	enrolment *enrolment.Service
	profiles  *profile.Service
	sessions  *identitysession.Service
}

func newIdentity(p *platform) *identity {
	passwords := &credential.Passwords{Hasher: p.hasher, Breached: p.breached}
	return &identity{
		members:   &membership.Service{DB: p.db},
		roster:    &roster.Service{DB: p.db},
		enrolment: &enrolment.Service{DB: p.db, Passwords: passwords},
		profiles:  &profile.Service{DB: p.db},
		sessions:  &identitysession.Service{DB: p.db},
	}
}

func (i *identity) sweeps() []func(context.Context) error {
	return []func(context.Context) error{i.sessions.Sweep}
}
