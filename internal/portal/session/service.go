package session

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// Service holds the use cases of sessions. It is safe for concurrent use.
type Service struct {
	DB         *database.DB
	Guard      *portaluser.Guard
	Keys       *signingkey.Service
	AccessTTL  time.Duration // of access tokens
	RefreshTTL time.Duration // each use renews a session for this long
	RefreshMax time.Duration // never past this long after sign-in
	// Observe is told how each sign-in ended, "ok" or a code; may be nil.
	Observe func(result string)
}

// open starts a session in a transaction that has checked the person. Event:
// user.login.succeeded.
func (s *Service) open(
	ctx context.Context, tx *database.Tx, by principal.Actor, at place, permissions bool,
) (*Bound, error) {
	st := state{
		id: id.New[ID](tx.Now), user: at.user.ID, account: at.membership.Account.ID, application: at.application.ID,
		permissions: permissions, endsAt: tx.Now.Add(s.RefreshMax),
	}
	b, err := s.bind(tx, st, at, secret.NewToken())
	if err != nil {
		return nil, err
	}
	agent := []rune(by.Request.UserAgent)
	told := SignedInPayload{st.id, by.Request.IP, string(agent[:min(len(agent), maxUserAgent)])}
	_, err = tx.Exec(ctx, insertSession, st.id, st.user, st.account, st.application, permissions, b.Refresh.Hash(),
		told.IPAddress, told.UserAgent, tx.Now, tx.Now.Add(b.RefreshLife), st.endsAt)
	if err != nil {
		return nil, err
	}
	entry := event.Entry{
		Actor: by.AsUser(at.user.ID, at.user.Email), Account: st.account, Application: st.application,
		Resource: at.user.ID.Any(), Label: at.user.Email,
	}
	return b, event.Record(ctx, tx, SignedIn, entry, told)
}

// bind makes the answer of a session that is at a place now.
func (s *Service) bind(tx *database.Tx, st state, at place, refresh secret.Token) (*Bound, error) {
	claims := signingkey.Claims{
		Subject: at.user.ID.Any(), Type: string(principal.KindUser), SessionID: st.id, ID: id.New[id.ID](tx.Now),
		IssuedAt: tx.Now.Unix(), ExpiresAt: tx.Now.Add(s.AccessTTL).Unix(),
		AccountID: at.membership.Account.ID, AccountSlug: at.membership.Account.Slug,
		ApplicationID: at.application.ID, ApplicationSlug: at.application.Slug,
	}
	if st.permissions {
		for _, key := range at.membership.Role.Keys() {
			claims.Permissions = append(claims.Permissions, string(key))
		}
	}
	token, err := s.Keys.Sign(claims)
	if err != nil {
		return nil, err
	}
	return &Bound{
		AccessToken: token, ExpiresIn: s.AccessTTL,
		Refresh: refresh, RefreshLife: min(s.RefreshTTL, st.endsAt.Sub(tx.Now)),
		User: at.user, Membership: at.membership, Application: at.application,
	}, nil
}
