package identityinvite

import (
	"context"
	"errors"
	"net/url"
	"time"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Service holds the use cases of identity invites, one transaction each. It is safe for
// concurrent use.
type Service struct {
	DB          *database.DB
	Guard       *credential.Guard
	Passwords   *credential.Passwords
	Credentials *credential.Service
	Limits      *ratelimit.Limiter
	Mail        *mailqueue.Queue
	Public      *url.URL      // where links lead
	Life        time.Duration // CANOPY_INVITE_TTL
	// Inviter is the address of a portal user; false once that is no active user of the Account.
	Inviter func(ctx context.Context, tx *database.Tx, in scope.AccountID, user id.ID) (email string, is bool, err error)
}

// Linked is an invite with the one link that opens it.
type Linked struct {
	Invite
	AcceptURL string // a secret
}

// link is the address that accepts an invite by its token, which stands in the fragment: no
// server sees it.
func (s *Service) link(token secret.Token) string {
	u := s.Public.JoinPath("app", "identity", "accept-invite")
	u.Fragment = "token=" + token.Reveal()
	return u.String()
}

// Get reads one invite that is seen from the place. Fault: invites.not_found.
func (s *Service) Get(ctx context.Context, at membership.Place, inviteID ID) (Invite, error) {
	return membership.Read(ctx, s.DB, at, func(tx *database.Tx) (Invite, error) {
		i, err := own(ctx, tx, at, inviteID)
		return i.at(tx.Now), err
	})
}

// own reads an invite that is seen from the place.
func own(ctx context.Context, tx *database.Tx, at membership.Place, inviteID ID) (Invite, error) {
	i, err := scan(tx.QueryRow(ctx, selectOwn, at.Account().ID, inviteID))
	in, inside := at.Environment()
	if errors.Is(err, database.ErrNoRows) || err == nil && inside && i.Environment != in.ID {
		return i, ErrNotFound
	}
	return i, err
}

// Summary counts the invites that are seen from the place, at one moment.
func (s *Service) Summary(ctx context.Context, at membership.Place) (Counts, error) {
	return membership.Read(ctx, s.DB, at, func(tx *database.Tx) (c Counts, err error) {
		tier, of := tierOf(at)
		err = tx.QueryRow(ctx, selectCounts+tier, of, tx.Now).
			Scan(&c.Total, &c.Pending, &c.PendingWithRole, &c.Accepted, &c.Revoked)
		c.Expired = c.Total - c.Pending - c.Accepted - c.Revoked
		return c, err
	})
}

// tierOf is the condition of a place, and its first argument.
func tierOf(at membership.Place) (tier string, of any) {
	if in, inside := at.Environment(); inside {
		return inEnvironment, in.ID
	}
	return inAccount, at.Account().ID
}
