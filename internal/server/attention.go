package server

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/attention"
	"canopy.dev/canopy/internal/portal/invite"
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
	}}
	if p.sender == nil {
		s.NoMail = p.db.Now()
	}
	return s
}
