package server

import "canopy.dev/canopy/internal/tenant/account"

// tenant is what the area of Accounts, Applications and Environments offers.
type tenant struct {
	accounts *account.Service
}

func newTenant(p *platform) *tenant {
	return &tenant{accounts: &account.Service{DB: p.db}}
}
