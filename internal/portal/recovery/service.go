package recovery

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
)

// Service holds the use cases that replace a password. It is safe for concurrent
// use.
type Service struct {
	DB    *database.DB
	Guard *portaluser.Guard
	Mail  *mailqueue.Queue
	// Errands takes what is asked for by strangers.
	Errands portaluser.Errands
}

// ForgotKind is the kind of the jobs that Ask queues, for the worker.
const ForgotKind = "forgot_password"

// Ask notes that somebody has forgotten the password of an address, known or not;
// Forgot follows. It is counted by the caller's IP and for the address there, or, in a
// browser that the person is known in, by that browser alone: so no stranger uses up what
// the person may ask for. Faults: rate_limit.exceeded, server.busy.
func (s *Service) Ask(ctx context.Context, by principal.Actor, email string) error {
	return s.Errands.Leave(ctx, ForgotKind, by, email, func(ctx context.Context, tx *database.Tx) error {
		known, err := portaluser.KnownIn(ctx, tx, by, email)
		if err != nil {
			return err
		}
		ip := by.Request.Network
		pair := ip + " " + email
		if known {
			ip, pair = ofBrowser(by), ofBrowser(by)
		}
		if err := s.Guard.Limits.Count(ctx, tx, ratelimit.RecoverIP, ip); err != nil {
			return err
		}
		return s.Guard.Limits.Count(ctx, tx, ratelimit.Recover, pair)
	})
}

// ofBrowser is what is counted by instead of IP and address.
func ofBrowser(by principal.Actor) string { return "browser " + by.Request.Browser }

// Forgot mails a reset link to a user; earlier links are dead. An address without a user
// gets nothing, nor does one that has had its mails of the day, whose earlier link stays
// good: the same rows are written then, of a link that nobody is told and a mail to
// nobody. So the time of other writes doesn't tell either. It is what an errand of
// ForgotKind does. Event: user.password.reset_requested; without a mail a failure about
// nobody.
func (s *Service) Forgot(ctx context.Context, tx *database.Tx, by principal.Actor, email string) error {
	if err := s.Mail.Room(ctx, tx); err != nil {
		return err
	}
	own, err := portaluser.KnownIn(ctx, tx, by, email)
	if err != nil {
		return err
	}
	counted := email
	if own {
		counted = ofBrowser(by)
	}
	spare, err := s.Mail.Spare(ctx, tx, ratelimit.MailRecover, counted)
	if err != nil {
		return err
	}
	u, known, err := portaluser.ByEmail(ctx, tx, email)
	if err != nil {
		return err
	}
	subject, add, told := u.ID.Any(), s.Mail.Add, Requested
	if !known || !spare {
		u, subject, add = portaluser.User{}, mailqueue.Nobody(email), s.Mail.AddNobody
		told.Outcome = event.Failure
	}
	token, until := secret.NewToken(), tx.Now.Add(life)
	// Of several at once the last one's link lives: it waits here for the others.
	if _, err := tx.Exec(ctx, upsertLive, id.New[ID](tx.Now), subject, token.Hash(), tx.Now, until); err != nil {
		return err
	}
	if err := s.Mail.Drop(ctx, tx, mail.PasswordReset, subject); err != nil {
		return err
	}
	link := mail.Data{
		Kind: mail.PasswordReset, To: u.Email, FirstName: u.FirstName, Token: token.Reveal(), ExpiresAt: until,
	}
	if err := add(ctx, tx, link, subject, token.Hash()); err != nil {
		return err
	}
	return portaluser.Record(ctx, tx, by, u, told, event.None{})
}

// StillWanted reports whether a reset link is still live (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, userID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectWanted, userID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// Reset uses a reset link: one guarded update decides who wins; all sessions and
// pre-auth tokens end, lock and run are cleared, and only the browser of the call is known
// from now on, by the token that is given. p is normalised. Faults:
// auth.link_not_found, auth.link_expired, auth.link_used, server.busy. Events:
// user.password.reset, session.all_revoked.
func (s *Service) Reset(ctx context.Context, by principal.Actor, p NewPassword) (browser secret.Token, err error) {
	// Nothing is hashed for a link that can't work.
	err = database.View(ctx, s.DB, func(tx *database.Tx) error { return works(ctx, tx, p.Token) })
	if err != nil {
		return browser, err
	}
	hash, err := s.Guard.Hash(ctx, by, p.Password)
	if err != nil {
		return browser, err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (browser secret.Token, err error) {
		u, err := use(ctx, tx, p.Token)
		if err != nil {
			return browser, err
		}
		who, won, err := portaluser.SetPassword(ctx, tx, u, hash)
		if err != nil {
			return browser, err
		}
		if !won {
			return browser, portaluser.ErrLinkUsed
		}
		if err := s.Guard.Unlock(ctx, tx, u.Email); err != nil {
			return browser, err
		}
		by := by.AsUser(u.ID, u.Email)
		if err := portaluser.Record(ctx, tx, by, u, Reset, event.None{}); err != nil {
			return browser, err
		}
		if err := session.EndForPassword(ctx, tx, by, who, session.ID{}, session.PasswordReset); err != nil {
			return browser, err
		}
		return s.replaced(ctx, tx, by, who)
	})
}

