package credential

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/tenant/account"
)

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct {
	DB        *database.DB
	Passwords *Passwords
	Guard     *Guard
	Mail      *mailqueue.Queue
}

// SetPassword gives somebody a password: sessions, open reset links and trusted devices of the
// old one end, and so does the lock. p is normalised. Faults: identities.not_found,
// validation, identities.password_breached, server.busy. Events: identity.password.admin_set,
// and session.all_revoked if there were sessions.
func (s *Service) SetPassword(
	ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID, p NewPassword,
) error {
	// Nothing is hashed for somebody who is not seen.
	i, err := membership.Read(ctx, s.DB, at, func(tx *database.Tx) (enduser.Identity, error) {
		return at.Find(ctx, tx, who)
	})
	if err != nil {
		return err
	}
	if text.IsOwnAddress(p.Password, i.Email) {
		return fault.Validation.WithDetails("password must not be the address or what stands before its @")
	}
	hash, err := s.Passwords.Hash(ctx, by, p.Password)
	if err != nil {
		return err
	}
	return s.change(ctx, by, at, who, func(tx *database.Tx, i enduser.Identity, about event.Entry) error {
		if err := s.replace(ctx, tx, i, hash); err != nil {
			return err
		}
		if err := s.kill(ctx, tx, i, toReset); err != nil {
			return err
		}
		if _, err := mfa.ForgetDevices(ctx, tx, i); err != nil {
			return err
		}
		if err := event.Record(ctx, tx, PasswordSet, about, event.None{}); err != nil {
			return err
		}
		if _, err := identitysession.EndAll(ctx, tx, by, i, identitysession.PasswordSet); err != nil {
			return err
		}
		return s.Guard.Unlock(ctx, tx, i)
	})
}

// change runs fn with a person, whom it holds, and an event about the person.
func (s *Service) change(
	ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID,
	fn func(tx *database.Tx, i enduser.Identity, about event.Entry) error,
) error {
	_, err := membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (none struct{}, err error) {
		i, err := at.Hold(ctx, tx, who)
		if err != nil {
			return none, err
		}
		about, err := at.Entry(ctx, tx, by, i)
		if err != nil {
			return none, err
		}
		return none, fn(tx, i, about)
	})
	return err
}

// replace keeps a new hash; the old one goes to those that were replaced, of which the newest
// are remembered, or none where there is no history.
func (s *Service) replace(ctx context.Context, tx *database.Tx, i enduser.Identity, hash string) error {
	keep := 0
	if s.Passwords.History > 0 {
		keep = keepPasswords
	}
	if i.PasswordSet() && keep > 0 {
		_, err := tx.Exec(ctx, insertPassword, id.New[passwordID](tx.Now), i.Account, i.ID, i.PasswordHash, tx.Now)
		if err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, trimPasswords, i.Account, i.ID, keep); err != nil {
		return err
	}
	return enduser.SetPassword(ctx, tx, i, hash)
}

// RequestReset mails somebody a link to choose a new password; earlier links die. Faults:
// identities.not_found, identities.inactive, rate_limit.exceeded. Event:
// identity.password.admin_reset_requested.
func (s *Service) RequestReset(ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID) error {
	return s.change(ctx, by, at, who, func(tx *database.Tx, i enduser.Identity, about event.Entry) error {
		if !i.Active {
			return ErrInactive
		}
		if err := s.send(ctx, tx, i, toReset); err != nil {
			return err
		}
		return event.Record(ctx, tx, ResetRequested, about, event.None{})
	})
}

// ResendVerification mails somebody a link that proves the address; earlier links die. Faults:
// identities.not_found, identities.already_verified, rate_limit.exceeded. Event:
// identity.verification.admin_resent.
func (s *Service) ResendVerification(
	ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID,
) error {
	return s.change(ctx, by, at, who, func(tx *database.Tx, i enduser.Identity, about event.Entry) error {
		if i.EmailVerified() {
			return ErrAlreadyVerified
		}
		if err := s.send(ctx, tx, i, toVerify); err != nil {
			return err
		}
		return event.Record(ctx, tx, VerificationResent, about, event.None{})
	})
}

// VerifyEmail has an administrator vouch for somebody's address; again it writes nothing.
// Fault: identities.not_found. Event: identity.email.admin_verified.
func (s *Service) VerifyEmail(ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID) error {
	return s.change(ctx, by, at, who, func(tx *database.Tx, i enduser.Identity, about event.Entry) error {
		if i.EmailVerified() {
			return nil
		}
		if err := enduser.SetVerified(ctx, tx, i); err != nil {
			return err
		}
		if err := s.kill(ctx, tx, i, toVerify); err != nil {
			return err
		}
		return event.Record(ctx, tx, EmailVerified, about, EmailPayload{i.Email})
	})
}

// send makes the one live link of a purpose and queues the mail with it.
func (s *Service) send(ctx context.Context, tx *database.Tx, i enduser.Identity, p purpose) error {
	if err := s.Mail.Count(ctx, tx, i.Account, i.Email); err != nil {
		return err
	}
	if err := s.kill(ctx, tx, i, p); err != nil {
		return err
	}
	acc, err := account.Find(ctx, tx, i.Account)
	if err != nil {
		return err
	}
	token, until := secret.NewToken(), tx.Now.Add(p.life())
	_, err = tx.Exec(ctx, insertLink, id.New[linkID](tx.Now), i.Account, i.ID, string(p), token.Hash(), tx.Now, until)
	if err != nil {
		return err
	}
	return s.Mail.Add(ctx, tx, mail.Data{
		Kind: p.mail(), To: i.Email, FirstName: i.FirstName, AccountName: acc.Name, Token: token.Reveal(), ExpiresAt: until,
	}, i.ID.Any(), token.Hash())
}

// kill ends the live link of a purpose, and takes its mail back.
func (s *Service) kill(ctx context.Context, tx *database.Tx, i enduser.Identity, p purpose) error {
	if _, err := tx.Exec(ctx, killLinks, i.Account, i.ID, string(p)); err != nil {
		return err
	}
	return s.Mail.Drop(ctx, tx, p.mail(), i.ID.Any())
}

// Forget deletes what is kept of a person, and takes queued mails back.
func (s *Service) Forget(ctx context.Context, tx *database.Tx, who enduser.Identity) error {
	for _, p := range []purpose{toReset, toVerify} {
		if err := s.Mail.Drop(ctx, tx, p.mail(), who.ID.Any()); err != nil {
			return err
		}
	}
	for _, statement := range []string{deleteLinks, deletePasswords} {
		if _, err := tx.Exec(ctx, statement, who.Account, who.ID); err != nil {
			return err
		}
	}
	return nil
}

// StillWanted reports whether a queued mail's link is live (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, who id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, countWanted, who, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// Sweep removes links that ended a week ago, in small pieces.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		n, err := database.Write(ctx, s.DB, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, sweepLinks, tx.Now.Add(-keepEnded))
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
