package session

import (
	"context"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// Logout ends the caller's session, or all of them, and tells how many. Event:
// user.logout or session.all_revoked.
func (s *Service) Logout(ctx context.Context, by principal.User, all bool) (int, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (int, error) { return signOut(ctx, tx, by, all) })
}

// LogoutByCookie is Logout of the person whose refresh token it is, for those whose
// access token has run out. The token before the current one does as well, for as long as
// Refresh takes its repeat; one used before that ends its session, and is refused. Fault:
// auth.invalid_token, after which the token is of no more use. Events: those of Logout;
// user.session.reuse_detected.
func (s *Service) LogoutByCookie(ctx context.Context, by principal.Actor, token string, all bool) (int, error) {
	refused := false
	n, err := database.Write(ctx, s.DB, func(tx *database.Tx) (int, error) {
		c, err := s.claim(ctx, tx, by, token)
		if refused = c.refused != nil; err != nil || refused {
			return 0, err
		}
		u := c.who.User()
		return signOut(ctx, tx, principal.User{
			Actor: by.AsUser(u.ID, u.Email), UserID: u.ID, Email: u.Email, SessionID: c.st.id,
			Account: scope.Account{ID: c.st.account},
		}, all)
	})
	if err == nil && refused {
		err = signingkey.ErrInvalidToken
	}
	return n, err
}

func signOut(ctx context.Context, tx *database.Tx, by principal.User, all bool) (int, error) {
	if all {
		return endEvery(ctx, tx, by, LoggedOut)
	}
	n, err := end(ctx, tx, `id = $2 AND user_id = $3`, by.SessionID, by.UserID)
	if err != nil {
		return n, err
	}
	return n, recordOwn(ctx, tx, by, SignedOut, by.SessionID)
}

// RevokeAll ends every session of the caller. Event: session.all_revoked.
func (s *Service) RevokeAll(ctx context.Context, by principal.User) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := endEvery(ctx, tx, by, UserRequest)
		return err
	})
}

// Revoke ends one of the caller's sessions. Fault: auth.session_not_found. Event:
// user.session.revoked.
func (s *Service) Revoke(ctx context.Context, by principal.User, sessionID ID) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		n, err := end(ctx, tx, `id = $2 AND user_id = $3 AND expires_at > $1`, sessionID, by.UserID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return recordOwn(ctx, tx, by, Revoked, sessionID)
	})
}

func recordOwn(
	ctx context.Context, tx *database.Tx, by principal.User, t event.Type[event.None], sessionID ID,
) error {
	entry := event.Entry{Actor: by.Actor, Account: by.Account.ID, Resource: sessionID.Any()}
	return event.Record(ctx, tx, t, entry, event.None{})
}

func endEvery(ctx context.Context, tx *database.Tx, by principal.User, reason EndReason) (int, error) {
	who, err := lock(ctx, tx, by.UserID)
	if err != nil {
		return 0, err
	}
	n, err := endEach(ctx, tx, `user_id = $2`, by.UserID)
	if err != nil {
		return 0, err
	}
	return n[scope.AccountID{}], recordEnded(ctx, tx, by.Actor, who.User(), n, reason)
}

// end ends the live sessions that match; the condition begins at $2.
func end(ctx context.Context, tx *database.Tx, condition string, args ...any) (int, error) {
	n, err := endEach(ctx, tx, condition, args...)
	return n[scope.AccountID{}], err
}

// counts are numbers of sessions by Account; the zero id has all.
type counts map[scope.AccountID]int

// endEach is end, told by Account.
func endEach(ctx context.Context, tx *database.Tx, condition string, args ...any) (counts, error) {
	n, owners := counts{}, map[portaluser.ID]bool{}
	err := tx.Query(ctx, func(row database.Scanner) error {
		var in scope.AccountID
		var who portaluser.ID
		err := row.Scan(&in, &who)
		n[in]++
		n[scope.AccountID{}]++
		owners[who] = true
		return err
	}, updateEnded+condition+` RETURNING account_id, user_id`, append([]any{tx.Now}, args...)...)
	for who := range owners {
		if err == nil {
			err = raise(ctx, tx, who)
		}
	}
	return n, err
}

func recordEnded(
	ctx context.Context, tx *database.Tx, by principal.Actor, u portaluser.User, n counts, reason EndReason,
) error {
	return portaluser.RecordEach(ctx, tx, by, u, AllRevoked, func(in scope.AccountID) AllRevokedPayload {
		return AllRevokedPayload{Count: n[in], Reason: reason}
	})
}

// EndInAccount ends a person's sessions that are bound to one Account. Event, if
// any ended: session.all_revoked.
func EndInAccount(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.AccountID, who portaluser.Locked, reason EndReason,
) error {
	userID := who.User().ID
	n, err := end(ctx, tx, `account_id = $2 AND user_id = $3`, in, userID)
	if err != nil || n == 0 {
		return err
	}
	entry := event.Entry{Actor: by, Account: in, Resource: userID.Any()}
	return event.Record(ctx, tx, AllRevoked, entry, AllRevokedPayload{Count: n, Reason: reason})
}

// EndForPassword ends what an old password had made possible: all of the person's
// sessions but the one to keep, if any, and every pre-auth token. Event:
// session.all_revoked; where one is kept, only if others ended.
func EndForPassword(
	ctx context.Context, tx *database.Tx, by principal.Actor, who portaluser.Locked, keep ID, reason EndReason,
) error {
	u := who.User()
	if _, err := tx.Exec(ctx, spendAllPreAuth, tx.Now, u.ID); err != nil {
		return err
	}
	n, err := endEach(ctx, tx, `user_id = $2 AND id <> $3`, u.ID, keep.String())
	if err != nil || n[scope.AccountID{}] == 0 && !keep.IsZero() {
		return err
	}
	return recordEnded(ctx, tx, by, u, n, reason)
}

// Sweep deletes what ended long ago.
func (s *Service) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		before := tx.Now.Add(-keepEnded)
		for _, statement := range []string{
			`DELETE FROM portal_session WHERE ended_at < $1 OR ends_at < $1`,
			`DELETE FROM pre_auth WHERE expires_at < $1`,
		} {
			if _, err := tx.Exec(ctx, statement, before); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, deleteSuccessors, tx.Now.Add(-repeatWithin))
		return err
	})
}
