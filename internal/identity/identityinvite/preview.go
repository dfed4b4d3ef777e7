package identityinvite

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// Preview is what the holder of a token may see of the invite.
type Preview struct {
	Email            string
	Intent           Intent // as it would be judged now
	FirstName        string
	LastName         string
	AppName          string
	InviterEmail     *string // nil: a program invited, or whoever did has left
	PasswordRequired bool
}

// Preview shows the holder of a token what it is for; it changes nothing, any number of times.
// Faults: invites.not_found, invites.expired, invites.revoked, invites.already_accepted.
func (s *Service) Preview(ctx context.Context, token string) (Preview, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Preview, error) {
		v, err := look(ctx, tx, token)
		if err != nil {
			return Preview{}, err
		}
		i := v.invite
		p := Preview{
			Email: i.Email, Intent: v.intent, FirstName: i.FirstName, LastName: i.LastName, PasswordRequired: v.wantsPassword(),
		}
		if p.AppName, err = nameOfPlace(ctx, tx, i); err != nil || !i.byUser {
			return p, err
		}
		email, is, err := s.Inviter(ctx, tx, i.Account, i.InvitedBy)
		if is {
			p.InviterEmail = &email
		}
		return p, err
	})
}

// live finds the invite of a token that still opens it, or says why it doesn't.
func live(ctx context.Context, tx *database.Tx, token string) (Invite, error) {
	i, err := scan(tx.QueryRow(ctx, selectByToken, secret.Hash(token)))
	if errors.Is(err, database.ErrNoRows) {
		return i, ErrNotFound
	}
	if err != nil {
		return i, err
	}
	switch i.Status.at(tx.Now, i.ExpiresAt) {
	case Expired:
		return i, ErrExpired
	case Revoked:
		return i, ErrRevoked
	case Accepted:
		return i, ErrAlreadyAccepted
	case Pending:
	}
	return i, nil
}

// view is an invite, and whoever has its address, at one moment.
type view struct {
	invite Invite
	who    enduser.Identity
	known  bool
	intent Intent
}

// look finds the invite of a live token and judges what accepting it is about.
func look(ctx context.Context, tx *database.Tx, token string) (v view, err error) {
	if v.invite, err = live(ctx, tx, token); err != nil {
		return v, err
	}
	v.who, v.known, err = enduser.ByEmail(ctx, tx, v.invite.Account, v.invite.Email)
	switch {
	case v.invite.Intent == PasswordReset && !v.known:
		return v, ErrNotFound // nobody is left whose password it could be
	case v.invite.Intent == PasswordReset:
		v.intent = PasswordReset
	case v.known:
		v.intent = AddToApp
	default:
		v.intent = Activate
	}
	return v, err
}

// wantsPassword reports whether accepting takes one: a new one, or the present one.
func (v view) wantsPassword() bool { return v.intent != AddToApp || v.who.PasswordSet() }
