package signup

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// Service holds the use cases of sign-up. It is safe for concurrent use.
type Service struct {
	DB           *database.DB
	Guard        *portaluser.Guard
	Mail         *mailqueue.Queue
	Applications *application.Service
	Closed       bool
	// Errands takes what is asked for by strangers.
	Errands portaluser.Errands
}

// Register keeps a sign-up and mails its link, or keeps a decoy and mails the
// address's user. An address that has had its mails of the day gets none; what is kept
// can be established through any link to it. p is normalised. Faults: auth.sign_up_closed, server.busy.
// Event: user.registration_requested.
func (s *Service) Register(ctx context.Context, by principal.Actor, p Params) (Result, error) {
	if s.Closed {
		return Result{}, ErrClosed
	}
	hash, err := s.Guard.Hash(ctx, by, p.Password)
	if err != nil {
		return Result{}, err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Result, error) {
		user, taken, err := portaluser.ByEmail(ctx, tx, p.Email)
		if err != nil {
			return Result{}, err
		}
		r, token, err := insert(ctx, tx, p, hash, taken)
		if err != nil {
			return Result{}, err
		}
		spare, err := s.Mail.Spare(ctx, tx, ratelimit.MailSignUp, p.Email)
		switch {
		case err != nil || !spare:
		case taken:
			told := mail.Data{Kind: mail.AlreadyRegistered, To: user.Email, FirstName: user.FirstName}
			err = s.Mail.Add(ctx, tx, told, user.ID.Any(), "")
		default:
			link := registration{
				email: p.Email, firstName: p.FirstName, accountName: p.AccountName, applicationName: p.ApplicationName,
			}.mail(token, tx.Now.Add(life))
			err = s.Mail.Add(ctx, tx, link, r.AccountID.Any(), token.Hash())
		}
		if err != nil {
			return Result{}, err
		}
		return r, event.Record(ctx, tx, Requested, event.Entry{Actor: by}, RequestedPayload{r.AccountSlug})
	})
}

// promise gives a sign-up its ids and slugs; the Account's slug is reserved.
func promise(ctx context.Context, tx *database.Tx, p Params) (r Result, err error) {
	r.AccountID = id.New[account.ID](tx.Now)
	r.ApplicationID = id.New[application.ID](tx.Now)
	r.UserID = id.New[portaluser.ID](tx.Now)
	r.ApplicationSlug = text.Slug(p.ApplicationName, "app")
	r.AccountSlug, err = account.ReserveSlug(ctx, tx, r.AccountID, p.AccountName, tx.Now.Add(life))
	return r, err
}

func insert(
	ctx context.Context, tx *database.Tx, p Params, hash string, decoy bool,
) (Result, secret.Token, error) {
	token := secret.NewToken()
	r, err := promise(ctx, tx, p)
	if err != nil {
		return r, token, err
	}
	_, err = tx.Exec(ctx, insertRegistration, id.New[ID](tx.Now), p.Email, r.UserID, r.AccountID, p.AccountName,
		r.ApplicationID, p.ApplicationName, r.ApplicationSlug, p.FirstName, p.LastName, hash, token.Hash(), decoy,
		tx.Now, tx.Now.Add(life))
	return r, token, err
}

// mail is what carries the link of a sign-up.
func (r registration) mail(token secret.Token, until time.Time) mail.Data {
	return mail.Data{
		Kind: mail.VerifyEmail, To: r.email, FirstName: r.firstName, AccountName: r.accountName,
		ApplicationName: r.applicationName, Token: token.Reveal(), ExpiresAt: until,
	}
}

// establish makes everything a proven sign-up promised.
func (s *Service) establish(ctx context.Context, tx *database.Tx, by principal.Actor, r registration) error {
	u, created, err := portaluser.Create(ctx, tx, by, r.account, portaluser.NewParams{
		ID: r.user, Email: r.email, FirstName: r.firstName, LastName: r.lastName, PasswordHash: r.passwordHash,
	})
	if err != nil {
		return err
	}
	if !created {
		return portaluser.ErrLinkUsed
	}
	// What follows is done by the new user, whoever carried the link here.
	by = by.AsUser(u.ID, u.Email)
	if err := account.Create(ctx, tx, by, r.account, r.accountName); err != nil {
		return err
	}
	if _, err := portaluser.Join(ctx, tx, r.account, u.ID, permission.Owner); err != nil {
		return err
	}
	err = s.Applications.Create(ctx, tx, by, application.NewParams{
		ID: r.application, Account: r.account, Name: r.applicationName, Slug: r.applicationSlug,
	})
	if err != nil {
		return err
	}
	return DeletePending(ctx, tx, r.email)
}

// Bootstrap makes an Account and its verified owner without a mail, with the
// effects of Verify. p is normalised. Fault: auth.link_used when the address is a
// user's already.
func (s *Service) Bootstrap(ctx context.Context, by principal.Actor, p Params) (Result, error) {
	hash, err := s.Guard.Hash(ctx, by, p.Password)
	if err != nil {
		return Result{}, err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Result, error) {
		r, err := promise(ctx, tx, p)
		if err != nil {
			return r, err
		}
		return r, s.establish(ctx, tx, by, registration{
			account: r.AccountID, application: r.ApplicationID, user: r.UserID,
			email: p.Email, firstName: p.FirstName, lastName: p.LastName,
			accountName: p.AccountName, applicationName: p.ApplicationName, applicationSlug: r.ApplicationSlug,
			passwordHash: hash,
		})
	})
}

// Sweep deletes sign-ups that ended a week ago.
func (s *Service) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		return release(ctx, tx, deleteEnded, tx.Now.Add(-keepEnded))
	})
}

// DeletePending drops the sign-ups that wait under an address which has become a
// user's, decoys too, and frees their slugs.
func DeletePending(ctx context.Context, tx *database.Tx, email string) error {
	return release(ctx, tx, deletePending, email)
}

// release runs a DELETE and frees the slugs of what it deleted.
func release(ctx context.Context, tx *database.Tx, statement string, args ...any) error {
	deleted, err := database.All(ctx, tx, func(row database.Scanner) (accountID account.ID, err error) {
		return accountID, row.Scan(&accountID)
	}, statement, args...)
	if err != nil {
		return err
	}
	for _, accountID := range deleted {
		if err := account.ReleaseSlug(ctx, tx, accountID); err != nil {
			return err
		}
	}
	return nil
}

// StillWanted reports whether a link's sign-up still waits for it
// (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, accountID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectWanted, accountID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// PendingHash is the password hash of the newest live sign-up or decoy of an
// address, whether its link still works or not; "" when there is none.
func PendingHash(ctx context.Context, tx *database.Tx, email string) (hash string, err error) {
	err = tx.QueryRow(ctx, selectPendingHash, email, tx.Now.Add(-maxLife)).Scan(&hash)
	if errors.Is(err, database.ErrNoRows) {
		return "", nil
	}
	return hash, err
}
