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
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
)

const resetLife = time.Hour

// Passwords holds the use cases that replace a password. They live with the
// sessions because each of them ends some. It is safe for concurrent use.
type Passwords struct {
	DB    *database.DB
	Guard *portaluser.Guard
	Mail  *mailqueue.Queue
}

// Forgot mails a reset link to a user; earlier links are dead. An address
// without a user gets nothing, and the caller is told nothing: doors answer
// before it runs.
func (p *Passwords) Forgot(ctx context.Context, email string) error {
	return database.Do(ctx, p.DB, func(tx *database.Tx) error {
		u, err := portaluser.ByEmail(ctx, tx, email)
		if err != nil || u == nil {
			return err
		}
		if err := p.Mail.Count(ctx, tx, u.Email); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM password_reset WHERE user_id = $1 AND status = 'live'`, u.ID); err != nil {
			return err
		}
		if err := p.Mail.Drop(ctx, tx, mail.PasswordReset, u.ID); err != nil {
			return err
		}
		token, until := secret.NewToken(), tx.Now.Add(resetLife)
		_, err = tx.Exec(ctx, `INSERT INTO password_reset (id, user_id, token_hash, status, created_at, expires_at) VALUES ($1, $2, $3, 'live', $4, $5)`,
			id.New[id.ID](tx.Now), u.ID, token.Hash(), tx.Now, until)
		if err != nil {
			return err
		}
		err = p.Mail.Add(ctx, tx, mail.Data{Kind: mail.PasswordReset, To: u.Email, FirstName: u.FirstName, Token: token.Reveal(), ExpiresAt: until}, u.ID, token.Hash())
		if err != nil {
			return err
		}
		return portaluser.AuditPerson(ctx, tx, u, audit.Entry{Action: "user.password.reset_requested"})
	})
}

// ResetWanted reports whether a reset link is still live (mailqueue.Handler.Still).
func ResetWanted(ctx context.Context, tx *database.Tx, userID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM password_reset WHERE user_id = $1 AND token_hash = $2 AND status = 'live' AND expires_at > $3`,
		userID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// Reset uses a reset link: one guarded update decides who wins; all sessions and
// pre-auth tokens end, lock and run are cleared. Faults: auth.link_not_found,
// auth.link_expired, auth.link_used, server.busy.
func (p *Passwords) Reset(ctx context.Context, token, password string) error {
	// Nothing is hashed for a link that can't work.
	_, err := database.Read(ctx, p.DB, func(tx *database.Tx) (id.ID, error) { return resetOf(ctx, tx, token) })
	if err != nil {
		return err
	}
	hash, err := p.Guard.Hasher.Hash(ctx, password)
	if err != nil {
		return err
	}
	return database.Do(ctx, p.DB, func(tx *database.Tx) error {
		var userID id.ID
		err := tx.QueryRow(ctx, `UPDATE password_reset SET status = 'used' WHERE token_hash = $1 AND status = 'live' AND expires_at > $2 RETURNING user_id`,
			secret.Hash(token), tx.Now).Scan(&userID)
		if errors.Is(err, database.ErrNoRows) {
			_, err = resetOf(ctx, tx, token)
			if err == nil {
				err = signup.ErrLinkUsed
			}
			return err
		}
		if err != nil {
			return err
		}
		u, err := portaluser.ByID(ctx, tx, userID)
		if err != nil {
			return err
		}
		if won, err := portaluser.SetPassword(ctx, tx, u, hash); err != nil {
			return err
		} else if !won {
			return signup.ErrLinkUsed
		}
		ctx := principal.As(ctx, *u.Principal())
		n, err := end(ctx, tx, `user_id = $2`, u.ID)
		if err != nil {
			return err
		}
		if err := portaluser.AuditPerson(ctx, tx, u, audit.Entry{Action: "user.password.reset", Severity: audit.Notice}); err != nil {
			return err
		}
		if err := allRevoked(ctx, tx, u, n, "password_reset"); err != nil {
			return err
		}
		return p.changed(ctx, tx, u)
	})
}

func resetOf(ctx context.Context, tx *database.Tx, token string) (id.ID, error) {
	var userID id.ID
	var status string
	var expires time.Time
	err := tx.QueryRow(ctx, `SELECT user_id, status, expires_at FROM password_reset WHERE token_hash = $1`, secret.Hash(token)).Scan(&userID, &status, &expires)
	switch {
	case errors.Is(err, database.ErrNoRows):
		return userID, signup.ErrLinkNotFound
	case err != nil:
		return userID, err
	case status != "live":
		return userID, signup.ErrLinkUsed
	case !tx.Now.Before(expires):
		return userID, signup.ErrLinkExpired
	}
	return userID, nil
}

// changed kills what the old password had made possible, and tells the person.
func (p *Passwords) changed(ctx context.Context, tx *database.Tx, u *portaluser.User) error {
	if _, err := tx.Exec(ctx, `UPDATE password_reset SET status = 'used' WHERE user_id = $1 AND status = 'live'`, u.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE pre_auth SET spent_at = $1 WHERE user_id = $2 AND spent_at IS NULL`, tx.Now, u.ID); err != nil {
		return err
	}
	if err := p.Mail.Drop(ctx, tx, mail.PasswordReset, u.ID); err != nil {
		return err
	}
	// The warning goes out whatever the daily limit says: it is not a stranger
	// who asked for it.
	return p.Mail.Add(ctx, tx, mail.Data{Kind: mail.PasswordChanged, To: u.Email, FirstName: u.FirstName, At: tx.Now}, u.ID, "")
}

// ErrSamePassword says that the new password is the present one.
var ErrSamePassword = fault.Validation.WithDetails("new_password must not be the current password")

// Change replaces the caller's password; all other sessions end. Faults:
// auth.invalid_credentials, auth.account_locked, auth.too_many_attempts,
// validation, server.busy.
func (p *Passwords) Change(ctx context.Context, current, next string) error {
	caller := principal.From(ctx).Principal
	if err := p.Guard.Throttled(ctx, caller.Label); err != nil {
		return err
	}
	u, err := database.Read(ctx, p.DB, func(tx *database.Tx) (*portaluser.User, error) { return portaluser.ByID(ctx, tx, caller.ID) })
	if err != nil {
		return err
	}
	ok, _, err := p.Guard.Matches(ctx, u, current)
	if err != nil {
		return err
	}
	if !ok {
		if err := p.Guard.Failed(ctx, u, caller.Label, failed(ctx, "wrong_password")); err != nil {
			return err
		}
		return portaluser.ErrInvalidCredentials
	}
	if u.Locked(p.DB.Now()) {
		return portaluser.ErrLocked
	}
	if current == next {
		return ErrSamePassword
	}
	hash, err := p.Guard.Hasher.Hash(ctx, next)
	if err != nil {
		return err
	}
	return database.Do(ctx, p.DB, func(tx *database.Tx) error {
		won, err := portaluser.SetPassword(ctx, tx, u, hash)
		if err != nil {
			return err
		}
		if !won {
			return portaluser.ErrInvalidCredentials
		}
		if err := p.Guard.Passed(ctx, tx, u); err != nil {
			return err
		}
		n, err := end(ctx, tx, `user_id = $2 AND id <> $3`, u.ID, caller.SessionID)
		if err != nil {
			return err
		}
		if err := portaluser.AuditPerson(ctx, tx, u, audit.Entry{Action: "user.password.changed", Severity: audit.Notice}); err != nil {
			return err
		}
		if n > 0 {
			if err := allRevoked(ctx, tx, u, n, "password_change"); err != nil {
				return err
			}
		}
		return p.changed(ctx, tx, u)
	})
}
