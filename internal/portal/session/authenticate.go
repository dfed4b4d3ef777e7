package session

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
)

// Authenticate makes the principal of an access or pre-auth token. Any failure
// is signingkey.ErrInvalidToken: signature, age, an ended session, a membership
// that is not active, an Application that is gone.
func (s *Service) Authenticate(ctx context.Context, token string) (principal.Principal, error) {
	c, err := s.Keys.Verify(ctx, token, s.DB.Now())
	if err != nil {
		return nil, err
	}
	actor := principal.Actor{Kind: principal.Kind(c.Type), ID: c.Subject}
	switch {
	case c.TokenType == signingkey.PreAuth:
		actor.Kind = principal.KindPreAuth
		return principal.PreAuth{
			Actor: actor, UserID: principal.UserID(c.Subject), TokenID: principal.PreAuthID(c.ID),
		}, nil
	case actor.Kind != principal.KindUser:
		return principal.Other{Actor: actor}, nil
	}
	now, err := s.caller(ctx, claimed{c.SessionID, principal.UserID(c.Subject), c.AccountID, c.ApplicationID})
	if errors.Is(err, database.ErrNoRows) {
		return nil, signingkey.ErrInvalidToken
	}
	if err != nil {
		return nil, err
	}
	actor.Label = now.email
	in := scope.Account{ID: c.AccountID, Slug: now.slug}
	return principal.User{
		Actor: actor, UserID: principal.UserID(c.Subject), SessionID: c.SessionID, Email: now.email, Role: now.role,
		Account: in, Application: scope.Application{Account: in, ID: c.ApplicationID, Slug: c.ApplicationSlug},
		TokenEnds: time.Unix(c.ExpiresAt, 0).UTC(),
	}, nil
}
