package portaluser

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// The lock: this many wrong passwords in a run close sign-in for this long.
const (
	lockAfter = 10
	lockFor   = 15 * time.Minute
)

// Guard checks passwords. Every place that takes one goes through it, so that
// guesses count wherever they are made. It is safe for concurrent use.
type Guard struct {
	DB     *database.DB
	Hasher *secret.Hasher
	Limits *ratelimit.Limiter
}

func pair(ctx context.Context, email string) string { return principal.From(ctx).IP + " " + email }

// Throttled is ErrTooManyAttempts while the caller's IP, alone or together with
// the address, has too many failures; also before a right password. One audit
// row a window tells of it.
func (g *Guard) Throttled(ctx context.Context, email string) error {
	err := g.Limits.Check(ctx, ratelimit.SignIn, pair(ctx, email))
	if err == nil {
		err = g.Limits.Check(ctx, ratelimit.SignInIP, principal.From(ctx).IP)
	}
	f := fault.As(err)
	if f == nil || f.Quota == nil {
		return err
	}
	return ErrTooManyAttempts.WithQuota(*f.Quota)
}

// Matches compares a password with a user's hash, or with a dummy where there is
// no user, which takes as long.
func (g *Guard) Matches(ctx context.Context, u *User, password string) (ok, outdated bool, err error) {
	hash := g.Hasher.Dummy()
	if u != nil {
		hash = u.PasswordHash
	}
	ok, outdated, err = g.Hasher.Verify(ctx, hash, password)
	return ok && u != nil, outdated, err
}

// Failed counts a wrong password for the pair, the IP and the user's run, whose
// tenth locks, and writes the audit rows of e and of the lock. u may be nil.
func (g *Guard) Failed(ctx context.Context, u *User, email string, e audit.Entry) error {
	return database.Do(ctx, g.DB, func(tx *database.Tx) error {
		count, err := g.Limits.Fail(ctx, tx, ratelimit.SignIn, pair(ctx, email))
		if err != nil {
			return err
		}
		if _, err := g.Limits.Fail(ctx, tx, ratelimit.SignInIP, principal.From(ctx).IP); err != nil {
			return err
		}
		if u != nil {
			if err := g.lengthenRun(ctx, tx, u); err != nil {
				return err
			}
		}
		if err := AuditPerson(ctx, tx, u, e); err != nil {
			return err
		}
		if count != g.Limits.Limit(ratelimit.SignIn) {
			return nil
		}
		// The failure that fills the window stands for all that it will refuse,
		// so that a flood does not fill the log.
		return AuditPerson(ctx, tx, u, audit.Entry{Action: "user.login.failed", Outcome: audit.Failure, Severity: audit.Notice,
			Metadata: audit.Meta{"reason": "throttled", "ip_address": principal.From(ctx).IP}})
	})
}

// lengthenRun is one guarded update, so that parallel guesses all count. Wrong
// passwords during a lock do not prolong it; after it the run starts at 0.
func (g *Guard) lengthenRun(ctx context.Context, tx *database.Tx, u *User) error {
	if _, err := tx.Exec(ctx, `UPDATE portal_user SET wrong_passwords = 0, locked_until = NULL WHERE id = $1 AND locked_until <= $2`, u.ID, tx.Now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `UPDATE portal_user SET wrong_passwords = wrong_passwords + 1 WHERE id = $1 AND locked_until IS NULL`, u.ID); err != nil {
		return err
	}
	until := tx.Now.Add(lockFor)
	n, err := tx.Exec(ctx, `UPDATE portal_user SET locked_until = $1 WHERE id = $2 AND locked_until IS NULL AND wrong_passwords >= $3`, until, u.ID, lockAfter)
	if err != nil || n == 0 {
		return err
	}
	return AuditPerson(ctx, tx, u, audit.Entry{Action: "user.locked", Severity: audit.Warning,
		Metadata: audit.Meta{"locked_until": until.Format(time.RFC3339)}})
}

// Passed starts the counters of the pair and the run at 0 again.
func (g *Guard) Passed(ctx context.Context, tx *database.Tx, u *User) error {
	if err := g.Limits.Reset(ctx, tx, ratelimit.SignIn, pair(ctx, u.Email)); err != nil {
		return err
	}
	if u.WrongPasswords == 0 && u.LockedUntil.IsZero() {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE portal_user SET wrong_passwords = 0, locked_until = NULL WHERE id = $1`, u.ID)
	return err
}
