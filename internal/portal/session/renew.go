package session

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// The faults of renewing and ending sessions.
var (
	ErrRevoked  = fault.New(fault.Unauthenticated, "auth.session_revoked", "This session has ended, sign in again")
	ErrConflict = fault.New(fault.Conflict, "auth.refresh_conflict", "The session was renewed by another call just now").WithRetryAfter(time.Second)
	ErrNotFound = fault.New(fault.NotFound, "auth.session_not_found", "Session not found")
)

// Refresh renews a session: one guarded update swaps the refresh token, so of
// many calls with one token one is answered. Faults: auth.invalid_token and
// auth.session_revoked, both of which clear the cookie, auth.refresh_conflict.
func (s *Service) Refresh(ctx context.Context, token string) (*Bound, error) {
	hash := secret.Hash(token)
	b, err := database.Write(ctx, s.DB, func(tx *database.Tx) (*Bound, error) {
		next := secret.NewToken()
		st, err := s.rotate(ctx, tx, hash, next)
		if err != nil {
			return nil, err
		}
		u, m, app, err := s.still(ctx, tx, st)
		if err != nil {
			return nil, err
		}
		b := s.bound(tx, st, u, m, app)
		b.Refresh = next
		if app.ID != st.applicationID {
			if _, err := tx.Exec(ctx, `UPDATE portal_session SET application_id = $1 WHERE id = $2`, app.ID, st.id); err != nil {
				return nil, err
			}
		}
		err = audit.Write(ctx, tx, audit.Entry{AccountID: m.AccountID, ApplicationID: app.ID, Action: "user.session.refreshed", Category: "auth",
			ResourceType: "session", ResourceID: st.id, Hidden: true, Actor: u.Principal()})
		if err != nil {
			return nil, err
		}
		return b, s.sign(tx, st, b)
	})
	if !errors.Is(err, database.ErrNoRows) {
		return b, err
	}
	return nil, s.whyNot(ctx, hash)
}

