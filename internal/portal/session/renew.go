package session

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/application"
)

// successorUse is what the key of a sealed successor is derived for.
const successorUse = "canopy refresh successor v1"

// Refresh renews a session and its refresh token. The token before the current one gets
// the same successor again for half a minute, so that tabs which race and answers that
// got lost harm nothing; any other token used before ends the session. Faults:
// auth.invalid_token and auth.session_revoked, after which the token is of no more use;
// rate_limit.exceeded, by the session that the token belongs to.
// Events: user.session.refreshed, user.session.reuse_detected.
func (s *Service) Refresh(ctx context.Context, by principal.Actor, token string) (*Bound, error) {
	r, err := database.Write(ctx, s.DB, func(tx *database.Tx) (renewal, error) { return s.renew(ctx, tx, by, token) })
	if err == nil {
		err = r.refused
	}
	return r.bound, err
}

// renewal is what became of a session that was to be renewed. A refusal that ends the
// session commits.
type renewal struct {
	bound   *Bound
	refused error
}

func (s *Service) renew(ctx context.Context, tx *database.Tx, by principal.Actor, token string) (renewal, error) {
	c, err := s.claim(ctx, tx, by, token)
	if err != nil || c.refused != nil {
		return renewal{refused: c.refused}, err
	}
	st := c.st
	at, err := whereNow(ctx, tx, c.who, st)
	if errors.Is(err, ErrRevoked) {
		_, err = end(ctx, tx, `id = $2`, st.id)
		return renewal{refused: ErrRevoked}, err
	}
	if err != nil {
		return renewal{}, err
	}
	var next secret.Token
	if c.repeat {
		next, err = st.openSuccessor(token)
	} else {
		next, err = s.advance(ctx, tx, by, &st, at, token)
	}
	if err != nil {
		return renewal{}, err
	}
	b, err := s.bind(ctx, tx, st, at)
	if err != nil {
		return renewal{}, err
	}
	b.Refresh = next
	return renewal{bound: b}, nil
}

// claim is the live session of a refresh token that may be used, whose person is held.
type claim struct {
	who    portaluser.Locked
	st     state
	repeat bool // it is the token before the current one, used a moment ago
	// refused says why there is none: auth.invalid_token, or auth.session_revoked for a
	// session that has ended. A token that was used before has just ended it.
	refused error
}

// claim finds the session of a refresh token. A refusal commits. Fault:
// rate_limit.exceeded, by the session. Event: user.session.reuse_detected.
func (s *Service) claim(
	ctx context.Context, tx *database.Tx, by principal.Actor, token string,
) (c claim, err error) {
	hash := secret.Hash(token)
	var sessionID ID
	var userID portaluser.ID
	err = tx.QueryRow(ctx, selectOwner, hash).Scan(&sessionID, &userID)
	if errors.Is(err, database.ErrNoRows) {
		return claim{refused: signingkey.ErrInvalidToken}, nil
	}
	if err != nil {
		return c, err
	}
	if err := s.Guard.Limits.Count(ctx, tx, ratelimit.Session, sessionID.String()); err != nil {
		return c, err
	}
	if c.who, err = lock(ctx, tx, userID); err != nil {
		return c, err
	}
	// What another call made of the session while this one waited counts.
	c.st, err = scanState(tx.QueryRow(ctx, selectSession, sessionID, userID))
	if errors.Is(err, database.ErrNoRows) {
		return claim{refused: signingkey.ErrInvalidToken}, nil
	}
	if err != nil {
		return c, err
	}
	st := &c.st
	c.repeat = hash == st.renewedWith && tx.Now.Sub(st.renewedAt) < repeatWithin && len(st.successor) > 0
	switch {
	case !st.endedAt.IsZero():
		c.refused = ErrRevoked
	case !st.live(tx.Now):
		c.refused = signingkey.ErrInvalidToken
	case hash != st.refreshHash && !c.repeat:
		c.refused = ErrRevoked
		err = s.endReused(ctx, tx, by, *st)
	}
	return c, err
}

// endReused ends the session of a refresh token that was used before: two have it.
func (s *Service) endReused(ctx context.Context, tx *database.Tx, by principal.Actor, st state) error {
	if _, err := end(ctx, tx, `id = $2`, st.id); err != nil {
		return err
	}
	entry := event.Entry{Actor: by, Account: st.account, Resource: st.id.Any()}
	return event.Record(ctx, tx, ReuseDetected, entry, ReuseDetectedPayload{by.Request.IP})
}

// advance renews the refresh token and, where its Application is gone, the binding.
func (s *Service) advance(
	ctx context.Context, tx *database.Tx, by principal.Actor, st *state, at place, token string,
) (secret.Token, error) {
	if at.application.ID != st.application {
		if _, err := tx.Exec(ctx, updateApplication, at.application.ID, st.id); err != nil {
			return secret.Token{}, err
		}
	}
	// Told once a minute, so that a busy page does not fill the log.
	if !st.renewedAt.Truncate(time.Minute).Equal(tx.Now.Truncate(time.Minute)) {
		u := at.who.User()
		entry := event.Entry{
			Actor: by.AsUser(u.ID, u.Email), Account: st.account, Application: at.application.ID, Resource: st.id.Any(),
		}
		if err := event.Record(ctx, tx, Refreshed, entry, event.None{}); err != nil {
			return secret.Token{}, err
		}
	}
	return s.rotate(ctx, tx, st, token)
}

// rotate gives the session its next refresh token. What is kept of that opens with the
// current one alone, which is not kept.
func (s *Service) rotate(ctx context.Context, tx *database.Tx, st *state, token string) (secret.Token, error) {
	next, used := secret.NewToken(), st.refreshHash
	box, err := secret.Derive([]byte(token), st.id.String(), successorUse)
	if err != nil {
		return next, err
	}
	st.expiresAt = s.expiry(tx, *st)
	sealed := box.Seal([]byte(next.Reveal()), st.id.String())
	if _, err := tx.Exec(ctx, updateRefresh, next.Hash(), tx.Now, st.expiresAt, used, sealed, st.id); err != nil {
		return next, err
	}
	if _, err := tx.Exec(ctx, insertUsed, used, st.id, tx.Now); err != nil {
		return next, err
	}
	_, err = tx.Exec(ctx, deleteOldestUsed, st.id, keepUsed)
	return next, err
}

// openSuccessor gives what rotate gave for the same token.
func (st *state) openSuccessor(token string) (secret.Token, error) {
	box, err := secret.Derive([]byte(token), st.id.String(), successorUse)
	if err != nil {
		return secret.Token{}, err
	}
	plain, err := box.Open(st.successor, st.id.String())
	return secret.TokenOf(string(plain)), err
}

// whereNow looks whether the session's person may go on, and where; a session
// whose Application is gone moves to the Account's oldest one. An Account without
// any, which must not be, ends the session. Fault: auth.session_revoked.
func whereNow(ctx context.Context, tx *database.Tx, who portaluser.Locked, st state) (at place, err error) {
	at.who = who
	var is bool
	if at.membership, is, err = portaluser.MembershipOf(ctx, tx, st.account, who.User().ID); err != nil {
		return at, err
	}
	if !is || !at.membership.Active {
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
