package invite

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/account"
)

// Preview shows the holder of a token what it is for; it changes nothing, any
// number of times. Faults: invites.not_found, invites.expired, invites.revoked,
// invites.already_accepted.
func (s *Service) Preview(ctx context.Context, token string) (Preview, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Preview, error) {
		inv, err := live(ctx, tx, token)
		if err != nil {
			return Preview{}, err
		}
		acc, err := account.Get(ctx, tx, inv.AccountID)
		if err != nil {
			return Preview{}, err
		}
		p := Preview{Email: inv.Email, FirstName: inv.FirstName, LastName: inv.LastName, AccountName: acc.Name, Intent: Activate}
		u, err := portaluser.ByEmail(ctx, tx, inv.Email)
		if err != nil {
			return Preview{}, err
		}
		if u != nil {
			p.Intent = AddToApp
		}
		m, is, err := account.MembershipOf(ctx, tx, inv.AccountID, inv.InvitedBy)
		if err != nil || !is || !m.Active {
			return p, err
		}
		inviter, err := portaluser.ByID(ctx, tx, inv.InvitedBy)
		if err == nil && inviter != nil {
			p.InviterEmail = &inviter.Email
		}
		return p, err
	})
}

// live finds the invite of a token that still opens it, or says why it doesn't.
func live(ctx context.Context, tx *database.Tx, token string) (Invite, error) {
	inv, err := scan(tx.QueryRow(ctx, `SELECT `+columns+`FROM user_invite WHERE token_hash = $1`, secret.Hash(token)))
	if errors.Is(err, database.ErrNoRows) {
		return inv, ErrNotFound
	}
	if err != nil {
		return inv, err
	}
	switch inv.Status.at(tx.Now, inv.ExpiresAt) {
	case Expired:
		return inv, ErrExpired
	case Revoked:
		return inv, ErrRevoked
	case Accepted:
		return inv, ErrAlreadyAccepted
	}
	return inv, nil
}

// Acceptance is what the invitee brings: names and a new password for an address
// without a user, else the user's present password.
type Acceptance struct{ Token, FirstName, LastName, Password string }

// errChanged says that the address got or lost its user while the password was
// being hashed; the work begins anew.
var errChanged = errors.New("invite: the address has changed hands meanwhile")

// Accept makes the invitee a member of the Account. The invite is judged as
// add_to_app if the address has a user at the moment of the commit, whatever the
// preview said. Faults, all of which leave the invite as it is: those of
// Preview, validation (a weak new password), auth.invalid_credentials,
// auth.account_locked, auth.too_many_attempts, server.busy.
func (s *Service) Accept(ctx context.Context, a Acceptance) error {
	for {
		err := s.accept(ctx, a)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
}

func (s *Service) accept(ctx context.Context, a Acceptance) error {
	type view struct {
		invite Invite
		user   *portaluser.User
	}
	seen, err := database.Read(ctx, s.DB, func(tx *database.Tx) (v view, err error) {
		if v.invite, err = live(ctx, tx, a.Token); err == nil {
			v.user, err = portaluser.ByEmail(ctx, tx, v.invite.Email)
		}
		return v, err
	})
	if err != nil {
		return err
	}
	hash := ""
	if seen.user == nil {
		kept, broken := text.PortalPassword(a.Password)
		if broken != "" {
			return fault.Validation.WithDetails("password " + broken)
		}
		if hash, err = s.Guard.Hasher.Hash(ctx, kept); err != nil {
			return err
		}
	} else if err := s.prove(ctx, seen.invite, seen.user, a.Password); err != nil {
		return err
	}
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		inv, err := scan(tx.QueryRow(ctx, updateAccept, secret.Hash(a.Token), tx.Now))
		if errors.Is(err, database.ErrNoRows) {
			if _, err = live(ctx, tx, a.Token); err == nil {
				err = ErrAlreadyAccepted
			}
			return err
		}
		if err != nil {
			return err
		}
		u, err := s.person(ctx, tx, inv, seen.user, hash, a)
		if err != nil {
			return err
		}
		return s.join(ctx, tx, inv, u)
	})
}

// prove checks the present password of the user whose address is invited.
func (s *Service) prove(ctx context.Context, inv Invite, u *portaluser.User, password string) error {
	if err := s.Guard.Throttled(ctx, u.Email); err != nil {
		return err
	}
	ok, _, err := s.Guard.Matches(ctx, u, password)
	if err != nil {
		return err
	}
	note := func(reason string) error {
		e := inv.entry("user_invite.accept_failed", audit.Meta{"reason": reason, "ip_address": principal.From(ctx).IP})
		e.Outcome, e.Severity = audit.Failure, audit.Notice
		return database.Do(ctx, s.DB, func(tx *database.Tx) error { return audit.Write(ctx, tx, e) })
	}
	switch {
	case !ok:
		failed := audit.Entry{Action: "user.login.failed", Outcome: audit.Failure, Severity: audit.Notice,
			Metadata: audit.Meta{"reason": "wrong_password", "ip_address": principal.From(ctx).IP}}
		if err := s.Guard.Failed(ctx, u, u.Email, failed); err != nil {
			return err
		}
		if err := note("wrong_password"); err != nil {
			return err
		}
		return portaluser.ErrInvalidCredentials
	case u.Locked(s.DB.Now()):
		if err := note("locked"); err != nil {
			return err
		}
		return portaluser.ErrLocked
	}
	return nil
}

// person is the user who joins: made now, or the one who proved the password.
func (s *Service) person(ctx context.Context, tx *database.Tx, inv Invite, seen *portaluser.User, hash string, a Acceptance) (*portaluser.User, error) {
	if seen == nil {
		u, created, err := portaluser.Create(ctx, tx, portaluser.NewParams{ID: id.New[id.ID](tx.Now), Email: inv.Email,
			FirstName: a.FirstName, LastName: a.LastName, PasswordHash: hash}, inv.AccountID)
		if err != nil {
			return nil, err
		}
		if !created {
			return nil, errChanged
		}
		return u, signup.DeletePending(ctx, tx, inv.Email)
	}
	u, err := portaluser.ByID(ctx, tx, seen.ID)
	if err != nil {
		return nil, err
	}
	if u == nil || u.Email != inv.Email || u.PasswordHash != seen.PasswordHash {
		return nil, errChanged
	}
	return u, s.Guard.Passed(ctx, tx, u)
}

func (s *Service) join(ctx context.Context, tx *database.Tx, inv Invite, u *portaluser.User) error {
	joined, err := account.Join(ctx, tx, inv.AccountID, u.ID, account.Admin)
	if err != nil {
		return err
	}
	if err := s.Mail.Drop(ctx, tx, mail.UserInvite, inv.ID); err != nil {
		return err
	}
	accepted := inv.entry("user_invite.accepted", audit.Meta{"email": inv.Email, "user_id": u.ID})
	accepted.Actor = u.Principal()
	if err := audit.Write(ctx, tx, accepted); err != nil || !joined {
		return err
	}
	return audit.Write(ctx, tx, audit.Entry{AccountID: inv.AccountID, Action: "account_member.added", Category: "admin_user",
		ResourceType: "account_member", ResourceID: u.ID, ResourceLabel: u.Email, Actor: u.Principal(),
		Metadata: audit.Meta{"email": u.Email, "invite_id": inv.ID}})
}
