package server

import (
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// tenant is what the area of Accounts, Applications and Environments offers.
type tenant struct {
	accounts *account.Service
}

func newTenant(p *platform) *tenant {
	return &tenant{accounts: &account.Service{DB: p.db}}
}

// places finds what a path names. Environments join with their first route.
func places(p *platform) wire.Places {
	applications := &application.Service{DB: p.db}
	return wire.Places{
		Application:     applications.Place,
		AccountNotFound: account.ErrNotFound, ApplicationNotFound: application.ErrNotFound,
	}
}
