package session

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
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
	Prover     *revision.Prover // proves that callers in memory are current
	Guard      *portaluser.Guard
	Keys       *signingkey.Service
	AccessTTL  time.Duration // of access tokens
	RefreshTTL time.Duration // each use renews a session for this long
	RefreshMax time.Duration // never past this long after sign-in
	// Observe is told how each sign-in ended, "ok" or a code; may be nil.
	Observe func(result string)

	callers revision.Memo[claimed, caller]
}

// open starts a session in a transaction that has checked the person. Event:
// user.login.succeeded.
func (s *Service) open(
	ctx context.Context, tx *database.Tx, by principal.Actor, at place, permissions bool,
) (*Bound, error) {
	u := at.who.User()
	st := state{
		id: id.New[ID](tx.Now), account: at.membership.Account.ID, application: at.application.ID,
		permissions: permissions, endsAt: tx.Now.Add(s.RefreshMax),
	}
	st.expiresAt = s.expiry(tx, st)
	n, err := tx.Exec(ctx, endOldest, tx.Now, u.ID, mostSessions-1)
	if err == nil && n > 0 {
		err = raise(ctx, tx, u.ID)
	}
	if err != nil {
		return nil, err
	}
	b, err := s.bind(ctx, tx, st, at)
	if err != nil {
		return nil, err
	}
	if b.Browser, err = portaluser.Remember(ctx, tx, by, at.who); err != nil {
		return nil, err
	}
	b.Refresh = secret.NewToken()
	agent := []rune(by.Request.UserAgent)
	told := SignedInPayload{st.id, by.Request.IP, string(agent[:min(len(agent), maxUserAgent)])}
	_, err = tx.Exec(ctx, insertSession, st.id, u.ID, st.account, st.application, permissions, b.Refresh.Hash(),
		told.IPAddress, told.UserAgent, tx.Now, st.expiresAt, st.endsAt)
	if err != nil {
		return nil, err
	}
	entry := event.Entry{
		Actor: by.AsUser(u.ID, u.Email), Account: st.account, Application: st.application,
		Resource: u.ID.Any(), Label: u.Email,
	}
	return b, event.Record(ctx, tx, SignedIn, entry, told)
}

// bind makes the answer of a session that is at a place now.
func (s *Service) bind(ctx context.Context, tx *database.Tx, st state, at place) (*Bound, error) {
	u := at.who.User()
	claims := signingkey.Claims{
		Subject: u.ID.Any(), Type: string(principal.KindUser), SessionID: st.id, ID: id.New[id.ID](tx.Now),
		IssuedAt: tx.Now.Unix(), ExpiresAt: tx.Now.Add(s.AccessTTL).Unix(),
		AccountID: at.membership.Account.ID, AccountSlug: at.membership.Account.Slug,
		ApplicationID: at.application.ID, ApplicationSlug: at.application.Slug,
	}
	if st.permissions {
		for _, key := range at.membership.Role.Keys() {
			claims.Permissions = append(claims.Permissions, string(key))
		}
	}
	token, err := s.Keys.Sign(ctx, tx, claims)
	if err != nil {
		return nil, err
	}
	return &Bound{
		AccessToken: token, ExpiresIn: s.AccessTTL,
		RefreshLife: st.expiresAt.Sub(tx.Now),
		User:        u, Membership: at.membership, Application: at.application,
	}, nil
}

// expiry is until when a session that is used now can be used again.
func (s *Service) expiry(tx *database.Tx, st state) time.Time {
	if sliding := tx.Now.Add(s.RefreshTTL); sliding.Before(st.endsAt) {
		return sliding
	}
	return st.endsAt
}
