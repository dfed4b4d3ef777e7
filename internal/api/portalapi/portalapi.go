// Package portalapi is the door for portal users: /v1/auth and /portal/v1. Its
// handlers decode, call one use case, and encode; rules live in the rooms.
package portalapi

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/member"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/account"
)

// Door serves the portal's API over the rooms behind it.
type Door struct {
	DB            *database.DB
	Log           *slog.Logger
	Limits        *ratelimit.Limiter
	Registrations *signup.Service
	Sessions      *session.Service
	Passwords     *session.Passwords
	Invites       *invite.Service
	Members       *member.Service
	Keys          *signingkey.Service
	SecureCookies bool
	RefreshTTL    time.Duration

	background sync.WaitGroup
}

// Routes registers all of the door's routes.
func (d *Door) Routes(rt *wire.Router) {
	d.signUpRoutes(rt)
	d.signInRoutes(rt)
	d.passwordRoutes(rt)
	d.selfRoutes(rt)
	d.accountRoutes(rt)
	d.memberRoutes(rt)
	d.inviteRoutes(rt)
}

// Wait waits for work that goes on after its answer: look-ups whose time must
// not tell anything.
func (d *Door) Wait() { d.background.Wait() }

// later runs fn after the answer, so that every address takes the same time. At
// most a few run at once: the calls behind it are throttled per IP.
func (d *Door) later(ctx context.Context, what string, fn func(ctx context.Context) error) {
	ctx = context.WithoutCancel(ctx)
	d.background.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		if err := fn(ctx); err != nil && fault.As(err) == nil {
			d.Log.ErrorContext(ctx, what, "error", err)
		}
	})
}

// A is the prefix of everything in one Account.
const prefix = "/portal/v1/accounts/{accountSlug}"

type userView struct {
	ID        id.ID  `json:"id"`
	Email     string `json:"email"`
	FirstName string `json:"first_name"`
	LastName  string `json:"last_name"`
}

type applicationView struct {
	ID   id.ID  `json:"id"`
	Name string `json:"name"`
	Slug string `json:"slug"`
}

type accountChoice struct {
	AccountID    id.ID             `json:"account_id"`
	AccountName  string            `json:"account_name"`
	AccountSlug  string            `json:"account_slug"`
	AccountRole  account.Role      `json:"account_role,omitempty"`
	Applications []applicationView `json:"applications"`
}

func choiceView(c session.Choice, withRole bool) accountChoice {
	v := accountChoice{AccountID: c.Membership.AccountID, AccountName: c.Membership.AccountName, AccountSlug: c.Membership.AccountSlug,
		Applications: []applicationView{}}
	if withRole {
		v.AccountRole = c.Membership.Role
	}
	for _, a := range c.Applications {
		v.Applications = append(v.Applications, applicationView{a.ID, a.Name, a.Slug})
	}
	return v
}

// keep puts what a rule gives back into the field, or notes the broken rule.
func keep(p *fault.Problems, field string, value *string, rule func(string) (string, string)) {
	kept, broken := rule(*value)
	if broken != "" {
		p.Add(field, broken)
		return
	}
	*value = kept
}

func keepNames(p *fault.Problems, first, last *string) {
	keep(p, "first_name", first, text.Name)
	keep(p, "last_name", last, text.Name)
}
