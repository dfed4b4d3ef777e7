package server

import (
	"context"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/identity/profile"
	"canopy.dev/canopy/internal/identity/roster"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
)

// identity is what the area of end users offers.
type identity struct {
	members   *membership.Service
	roster    *roster.Service
	enrolment *enrolment.Service
	profiles  *profile.Service
	sessions  *identitysession.Service

	credentials *credential.Service
	factors     *mfa.Service
}

func newIdentity(p *platform) *identity {
	passwords := &credential.Passwords{Hasher: p.hasher, Breached: p.breached, History: p.history}
	credentials := &credential.Service{DB: p.db, Passwords: passwords, Mail: p.mail}
	return &identity{
		members:   &membership.Service{DB: p.db},
		roster:    &roster.Service{DB: p.db},
		enrolment: &enrolment.Service{DB: p.db, Passwords: passwords, Credentials: credentials},
		profiles:  &profile.Service{DB: p.db},
		sessions:  &identitysession.Service{DB: p.db},

		credentials: credentials,
		factors:     &mfa.Service{DB: p.db},
	}
}

// identityMails says of each kind of mail to identities whether it is still wanted.
func identityMails() map[mail.Kind]mailqueue.Handler {
	return map[mail.Kind]mailqueue.Handler{
		mail.IdentityPasswordReset: {Still: credential.StillWanted},
		mail.IdentityVerifyEmail:   {Still: credential.StillWanted},
	}
}

func (i *identity) sweeps() []func(context.Context) error {
	return []func(context.Context) error{i.sessions.Sweep, i.credentials.Sweep}
}
