package server

import (
	"context"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/portal/attention"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/member"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/recovery"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/portal/signup"
)

// portal is what the area of portal users offers.
type portal struct {
	guard    *portaluser.Guard
	signups  *signup.Service
	sessions *session.Service
	recovery *recovery.Service
	invites  *invite.Service
	members  *member.Service

	attention *attention.Service
}

func newPortal(c *config.Checked, p *platform, t *tenant) *portal {
	guard := &portaluser.Guard{DB: p.db, Hasher: p.hasher, Limits: p.limits}
	u := &portal{
		guard: guard,
		signups: &signup.Service{
			DB: p.db, Guard: guard, Mail: p.mail, Applications: t.applications, Closed: c.Signup == "closed",
		},
		sessions: &session.Service{
			DB: p.db, Prover: t.prover, Guard: guard, Keys: p.keys, Observe: p.metrics.SignIn,
			AccessTTL: c.AccessTTL, RefreshTTL: c.RefreshTTL, RefreshMax: c.RefreshMax,
		},
		recovery: &recovery.Service{DB: p.db, Guard: guard, Mail: p.mail},
		invites:  &invite.Service{DB: p.db, Guard: guard, Limits: p.limits, Mail: p.mail, Life: c.InviteTTL},
		members:  &member.Service{DB: p.db},

		attention: newAttention(p),
	}
	errands := portaluser.Errands{DB: p.db, Queue: p.worker.Open(u.errandLane(p))}
	u.signups.Errands, u.recovery.Errands = errands, errands
	return u
}

// errandLane does what strangers ask for about an address. Each errand ends in a mail, so
// none is begun without a mail server: so mails to nobody don't pile up, either.
func (p *portal) errandLane(on *platform) outbox.Lane {
	return outbox.Lane{
		Name: "errand", Parallel: 4, Most: 10_000, Idle: on.noSender,
		Handlers: map[string]outbox.Handler{
			recovery.ForgotKind: portaluser.Errand(p.recovery.Forgot),
			signup.ResendKind:   portaluser.Errand(p.signups.Resend),
		},
	}
}

func (p *portal) sweeps() []func(context.Context) error {
	return []func(context.Context) error{p.signups.Sweep, p.sessions.Sweep, p.recovery.Sweep, p.guard.Sweep}
}

func (p *portal) rewinds() []func(context.Context) error {
	return []func(context.Context) error{p.sessions.Rewind}
}

// portalMails says of each kind of mail to portal users whether it is still
// wanted, and who is told how it ended.
func portalMails() map[mail.Kind]mailqueue.Handler {
	return map[mail.Kind]mailqueue.Handler{
		mail.UserInvite:        {Still: invite.StillWanted, Delivered: invite.Delivered},
		mail.VerifyEmail:       {Still: signup.StillWanted},
		mail.PasswordReset:     {Still: recovery.StillWanted},
		mail.AlreadyRegistered: {},
		mail.PasswordChanged:   {},
		mail.WebhookDisabled:   {},
	}
}