// rotate swaps the refresh token of a live session; ErrNoRows when the token is
// not the session's present one, or the session is over.
func (s *Service) rotate(ctx context.Context, tx *database.Tx, hash string, next secret.Token) (state, error) {
	st := state{}
	until := tx.Now.Add(s.RefreshTTL)
	err := tx.QueryRow(ctx, `UPDATE portal_session SET refresh_hash = $1, last_used_at = $2, expires_at = CASE WHEN ends_at < $3 THEN ends_at ELSE $3 END
		WHERE refresh_hash = $4 AND ended_at IS NULL AND expires_at > $2
		RETURNING id, user_id, account_id, application_id, include_permissions, created_at, ends_at`, next.Hash(), tx.Now, until, hash).
		Scan(&st.id, &st.userID, &st.accountID, &st.applicationID, &st.permissions, &st.createdAt, &st.endsAt)
	if err != nil {
		return st, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO portal_session_used (token_hash, session_id, used_at) VALUES ($1, $2, $3)`, hash, st.id, tx.Now)
	return st, err
}

// still looks whether the session's person may go on; a session whose
// Application is gone moves to the Account's oldest one.
func (s *Service) still(ctx context.Context, tx *database.Tx, st state) (*portaluser.User, account.Membership, application.Application, error) {
	var app application.Application
	m, is, err := account.MembershipOf(ctx, tx, st.accountID, st.userID)
	if err != nil {
		return nil, m, app, err
	}
	if !is || !m.Active {
		return nil, m, app, ErrRevoked.WithCookieCleared()
	}
	u, err := portaluser.ByID(ctx, tx, st.userID)
	if err != nil {
		return nil, m, app, err
	}
	if app, err = application.Find(ctx, tx, st.applicationID); errors.Is(err, application.ErrNotFound) {
		var apps []application.Application
		if apps, err = application.Of(ctx, tx, st.accountID); err == nil && len(apps) > 0 {
			app = apps[0]
		}
	}
	return u, m, app, err
}

// whyNot explains a refresh token that renews nothing, and ends the session of
// one that was used before.
func (s *Service) whyNot(ctx context.Context, hash string) error {
	verdict, err := database.Write(ctx, s.DB, func(tx *database.Tx) (error, error) {
		var sessionID, userID, accountID id.ID
		var usedAt, endedAt *time.Time
		err := tx.QueryRow(ctx, `SELECT s.id, s.user_id, s.account_id, u.used_at, s.ended_at FROM portal_session_used u
			JOIN portal_session s ON s.id = u.session_id WHERE u.token_hash = $1`, hash).Scan(&sessionID, &userID, &accountID, &usedAt, &endedAt)
		if errors.Is(err, database.ErrNoRows) {
			err = tx.QueryRow(ctx, `SELECT id, user_id, account_id, ended_at FROM portal_session WHERE refresh_hash = $1`, hash).
				Scan(&sessionID, &userID, &accountID, &endedAt)
			if errors.Is(err, database.ErrNoRows) || err == nil && endedAt == nil {
				return signingkey.ErrInvalidToken.WithCookieCleared(), nil
			}
		}
		switch {
		case err != nil:
			return nil, err
		case endedAt != nil || usedAt == nil:
			return ErrRevoked.WithCookieCleared(), nil
		case tx.Now.Sub(*usedAt) < conflictWithin:
			return ErrConflict, nil
		}
		if _, err := end(ctx, tx, `id = $2`, sessionID); err != nil {
			return nil, err
		}
		return ErrRevoked.WithCookieCleared(), audit.Write(ctx, tx, audit.Entry{AccountID: accountID, Action: "user.session.reuse_detected",
			Category: "auth", ResourceType: "session", ResourceID: sessionID, Outcome: audit.Denied, Severity: audit.Critical,
			Metadata: audit.Meta{"ip_address": principal.From(ctx).IP}})
	})
	if err != nil {
		return err
	}
	return verdict
}

// end ends the live sessions that match; where begins at $2.
func end(ctx context.Context, tx *database.Tx, where string, args ...any) (int, error) {
	n, err := tx.Exec(ctx, `UPDATE portal_session SET ended_at = $1 WHERE ended_at IS NULL AND ends_at > $1 AND `+where, append([]any{tx.Now}, args...)...)
	return int(n), err
}

// EndInAccount ends a person's sessions that are bound to one Account and tells
// how many. Audit, if any ended: session.all_revoked with the reason.
func EndInAccount(ctx context.Context, tx *database.Tx, accountID, userID id.ID, reason string) error {
	n, err := end(ctx, tx, `account_id = $2 AND user_id = $3`, accountID, userID)
	if err != nil || n == 0 {
		return err
	}
	return audit.Write(ctx, tx, audit.Entry{AccountID: accountID, Action: "session.all_revoked", Category: "admin_user", ResourceType: "user",
		ResourceID: userID, Metadata: audit.Meta{"revoked_count": n, "reason": reason}})
}

func allRevoked(ctx context.Context, tx *database.Tx, u *portaluser.User, n int, reason string) error {
	return portaluser.AuditPerson(ctx, tx, u, audit.Entry{Action: "session.all_revoked", Metadata: audit.Meta{"revoked_count": n, "reason": reason}})
}

// Switch rebinds the caller's session to another Application, of any Account in
// which the caller is active. Fault: applications.not_found.
func (s *Service) Switch(ctx context.Context, applicationID id.ID) (*Bound, error) {
	caller := principal.From(ctx).Principal
	return database.Write(ctx, s.DB, func(tx *database.Tx) (*Bound, error) {
		u, m, app, err := s.enter(ctx, tx, caller.ID, applicationID)
		if err != nil {
			return nil, err
		}
		var before string
		err = tx.QueryRow(ctx, `SELECT refresh_hash FROM portal_session WHERE id = $1 AND user_id = $2 AND ended_at IS NULL`, caller.SessionID, u.ID).Scan(&before)
		if errors.Is(err, database.ErrNoRows) {
			return nil, signingkey.ErrInvalidToken
		}
		if err != nil {
			return nil, err
		}
		next := secret.NewToken()
		st, err := s.rotate(ctx, tx, before, next)
		if errors.Is(err, database.ErrNoRows) { // renewed or ended between the two statements
			return nil, ErrConflict
		}
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `UPDATE portal_session SET account_id = $1, application_id = $2 WHERE id = $3`, m.AccountID, app.ID, st.id); err != nil {
			return nil, err
		}
		for i, in := range []id.ID{st.accountID, m.AccountID} {
			if i == 1 && in == st.accountID {
				break
			}
			err := audit.Write(ctx, tx, audit.Entry{AccountID: in, Action: "user.application_switched", Category: "auth", ResourceType: "user",
				ResourceID: u.ID, ResourceLabel: u.Email, Metadata: switched(in, st, m, app)})
			if err != nil {
				return nil, err
			}
		}
		b := s.bound(tx, st, u, m, app)
		b.Refresh = next
		return b, s.sign(tx, st, b)
	})
}

// switched names only what is the Account's own: one Account never learns from
// its rows that others exist.
func switched(in id.ID, st state, m account.Membership, app application.Application) audit.Meta {
	meta := audit.Meta{"from_application_id": nil, "to_application_id": nil}
	if in == st.accountID {
		meta["from_application_id"] = st.applicationID.String()
	}
	if in == m.AccountID {
		meta["to_application_id"] = app.ID.String()
	}
	return meta
}

// Logout ends the caller's session, or all of them, and tells how many.
func (s *Service) Logout(ctx context.Context, all bool) (int, error) {
	caller := principal.From(ctx).Principal
	return database.Write(ctx, s.DB, func(tx *database.Tx) (int, error) {
		if all {
			return s.endAll(ctx, tx, caller.ID, "logout")
		}
		n, err := end(ctx, tx, `id = $2 AND user_id = $3`, caller.SessionID, caller.ID)
		if err != nil {
			return n, err
		}
		return n, audit.Write(ctx, tx, audit.Entry{AccountID: caller.AccountID, Action: "user.logout", Category: "auth", ResourceType: "session", ResourceID: caller.SessionID})
	})
}

// RevokeAll ends every session of the caller.
func (s *Service) RevokeAll(ctx context.Context) error {
	caller := principal.From(ctx).Principal
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := s.endAll(ctx, tx, caller.ID, "user_request")
		return err
	})
}

func (s *Service) endAll(ctx context.Context, tx *database.Tx, userID id.ID, reason string) (int, error) {
	n, err := end(ctx, tx, `user_id = $2`, userID)
	if err != nil {
		return n, err
	}
	u, err := portaluser.ByID(ctx, tx, userID)
	if err != nil {
		return n, err
	}
	return n, allRevoked(ctx, tx, u, n, reason)
}

// Revoke ends one of the caller's sessions. Fault: auth.session_not_found.
func (s *Service) Revoke(ctx context.Context, sessionID id.ID) error {
	caller := principal.From(ctx).Principal
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		n, err := end(ctx, tx, `id = $2 AND user_id = $3 AND expires_at > $1`, sessionID, caller.ID)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		return audit.Write(ctx, tx, audit.Entry{AccountID: caller.AccountID, Action: "user.session.revoked", Category: "auth", ResourceType: "session", ResourceID: sessionID})
	})
}

// Sweep deletes what ended long ago.
func (s *Service) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		before := tx.Now.Add(-7 * 24 * time.Hour)
		for _, q := range []string{
			`DELETE FROM portal_session WHERE ended_at < $1 OR ends_at < $1`,
			`DELETE FROM pre_auth WHERE expires_at < $1`,
			`DELETE FROM password_reset WHERE expires_at < $1`,
		} {
			if _, err := tx.Exec(ctx, q, before); err != nil {
				return err
			}
		}
		return nil
	})
}
