package session

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/application"
)

// Refresh renews a session: one guarded update swaps the refresh token, so of
// many calls with one token one is answered. Faults: auth.invalid_token and
// auth.session_revoked, after which the token is of no more use,
// auth.refresh_conflict. Events: user.session.refreshed,
// user.session.reuse_detected.
func (s *Service) Refresh(ctx context.Context, by principal.Actor, token string) (*Bound, error) {
	hash := secret.Hash(token)
	r, err := database.Write(ctx, s.DB, func(tx *database.Tx) (renewal, error) { return s.renew(ctx, tx, by, hash) })
	switch {
	case errors.Is(err, database.ErrNoRows):
		return nil, s.whyNot(ctx, by, hash)
	case err != nil:
		return nil, err
	case r.over:
		return nil, ErrRevoked
	}
	return r.bound, nil
}

// renewal is what became of a session that was to be renewed.
type renewal struct {
	bound *Bound
	over  bool // it can't go on anywhere, and has ended
}

func (s *Service) renew(ctx context.Context, tx *database.Tx, by principal.Actor, hash string) (renewal, error) {
	next := secret.NewToken()
	st, err := s.rotate(ctx, tx, hash, next)
	if err != nil {
		return renewal{}, err
	}
	at, err := whereNow(ctx, tx, st)
	if errors.Is(err, ErrRevoked) {
		_, err = end(ctx, tx, `id = $2`, st.id)
		return renewal{over: true}, err
	}
	if err != nil {
		return renewal{}, err
	}
	if at.application.ID != st.application {
		if _, err := tx.Exec(ctx, updateApplication, at.application.ID, st.id); err != nil {
			return renewal{}, err
		}
	}
	entry := event.Entry{
		Actor: by.AsUser(at.user.ID, at.user.Email), Account: st.account, Application: at.application.ID,
		Resource: st.id.Any(),
	}
	if err := event.Record(ctx, tx, Refreshed, entry, event.None{}); err != nil {
		return renewal{}, err
	}
	b, err := s.bind(tx, st, at, next)
	return renewal{bound: b}, err
}

// rotate swaps the refresh token of a live session; ErrNoRows when the token is
// not the session's current one, or the session is over.
func (s *Service) rotate(ctx context.Context, tx *database.Tx, hash string, next secret.Token) (state, error) {
	st := state{}
	err := tx.QueryRow(ctx, updateRefresh, next.Hash(), tx.Now, tx.Now.Add(s.RefreshTTL), hash).
		Scan(&st.id, &st.user, &st.account, &st.application, &st.permissions, &st.endsAt)
	if err != nil {
		return st, err
	}
	_, err = tx.Exec(ctx, insertUsed, hash, st.id, tx.Now)
	return st, err
}

// whereNow looks whether the session's person may go on, and where; a session
// whose Application is gone moves to the Account's oldest one. An Account without
// any, which must not be, ends the session. Fault: auth.session_revoked.
func whereNow(ctx context.Context, tx *database.Tx, st state) (at place, err error) {
	var is bool
	if at.membership, is, err = portaluser.MembershipOf(ctx, tx, st.account, st.user); err != nil {
		return at, err
	}
	if !is || !at.membership.Active {
		return at, ErrRevoked
	}
	if at.user, is, err = portaluser.ByID(ctx, tx, st.user); err != nil {
		return at, err
	}
	if !is {
		return at, ErrRevoked
	}
	at.application, err = application.Find(ctx, tx, st.account, st.application)
	if !errors.Is(err, application.ErrNotFound) {
		return at, err
	}
	apps, err := application.List(ctx, tx, st.account)
	if err != nil {
		return at, err
	}
	if len(apps) == 0 {
		return at, ErrRevoked
	}
	at.application = apps[0]
	return at, nil
}

// whyNot explains a refresh token that renews nothing, and ends the session of
// one that was used before.
func (s *Service) whyNot(ctx context.Context, by principal.Actor, hash string) error {
	verdict, err := database.Write(ctx, s.DB, func(tx *database.Tx) (error, error) {
		var used usedToken
		err := used.read(ctx, tx, selectUsed, hash)
		if errors.Is(err, database.ErrNoRows) {
			err = used.read(ctx, tx, selectUnused, hash)
		}
		switch {
		case errors.Is(err, database.ErrNoRows), err == nil && used.at == nil && used.endedAt == nil:
			return signingkey.ErrInvalidToken, nil
		case err != nil:
			return nil, err
		case used.endedAt != nil:
			return ErrRevoked, nil
		case tx.Now.Sub(*used.at) < conflictWithin:
			return ErrConflict, nil
		}
		if _, err := end(ctx, tx, `id = $2`, used.session); err != nil {
			return nil, err
		}
		entry := event.Entry{Actor: by, Account: used.account, Resource: used.session.Any()}
		return ErrRevoked, event.Record(ctx, tx, ReuseDetected, entry, ReuseDetectedPayload{by.Request.IP})
	})
	if err != nil {
		return err
	}
	return verdict
}

// usedToken is what is known of a refresh token that renews nothing.
type usedToken struct {
	session ID
	user    portaluser.ID
	account scope.AccountID
	at      *time.Time // nil: it is the current one
	endedAt *time.Time // of the session
}

func (t *usedToken) read(ctx context.Context, tx *database.Tx, query, hash string) error {
	return tx.QueryRow(ctx, query, hash).Scan(&t.session, &t.user, &t.account, &t.at, &t.endedAt)
}
