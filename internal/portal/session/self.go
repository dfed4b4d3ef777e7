package session

import (
	"context"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/application"
)

// Self is who is signed in, and where.
type Self struct {
	User        portaluser.User
	Membership  portaluser.Membership
	Application application.Application
}

// Self reads the caller. Fault: auth.invalid_token when person or membership has
// gone since the token was looked at.
func (s *Service) Self(ctx context.Context, by principal.User) (self Self, err error) {
	err = database.View(ctx, s.DB, func(tx *database.Tx) error {
		var is bool
		if self.User, is, err = portaluser.ByID(ctx, tx, by.UserID); err != nil {
			return err
		}
		if !is {
			return signingkey.ErrInvalidToken
		}
		if self.Membership, is, err = portaluser.MembershipOf(ctx, tx, by.Account.ID, by.UserID); err != nil {
			return err
		}
		if !is {
			return signingkey.ErrInvalidToken
		}
		self.Application, err = application.Find(ctx, tx, by.Account.ID, by.Application.ID)
		return err
	})
	return self, err
}

// List gives the caller's live sessions in all Accounts, newest first.
func (s *Service) List(ctx context.Context, by principal.User) ([]View, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]View, error) {
		return database.All(ctx, tx, scanView, selectLive, by.UserID, tx.Now)
	})
}
