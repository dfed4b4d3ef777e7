// Package signup owns sign-ups that wait for their mailed link: the table
// registration, and with it every reserved slug. It turns a used link into a
// user, an Account and an Application.
//
// For an address that is taken a decoy is kept: same row, same life, same
// answers, same work, but no link leads to it. So nothing tells a stranger
// whether an address is taken.
//
//	Register ──► pending ──verify──► used
//	                │ └──24 h, resend: again, ≤ 72 h──► expired ──► swept
//	                └──same address verified elsewhere──► deleted
package signup

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

const (
	life    = 24 * time.Hour
	maxLife = 72 * time.Hour
	// An ended row is kept for a while, so that its link is told to be too old
	// and not unknown.
	keepEnded = 7 * 24 * time.Hour
)

// The faults of sign-up, and of mailed links.
var (
	ErrClosed       = fault.New(fault.Forbidden, "auth.sign_up_closed", "Sign-up is closed on this server")
	ErrLinkNotFound = fault.New(fault.NotFound, "auth.link_not_found", "This link is not valid")
	ErrLinkExpired  = fault.New(fault.Gone, "auth.link_expired", "This link has expired")
	ErrLinkUsed     = fault.New(fault.Gone, "auth.link_used", "This link has already been used")
)

// Service holds the use cases of sign-up. It is safe for concurrent use.
type Service struct {
	DB     *database.DB
	Hasher *secret.Hasher
	Mail   *mailqueue.Queue
	Closed bool
}

// Params is what a sign-up brings, checked by the door.
type Params struct {
	Email, Password, FirstName, LastName, AccountName, ApplicationName string
}

// Result is what a sign-up is told; every id and slug will be those of the real
// things once the address is proven.
type Result struct {
	AccountID, ApplicationID, UserID id.ID
	AccountSlug, ApplicationSlug     string
}

// Register keeps a sign-up and mails its link, or keeps a decoy and mails the
// address's user. Faults: auth.sign_up_closed, server.busy.
func (s *Service) Register(ctx context.Context, p Params) (Result, error) {
	if s.Closed {
		return Result{}, ErrClosed
	}
	hash, err := s.Hasher.Hash(ctx, p.Password)
	if err != nil {
		return Result{}, err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Result, error) {
		user, err := portaluser.ByEmail(ctx, tx, p.Email)
		if err != nil {
			return Result{}, err
		}
		r, token, err := keep(ctx, tx, p, hash, user != nil)
		if err != nil {
			return Result{}, err
		}
		if err := s.Mail.Count(ctx, tx, p.Email); err != nil {
			return Result{}, err
		}
		if user != nil {
			err = s.Mail.Add(ctx, tx, mail.Data{Kind: mail.AlreadyRegistered, To: user.Email, FirstName: user.FirstName}, user.ID, "")
		} else {
			err = s.mailLink(ctx, tx, p, r, token)
		}
		if err != nil {
			return Result{}, err
		}
		return r, audit.Write(ctx, tx, audit.Entry{Action: "user.registration_requested", Category: "auth",
			Metadata: audit.Meta{"account_slug": r.AccountSlug}, Hidden: true})
	})
}

