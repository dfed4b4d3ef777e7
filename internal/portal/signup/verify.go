package signup

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
)

// Verify uses a link: one guarded update decides who wins, and user, Account,
// Application and Environments come into being with it. The link proves the mailbox. Whose
// sign-up it is, the password says: with one, the live sign-up of the address that it
// belongs to is established, whichever of them the link came from; without one, the only
// one that is live. p is normalised. Faults, all of which leave the link as it is:
// auth.link_not_found, auth.link_expired, auth.link_used, auth.sign_up_closed,
// auth.password_required, auth.invalid_credentials, auth.too_many_attempts, server.busy.
// Events: user.registered, account.created, application.created, environment.created
// twice; user.login.failed.
func (s *Service) Verify(ctx context.Context, by principal.Actor, p Proof) error {
	seen, err := s.read(ctx, p.Token)
	switch {
	case err != nil:
		return err
	case p.Password == nil && len(seen.waiting) > 1:
		return ErrPasswordRequired
	case p.Password == nil:
		return s.spend(ctx, by, seen, 0, func(tx *database.Tx) error {
			// Another sign-up may have come since the link was looked at.
			others, err := live(ctx, tx, seen)
			if err == nil && len(others) > 0 {
				err = ErrPasswordRequired
			}
			return err
		})
	}
	attempt, err := s.Guard.BeginUnproven(ctx, by, seen.email)
	if err != nil {
		return err
	}
	defer attempt.Close(ctx)
	// It may have waited for others, one of which has used the link.
	if seen, err = s.read(ctx, p.Token); err != nil {
		return err
	}
	which, _, err := attempt.Judge(ctx, *p.Password, seen.hashes()...)
	switch {
	case err != nil:
		return err
	case which < 0:
		if err := attempt.Wrong(ctx, portaluser.User{}, false); err != nil {
			return err
		}
		return portaluser.ErrInvalidCredentials
	}
	return s.spend(ctx, by, seen, which, func(tx *database.Tx) error { return attempt.Right(ctx, tx) })
}

// link is a link that works, with the live sign-ups of its address.
type link struct {
	tokenHash string
	id        ID // of the sign-up it was mailed for
	email     string
	waiting   []waiting // its own first, then the newest; ten at most
}

// waiting is a live sign-up.
type waiting struct {
	id           ID
	passwordHash string
}

func (l link) hashes() (list []string) {
	for _, w := range l.waiting {
		list = append(list, w.passwordHash)
	}
	return list
}

func (s *Service) read(ctx context.Context, token string) (link, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (link, error) { return s.look(ctx, tx, secret.Hash(token)) })
}

// look finds a link that works, or says why it doesn't.
func (s *Service) look(ctx context.Context, tx *database.Tx, tokenHash string) (link, error) {
	l := link{tokenHash: tokenHash}
	var status string
	var expires time.Time
	err := tx.QueryRow(ctx, selectLink, tokenHash).Scan(&l.id, &l.email, &status, &expires)
	switch {
	case errors.Is(err, database.ErrNoRows):
		return l, portaluser.ErrLinkNotFound
	case err != nil:
		return l, err
	case status == "used":
		return l, portaluser.ErrLinkUsed
	case !tx.Now.Before(expires):
		return l, portaluser.ErrLinkExpired
	}
	_, known, err := portaluser.ByEmail(ctx, tx, l.email)
	switch {
	case err != nil:
		return l, err
	case known:
		return l, portaluser.ErrLinkUsed
	case s.Closed:
		return l, ErrClosed
	}
	l.waiting, err = live(ctx, tx, l)
	return l, err
}

// live are the sign-ups that wait under a link's address.
func live(ctx context.Context, tx *database.Tx, l link) ([]waiting, error) {
	return database.All(ctx, tx, func(row database.Scanner) (w waiting, err error) {
		return w, row.Scan(&w.id, &w.passwordHash)
	}, selectLive, l.email, tx.Now.Add(-maxLife), l.id, mostTried)
}

// spend uses a link for one of the sign-ups that wait, and makes everything that
// was promised there, if both still wait; with what goes along. Else nothing changes.
func (s *Service) spend(
	ctx context.Context, by principal.Actor, l link, which int, along func(tx *database.Tx) error,
) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		r, won, err := use(ctx, tx, l, l.waiting[which].id)
		if err != nil {
			return err
		}
		if !won {
			if _, err := s.look(ctx, tx, l.tokenHash); err != nil {
				return err
			}
			return portaluser.ErrLinkUsed // the sign-up has been, through another link
		}
		if err := along(tx); err != nil {
			return err
		}
		return s.establish(ctx, tx, by, r)
	})
}

// use marks the sign-up of a link and the one to be established as used; false when one
// of them waits no longer. What the other one had reserved is free.
func use(ctx context.Context, tx *database.Tx, l link, chosen ID) (r registration, won bool, err error) {
	used, err := database.All(ctx, tx, func(row database.Scanner) (u spent, err error) {
		u.registration, err = scan(row, &u.id)
		return u, err
	}, updateUsed, l.email, l.tokenHash, tx.Now, chosen)
	linked := false
	for _, u := range used {
		linked = linked || u.id == l.id
		if u.id == chosen {
			r, won = u.registration, true
		} else if err := account.ReleaseSlug(ctx, tx, u.account); err != nil {
			return r, false, err
		}
	}
	return r, won && linked, err
}

// spent is a sign-up that a link was used for.
type spent struct {
	id ID
	registration
}
