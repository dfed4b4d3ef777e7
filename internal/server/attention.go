package server

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/attention"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// newAttention asks every room that knows of something.
func newAttention(p *platform) *attention.Service {
	const day = 24 * time.Hour
	within := func(
		ask func(context.Context, *database.Tx, scope.AccountID, time.Duration) ([]environment.Concern, error),
		time time.Duration,
	) func(context.Context, *database.Tx, scope.AccountID) ([]environment.Concern, error) {
		return func(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]environment.Concern, error) {
			return ask(ctx, tx, in, time)
		}
	}
	s := &attention.Service{DB: p.db, Sources: []attention.Source{
		{Kind: attention.AssignmentsEnding, Ask: within(assignment.Ending, 7*day)},
		{Kind: attention.KeysEnding, Ask: within(apikey.Ending, 14*day)},
		{Kind: attention.InvitesUndelivered, Ask: invite.Undelivered},
		{Kind: attention.InvitesUndelivered, Ask: identityinvite.Undelivered},
		{Kind: attention.WebhookDisabled, Ask: troubled(delivery.Disabled)},
		{Kind: attention.DeliveriesFailing, Ask: troubled(delivery.Failing)},
	}}
	if p.sender == nil {
		s.NoMail = p.db.Now()
	}
	return s
}

// troubled tells where subscriptions are that want attention: deliveries lie below Environments
// and know only their ids. What is of a deleted Environment wants none.
func troubled(
	ask func(context.Context, *database.Tx, scope.AccountID) ([]delivery.Trouble, error),
) func(context.Context, *database.Tx, scope.AccountID) ([]environment.Concern, error) {
	return func(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]environment.Concern, error) {
		found, err := ask(ctx, tx, in)
		if err != nil {
			return nil, err
		}
		var list []environment.Concern
		for _, f := range found {
			c := environment.Concern{Count: f.Count, Since: f.Since}
			if !f.Place.Environment.IsZero() {
				its := scope.Application{Account: scope.Account{ID: in}, ID: f.Place.Application}
				env, err := environment.Find(ctx, tx, scope.Environment{Application: its, ID: f.Place.Environment})
				if errors.Is(err, environment.ErrNotFound) {
					continue
				}
				if err != nil {
					return nil, err
				}
				app, err := application.Find(ctx, tx, in, f.Place.Application)
				if err != nil {
					return nil, err
				}
				c.Application, c.Environment = app.Slug, env.Slug
			}
			list = append(list, c)
		}
		slices.SortFunc(list, func(a, b environment.Concern) int {
			return cmp.Or(cmp.Compare(a.Application, b.Application), cmp.Compare(a.Environment, b.Environment))
		})
		return list, nil
	}
}