func keep(ctx context.Context, tx *database.Tx, p Params, hash string, decoy bool) (Result, secret.Token, error) {
	r := Result{AccountID: id.New[id.ID](tx.Now), ApplicationID: id.New[id.ID](tx.Now), UserID: id.New[id.ID](tx.Now),
		ApplicationSlug: text.Slug(p.ApplicationName, "app")}
	token := secret.NewToken()
	var err error
	if r.AccountSlug, err = account.ReserveSlug(ctx, tx, r.AccountID, p.AccountName, tx.Now.Add(life)); err != nil {
		return r, token, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO registration (id, email, user_id, account_id, account_name, application_id, application_name,
		application_slug, first_name, last_name, password_hash, token_hash, is_decoy, status, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'pending', $14, $15)`,
		id.New[id.ID](tx.Now), p.Email, r.UserID, r.AccountID, p.AccountName, r.ApplicationID, p.ApplicationName, r.ApplicationSlug,
		p.FirstName, p.LastName, hash, token.Hash(), decoy, tx.Now, tx.Now.Add(life))
	return r, token, err
}

func (s *Service) mailLink(ctx context.Context, tx *database.Tx, p Params, r Result, token secret.Token) error {
	return s.Mail.Add(ctx, tx, mail.Data{Kind: mail.VerifyEmail, To: p.Email, FirstName: p.FirstName, AccountName: p.AccountName,
		ApplicationName: p.ApplicationName, Token: token.Reveal(), ExpiresAt: tx.Now.Add(life)}, r.AccountID, token.Hash())
}

type row struct {
	accountID, applicationID, userID                      id.ID
	email, first, last, accountName, appName, appSlug, pw string
}

const claimed = ` RETURNING account_id, application_id, user_id, email, first_name, last_name, account_name, application_name, application_slug, password_hash`

func scan(s database.Scanner) (r row, err error) {
	err = s.Scan(&r.accountID, &r.applicationID, &r.userID, &r.email, &r.first, &r.last, &r.accountName, &r.appName, &r.appSlug, &r.pw)
	return r, err
}

// Verify uses a link: one guarded update decides who wins, and user, Account,
// Application and Environments come into being with it. Faults:
// auth.link_not_found, auth.link_expired, auth.link_used.
func (s *Service) Verify(ctx context.Context, token string) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		r, err := scan(tx.QueryRow(ctx, `UPDATE registration SET status = 'used'
			WHERE token_hash = $1 AND status = 'pending' AND is_decoy = 0 AND expires_at > $2`+claimed, secret.Hash(token), tx.Now))
		if errors.Is(err, database.ErrNoRows) {
			return s.whyNot(ctx, tx, token)
		}
		if err != nil {
			return err
		}
		return found(ctx, tx, r)
	})
}

func (s *Service) whyNot(ctx context.Context, tx *database.Tx, token string) error {
	var status string
	err := tx.QueryRow(ctx, `SELECT status FROM registration WHERE token_hash = $1 AND is_decoy = 0`, secret.Hash(token)).Scan(&status)
	switch {
	case errors.Is(err, database.ErrNoRows):
		return ErrLinkNotFound
	case err != nil:
		return err
	case status == "used":
		return ErrLinkUsed
	}
	return ErrLinkExpired
}

// found makes everything a proven sign-up promised.
func found(ctx context.Context, tx *database.Tx, r row) error {
	u, created, err := portaluser.Create(ctx, tx, portaluser.NewParams{ID: r.userID, Email: r.email, FirstName: r.first,
		LastName: r.last, PasswordHash: r.pw}, r.accountID)
	if err != nil {
		return err
	}
	if !created {
		return ErrLinkUsed
	}
	// What follows is done by the new user, whoever carried the link here.
	ctx = principal.As(ctx, *u.Principal())
	if err := account.Create(ctx, tx, r.accountID, r.accountName); err != nil {
		return err
	}
	if _, err := account.Join(ctx, tx, r.accountID, u.ID, account.Owner); err != nil {
		return err
	}
	err = application.Create(ctx, tx, application.NewParams{ID: r.applicationID, AccountID: r.accountID, Name: r.appName, Slug: r.appSlug})
	if err != nil {
		return err
	}
	return DeletePending(ctx, tx, r.email)
}

// Bootstrap makes an Account and its verified owner without a mail, with the
// effects of Verify. It is a conflict when the address is taken.
func (s *Service) Bootstrap(ctx context.Context, p Params) (Result, error) {
	hash, err := s.Hasher.Hash(ctx, p.Password)
	if err != nil {
		return Result{}, err
	}
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Result, error) {
		r := Result{AccountID: id.New[id.ID](tx.Now), ApplicationID: id.New[id.ID](tx.Now), UserID: id.New[id.ID](tx.Now),
			ApplicationSlug: text.Slug(p.ApplicationName, "app")}
		var err error
		if r.AccountSlug, err = account.ReserveSlug(ctx, tx, r.AccountID, p.AccountName, tx.Now.Add(life)); err != nil {
			return r, err
		}
		return r, found(ctx, tx, row{r.AccountID, r.ApplicationID, r.UserID, p.Email, p.FirstName, p.LastName,
			p.AccountName, p.ApplicationName, r.ApplicationSlug, hash})
	})
}

// DeletePending drops what waits under an address that has become a user's,
// decoys too, and frees the slugs.
func DeletePending(ctx context.Context, tx *database.Tx, email string) error {
	return drop(ctx, tx, `email = $1 AND status = 'pending'`, email)
}

func drop(ctx context.Context, tx *database.Tx, where string, args ...any) error {
	if _, err := tx.Exec(ctx, `DELETE FROM account_slug WHERE reserved_until IS NOT NULL
		AND account_id IN (SELECT account_id FROM registration WHERE `+where+`)`, args...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `DELETE FROM registration WHERE `+where, args...)
	return err
}

// Sweep deletes sign-ups that ended a week ago.
func (s *Service) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		return drop(ctx, tx, `expires_at <= $1`, tx.Now.Add(-keepEnded))
	})
}

// Resend gives the newest sign-up of an address a new link, also one whose link
// has grown too old, until 72 hours after the sign-up; the earlier link is dead
// at once. A decoy's life is prolonged alike, without a mail. It tells the caller
// nothing: doors answer before it runs.
func (s *Service) Resend(ctx context.Context, email string) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		var rowID id.ID
		var decoy bool
		var created time.Time
		err := tx.QueryRow(ctx, `SELECT id, is_decoy, created_at FROM registration WHERE email = $1 AND status = 'pending' AND created_at > $2
			ORDER BY created_at DESC, id DESC LIMIT 1`, email, tx.Now.Add(-maxLife)).Scan(&rowID, &decoy, &created)
		if errors.Is(err, database.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		until := tx.Now.Add(life)
		if end := created.Add(maxLife); end.Before(until) {
			until = end
		}
		token := secret.NewToken()
		r, err := scan(tx.QueryRow(ctx, `UPDATE registration SET token_hash = $1, expires_at = $2 WHERE id = $3 AND status = 'pending'`+claimed,
			token.Hash(), until, rowID))
		if err != nil {
			return err
		}
		if err := account.ProlongSlug(ctx, tx, r.accountID, r.accountName, until); err != nil || decoy {
			return err
		}
		if err := s.Mail.Count(ctx, tx, email); err != nil {
			return err
		}
		if err := s.Mail.Drop(ctx, tx, mail.VerifyEmail, r.accountID); err != nil {
			return err
		}
		err = s.Mail.Add(ctx, tx, mail.Data{Kind: mail.VerifyEmail, To: email, FirstName: r.first, AccountName: r.accountName,
			ApplicationName: r.appName, Token: token.Reveal(), ExpiresAt: until}, r.accountID, token.Hash())
		if err != nil {
			return err
		}
		return audit.Write(ctx, tx, audit.Entry{Action: "user.verification_resent", Category: "auth", Hidden: true})
	})
}

// StillWanted reports whether a link's sign-up still waits (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, accountID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM registration WHERE account_id = $1 AND token_hash = $2 AND status = 'pending' AND expires_at > $3`,
		accountID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// PendingHash is the password hash of the newest live sign-up or decoy of an
// address, "" when there is none.
func PendingHash(ctx context.Context, tx *database.Tx, email string) (string, error) {
	var hash string
	err := tx.QueryRow(ctx, `SELECT password_hash FROM registration WHERE email = $1 AND status = 'pending' AND expires_at > $2
		ORDER BY created_at DESC, id DESC LIMIT 1`, email, tx.Now).Scan(&hash)
	if errors.Is(err, database.ErrNoRows) {
		return "", nil
	}
	return hash, err
}