// use spends a link and gives its user.
func use(ctx context.Context, tx *database.Tx, token string) (u portaluser.User, err error) {
	var userID portaluser.ID
	err = tx.QueryRow(ctx, updateUsed, secret.Hash(token), tx.Now).Scan(&userID)
	if errors.Is(err, database.ErrNoRows) {
		if err = works(ctx, tx, token); err == nil {
			err = portaluser.ErrLinkUsed
		}
		return u, err
	}
	if err != nil {
		return u, err
	}
	u, is, err := portaluser.ByID(ctx, tx, userID)
	if err == nil && !is {
		err = portaluser.ErrLinkNotFound
	}
	return u, err
}

// works is nil for a link that can be used now, else it says why it can't.
func works(ctx context.Context, tx *database.Tx, token string) error {
	var status string
	var expires time.Time
	err := tx.QueryRow(ctx, selectReset, secret.Hash(token)).Scan(&status, &expires)
	switch {
	case errors.Is(err, database.ErrNoRows):
		return portaluser.ErrLinkNotFound
	case err != nil:
		return err
	case status != "live":
		return portaluser.ErrLinkUsed
	case !tx.Now.Before(expires):
		return portaluser.ErrLinkExpired
	}
	return nil
}

// replaced kills the links to the old password, tells the person, and remembers the
// browser.
func (s *Service) replaced(
	ctx context.Context, tx *database.Tx, by principal.Actor, who portaluser.Locked,
) (browser secret.Token, err error) {
	u := who.User()
	if _, err := tx.Exec(ctx, updateAllUsed, u.ID); err != nil {
		return browser, err
	}
	if err := s.Mail.Drop(ctx, tx, mail.PasswordReset, u.ID.Any()); err != nil {
		return browser, err
	}
	// The warning goes out whatever the daily limit says: it is not a stranger
	// who asked for it.
	told := mail.Data{Kind: mail.PasswordChanged, To: u.Email, FirstName: u.FirstName, At: tx.Now}
	if err := s.Mail.Add(ctx, tx, told, u.ID.Any(), ""); err != nil {
		return browser, err
	}
	return portaluser.Remember(ctx, tx, by, who)
}

// Change replaces the caller's password; all other sessions end, and only the browser of
// the call is known from now on, by the token that is given. c is normalised.
// Faults: auth.invalid_credentials, auth.too_many_attempts, validation,
// server.busy. Events: user.password.changed, session.all_revoked,
// user.login.failed, user.locked.
func (s *Service) Change(
	ctx context.Context, by principal.User, c PasswordChange,
) (browser secret.Token, err error) {
	attempt, err := s.Guard.Begin(ctx, by.Actor, by.Email)
	if err != nil {
		return browser, err
	}
	defer attempt.Close(ctx)
	u, err := database.Read(ctx, s.DB, func(tx *database.Tx) (portaluser.User, error) {
		return portaluser.Find(ctx, tx, by.UserID)
	})
	if err != nil {
		return browser, err
	}
	which, _, err := attempt.Judge(ctx, c.Current, u.PasswordHash)
	switch {
	case err != nil:
		return browser, err
	case which < 0:
		if err := attempt.Wrong(ctx, u, true); err != nil {
			return browser, err
		}
		return browser, portaluser.ErrInvalidCredentials
	case c.Current == c.New:
		return browser, ErrSamePassword
	}
	hash, err := s.Guard.Hash(ctx, by.Actor, c.New)
	if err != nil {
		return browser, err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (browser secret.Token, err error) {
		who, won, err := portaluser.SetPassword(ctx, tx, u, hash)
		if err != nil {
			return browser, err
		}
		if !won {
			return browser, portaluser.ErrInvalidCredentials
		}
		if err := portaluser.Record(ctx, tx, by.Actor, u, Changed, event.None{}); err != nil {
			return browser, err
		}
		if err := session.EndForPassword(ctx, tx, by.Actor, who, by.SessionID, session.PasswordChange); err != nil {
			return browser, err
		}
		if browser, err = s.replaced(ctx, tx, by.Actor, who); err != nil {
			return browser, err
		}
		return browser, attempt.Right(ctx, tx)
	})
}

// Sweep deletes links that ended a week ago.
func (s *Service) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, deleteEnded, tx.Now.Add(-keepEnded))
		return err
	})
}
