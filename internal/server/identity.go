package server

import (
	"context"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/identity/profile"
	"canopy.dev/canopy/internal/identity/roster"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/portal/portaluser"
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
	invites     *identityinvite.Service
}

func newIdentity(c *config.Checked, p *platform) *identity {
	passwords := &credential.Passwords{Hasher: p.hasher, Breached: p.breached, History: p.history}
	guard := &credential.Guard{DB: p.db, Hasher: p.hasher, Limits: p.limits}
	credentials := &credential.Service{DB: p.db, Passwords: passwords, Guard: guard, Mail: p.mail}
	return &identity{
		members: &membership.Service{DB: p.db},
		roster:  &roster.Service{DB: p.db},
		enrolment: &enrolment.Service{
			DB: p.db, Passwords: passwords, Credentials: credentials,
			RevokeInvites: identityinvite.RevokeOf, ForgetInvites: identityinvite.Forget,
		},
		profiles: &profile.Service{DB: p.db},
		sessions: &identitysession.Service{DB: p.db},

		credentials: credentials,
		factors:     &mfa.Service{DB: p.db},
		invites: &identityinvite.Service{
			DB: p.db, Guard: guard, Passwords: passwords, Credentials: credentials, Limits: p.limits, Mail: p.mail,
			Public: c.Public, Life: c.InviteTTL, Inviter: inviter,
		},
	}
}

// inviter is the address of a portal user who is an active member of an Account.
func inviter(
	ctx context.Context, tx *database.Tx, in scope.AccountID, user id.ID,
) (email string, is bool, err error) {
	m, is, err := portaluser.MembershipOf(ctx, tx, in, portaluser.ID(user))
	if err != nil || !is || !m.Active {
		return "", false, err
	}
	u, is, err := portaluser.ByID(ctx, tx, portaluser.ID(user))
	return u.Email, is, err
}

// identityMails says of each kind of mail to identities whether it is still wanted.
func identityMails() map[mail.Kind]mailqueue.Handler {
	return map[mail.Kind]mailqueue.Handler{
		mail.IdentityPasswordReset: {Still: credential.StillWanted},
		mail.IdentityVerifyEmail:   {Still: credential.StillWanted},

		mail.IdentityInvite:      {Still: identityinvite.StillWanted, Delivered: identityinvite.Delivered},
		mail.IdentityInviteReset: {Still: identityinvite.StillWanted, Delivered: identityinvite.Delivered},
	}
}

func (i *identity) sweeps() []func(context.Context) error {
	return []func(context.Context) error{i.sessions.Sweep, i.credentials.Sweep}
}
