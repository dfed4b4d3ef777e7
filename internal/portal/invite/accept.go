package invite

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
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
		acc, err := account.Find(ctx, tx, inv.AccountID)
		if err != nil {
			return Preview{}, err
		}
		p := Preview{
			Email: inv.Email, FirstName: inv.FirstName, LastName: inv.LastName, AccountName: acc.Name, Intent: Activate,
		}
		_, known, err := portaluser.ByEmail(ctx, tx, inv.Email)
		if err != nil {
			return Preview{}, err
		}
		if known {
			p.Intent = AddToApp
		}
		m, is, err := portaluser.MembershipOf(ctx, tx, inv.AccountID, inv.InvitedBy)
		if err != nil || !is || !m.Active {
			return p, err
		}
		inviter, is, err := portaluser.ByID(ctx, tx, inv.InvitedBy)
		if err == nil && is {
			p.InviterEmail = &inviter.Email
		}
		return p, err
	})
}

// live finds the invite of a token that still opens it, or says why it doesn't.
func live(ctx context.Context, tx *database.Tx, token string) (Invite, error) {
	inv, err := scan(tx.QueryRow(ctx, selectByToken, secret.Hash(token)))
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
	case Pending:
	}
	return inv, nil
}

// errChanged says that the address got or lost its user while the password was
// being hashed; the work begins again.
var errChanged = errors.New("invite: the address has changed hands meanwhile")

// Accept makes the invitee a member of the Account. The invite is judged as
// add_to_app if the address has a user at the moment of the commit, whatever the
// preview said. a is normalised. Faults, all of which leave the invite as it is:
// those of Preview, validation (a weak new password), auth.invalid_credentials,
// auth.too_many_attempts, server.busy. Events:
// user_invite.accepted, account_member.added, user.registered,
// user_invite.accept_failed, user.login.failed, user.locked.
func (s *Service) Accept(ctx context.Context, by principal.Actor, a Acceptance) error {
	for {
		err := s.accept(ctx, by, a)
		if !errors.Is(err, errChanged) {
			return err
		}
	}
}

// invitee is who an invite may be for, as it was before the password was looked
// at.
type invitee struct {
	invite Invite
	user   portaluser.User
	known  bool
	hash   string // of the new password, of an address without a user
}

func (s *Service) accept(ctx context.Context, by principal.Actor, a Acceptance) error {
	seen, err := database.Read(ctx, s.DB, func(tx *database.Tx) (v invitee, err error) {
		if v.invite, err = live(ctx, tx, a.Token); err == nil {
			v.user, v.known, err = portaluser.ByEmail(ctx, tx, v.invite.Email)
		}
		return v, err
	})
	if err != nil {
		return err
	}
	if !seen.known {
		if seen.hash, err = s.newPassword(ctx, by, a.Password); err != nil {
			return err
		}
		return s.enter(ctx, by, seen, a, nil)
	}
	attempt, err := s.Guard.Begin(ctx, by, seen.user.Email)
	if err != nil {
		return err
	}
	defer attempt.Close(ctx)
	if err := s.prove(ctx, by, attempt, seen, a.Password); err != nil {
		return err
	}
	return s.enter(ctx, by, seen, a, attempt.Right)
}

// enter spends the invite and lets the person in; proved, if there is one, goes with it.
func (s *Service) enter(
	ctx context.Context, by principal.Actor, seen invitee, a Acceptance,
	proved func(context.Context, *database.Tx) error,
) error {
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
		u, err := s.person(ctx, tx, by, inv, seen, a)
		if err != nil {
			return err
		}
		if proved != nil {
			if err := proved(ctx, tx); err != nil {
				return err
			}
		}
		return s.join(ctx, tx, by.AsUser(u.ID, u.Email), inv, u)
	})
}

// newPassword wants a good one and gives its hash.
func (s *Service) newPassword(ctx context.Context, by principal.Actor, password string) (string, error) {
	kept, broken := text.PortalPassword(password)
	if broken != "" {
		return "", fault.Validation.WithDetails("password " + broken)
	}
	return s.Guard.Hash(ctx, by, kept)
}

// prove checks the current password of the user whose address is invited.
func (s *Service) prove(
	ctx context.Context, by principal.Actor, attempt *portaluser.Attempt, seen invitee, password string,
) error {
	which, _, err := attempt.Judge(ctx, password, seen.user.PasswordHash)
	if err != nil || which == 0 {
		return err
	}
	if err := attempt.Wrong(ctx, seen.user, true); err != nil {
		return err
	}
	return s.refused(ctx, by, seen.invite, portaluser.WrongPassword, portaluser.ErrInvalidCredentials)
}

// refused records that an invite could not be accepted, and gives the verdict.
func (s *Service) refused(
	ctx context.Context, by principal.Actor, inv Invite, reason portaluser.Reason, verdict error,
) error {
	err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
		told := portaluser.SignInFailedPayload{Reason: reason, IPAddress: by.Request.IP}
		return event.Record(ctx, tx, AcceptFailed, inv.entry(by), told)
	})
	if err != nil {
		return err
	}
	return verdict
}

// person is the user who joins: made now, or the one who proved the password.
func (s *Service) person(
	ctx context.Context, tx *database.Tx, by principal.Actor, inv Invite, seen invitee, a Acceptance,
) (portaluser.User, error) {
	if !seen.known {
		u, created, err := portaluser.Create(ctx, tx, by, inv.AccountID, portaluser.NewParams{
			ID: id.New[portaluser.ID](tx.Now), Email: inv.Email,
			FirstName: a.FirstName, LastName: a.LastName, PasswordHash: seen.hash,
		})
		if err != nil {
			return u, err
		}
		if !created {
			return u, errChanged
		}
		return u, signup.DeletePending(ctx, tx, inv.Email)
	}
	u, is, err := portaluser.ByID(ctx, tx, seen.user.ID)
	if err != nil {
		return u, err
	}
	if !is || u.Email != inv.Email || u.PasswordHash != seen.user.PasswordHash {
		return u, errChanged
	}
	return u, nil
}

func (s *Service) join(
	ctx context.Context, tx *database.Tx, by principal.Actor, inv Invite, u portaluser.User,
) error {
	joined, err := portaluser.Join(ctx, tx, inv.AccountID, u.ID, permission.Admin)
	if err != nil {
		return err
	}
	if err := s.Mail.Drop(ctx, tx, mail.UserInvite, inv.ID.Any()); err != nil {
		return err
	}
	told := AcceptedPayload{inv.Email, u.ID}
	if err := event.Record(ctx, tx, WasAccepted, inv.entry(by), told); err != nil || !joined {
		return err
	}
	entry := event.Entry{Actor: by, Account: inv.AccountID, Resource: u.ID.Any(), Label: u.Email}
	return event.Record(ctx, tx, MemberAdded, entry, MemberAddedPayload{u.Email, inv.ID})
}
