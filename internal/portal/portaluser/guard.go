package portaluser

import (
	"context"
	"time"

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

func pair(by principal.Actor, email string) string { return by.Request.IP + " " + email }

// Throttled is ErrTooManyAttempts while the caller's IP, alone or together with
// the address, has too many failures; also before a right password. Failed has
// recorded it once for the window.
func (g *Guard) Throttled(ctx context.Context, by principal.Actor, email string) error {
	err := g.Limits.Check(ctx, ratelimit.SignIn, pair(by, email))
	if err == nil {
		err = g.Limits.Check(ctx, ratelimit.SignInIP, by.Request.IP)
	}
	f := fault.As(err)
	if f == nil || f.Quota == nil {
		return err
	}
	return ErrTooManyAttempts.WithQuota(*f.Quota)
}

// Matches compares a password with a user's hash, or with a dummy where there is
// no user, which takes as long. outdated says that the hash was made with other
// parameters than the current ones.
func (g *Guard) Matches(ctx context.Context, u User, known bool, password string) (ok, outdated bool, err error) {
	hash := g.Hasher.Dummy()
	if known {
		hash = u.PasswordHash
	}
	ok, outdated, err = g.Hasher.Verify(ctx, hash, password)
	return ok && known, outdated, err
}

// Failed counts a wrong password for the pair, the IP and the user's run, whose
// tenth locks. Events: user.login.failed, user.locked.
func (g *Guard) Failed(ctx context.Context, by principal.Actor, u User, known bool, email string) error {
	reason := UnknownAddress
	if known {
		reason = WrongPassword
	}
	return database.Do(ctx, g.DB, func(tx *database.Tx) error {
		count, err := g.Limits.Fail(ctx, tx, ratelimit.SignIn, pair(by, email))
		if err != nil {
			return err
		}
		if _, err := g.Limits.Fail(ctx, tx, ratelimit.SignInIP, by.Request.IP); err != nil {
			return err
		}
		if known {
			if err := g.lengthenRun(ctx, tx, by, u); err != nil {
				return err
			}
		}
		if err := RecordFailure(ctx, tx, by, u, known, reason); err != nil {
			return err
		}
		if count != g.Limits.Limit(ratelimit.SignIn) {
			return nil
		}
		// The failure that fills the window stands for all that it will refuse,
		// so that a flood does not fill the log.
		return RecordFailure(ctx, tx, by, u, known, Throttled)
	})
}

// lengthenRun is one guarded update, so that parallel guesses all count. Wrong
// passwords during a lock do not prolong it; after it the run starts at 0.
func (g *Guard) lengthenRun(ctx context.Context, tx *database.Tx, by principal.Actor, u User) error {
	if _, err := tx.Exec(ctx, endLock, u.ID, tx.Now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, lengthenRun, u.ID); err != nil {
		return err
	}
	until := tx.Now.Add(lockFor)
	n, err := tx.Exec(ctx, lockUser, until, u.ID, lockAfter)
	if err != nil || n == 0 {
		return err
	}
	return Record(ctx, tx, by, u, SignInLocked, SignInLockedPayload{until.Format(time.RFC3339)})
}

// Passed starts the counters of the pair and the run at 0 again.
func (g *Guard) Passed(ctx context.Context, tx *database.Tx, by principal.Actor, u User) error {
	if err := g.Limits.Reset(ctx, tx, ratelimit.SignIn, pair(by, u.Email)); err != nil {
		return err
	}
	if u.WrongPasswords == 0 && u.LockedUntil.IsZero() {
		return nil
	}
	_, err := tx.Exec(ctx, clearRun, u.ID)
	return err
}
