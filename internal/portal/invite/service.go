package invite

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
)

// Service holds the use cases of user invites, one transaction each. It is safe
// for concurrent use.
type Service struct {
	DB     *database.DB
	Guard  *portaluser.Guard
	Limits *ratelimit.Limiter
	Mail   *mailqueue.Queue
	Life   time.Duration // CANOPY_INVITE_TTL
}

// Create invites an address into the Account. d is normalised. Faults, in this
// order: invites.already_member or invites.member_deactivated,
// invites.already_pending (data: id and expires_at of the live invite),
// rate_limit.exceeded. Event: user_invite.created.
func (s *Service) Create(ctx context.Context, by principal.User, in scope.Account, d Draft) (Invite, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Invite, error) { return s.create(ctx, tx, by, in, d) })
}

func (s *Service) create(
	ctx context.Context, tx *database.Tx, by principal.User, in scope.Account, d Draft,
) (Invite, error) {
	if err := portaluser.Acts(ctx, tx, by, in.ID); err != nil {
		return Invite{}, err
	}
	// An expired invite steps aside, so that the index sees live ones only.
	if _, err := tx.Exec(ctx, closeExpired, in.ID, d.Email, tx.Now); err != nil {
		return Invite{}, err
	}
	token := secret.NewToken()
	inv := Invite{
		ID: id.New[ID](tx.Now), AccountID: in.ID, Email: d.Email, FirstName: d.FirstName, LastName: d.LastName,
		Status: Pending, ExpiresAt: tx.Now.Add(s.Life), InvitedBy: by.UserID, CreatedAt: tx.Now,
		Delivery: Queued, SendCount: 1, askedAt: tx.Now,
	}
	n, err := tx.Exec(ctx, insertInvite, inv.ID, inv.AccountID, inv.Email, inv.FirstName, inv.LastName,
		d.folded(), d.searched(), token.Hash(), inv.InvitedBy, inv.CreatedAt, inv.ExpiresAt)
	if err != nil {
		return Invite{}, err
	}
	// Only after the insert, which waits for whoever accepts or revokes the live
	// invite just now: before it, that person would not be a member yet.
	if err := refuseMember(ctx, tx, in.ID, d.Email); err != nil {
		return Invite{}, err
	}
	if n == 0 {
		return Invite{}, alreadyPending(ctx, tx, in.ID, d.Email)
	}
	if err := s.mail(ctx, tx, by, inv, token); err != nil {
		return Invite{}, err
	}
	return inv, event.Record(ctx, tx, Created, inv.entry(by.Actor), LinkPayload{inv.Email, inv.ExpiresAt})
}

// entry is an event about the invite.
func (i Invite) entry(by principal.Actor) event.Entry {
	return event.Entry{Actor: by, Account: i.AccountID, Resource: i.ID.Any(), Label: i.Email}
}

func refuseMember(ctx context.Context, tx *database.Tx, in account.ID, email string) error {
	is, active, err := portaluser.IsMember(ctx, tx, in, email)
	switch {
	case err != nil || !is:
		return err
	case active:
		return ErrAlreadyMember
	}
	return ErrMemberDeactivated
}

func alreadyPending(ctx context.Context, tx *database.Tx, in account.ID, email string) error {
	live, err := scan(tx.QueryRow(ctx, selectLive, in, email))
	if errors.Is(err, database.ErrNoRows) {
		// It was accepted or revoked between the two statements. The answer is
		// true of the moment of the insert; a repeat will find the way free.
		return ErrAlreadyPending
	}
	if err != nil {
		return err
	}
	return ErrAlreadyPending.WithData(map[string]any{"id": live.ID, "expires_at": live.ExpiresAt})
}

// mail counts a mail against both limits and queues it with the link.
func (s *Service) mail(
	ctx context.Context, tx *database.Tx, by principal.User, inv Invite, token secret.Token,
) error {
	if err := s.Limits.Count(ctx, tx, ratelimit.InviteMail, inv.AccountID.String()); err != nil {
		return err
	}
	if err := s.Mail.Count(ctx, tx, inv.AccountID, inv.Email); err != nil {
		return err
	}
	acc, err := account.Find(ctx, tx, inv.AccountID)
	if err != nil {
		return err
	}
	return s.Mail.Add(ctx, tx, mail.Data{
		Kind: mail.UserInvite, To: inv.Email, FirstName: inv.FirstName, AccountName: acc.Name,
		InviterEmail: by.Email, Token: token.Reveal(), ExpiresAt: inv.ExpiresAt,
	}, inv.ID.Any(), token.Hash())
}

// List gives one page of the Account's invites, sorted by one of Sorts; status ""
// is any.
func (s *Service) List(
	ctx context.Context, in scope.Account, r page.Request, status Status,
) (list []Invite, info page.Info, err error) {
	err = database.View(ctx, s.DB, func(tx *database.Tx) error {
		where, args := filter(in.ID, r, status, tx.Now)
		list, err = database.All(ctx, tx, func(row database.Scanner) (Invite, error) {
			inv, err := scan(row)
			inv.Status = inv.Status.at(tx.Now, inv.ExpiresAt)
			return inv, err
		}, onPage(where, r), args...)
		if err != nil {
			return err
		}
		count, rest := r.Offset()+len(list), 0
		switch {
		case len(list) == r.Take:
			query, args := afterPage(where, args, r, list[len(list)-1])
			err = tx.QueryRow(ctx, query, args...).Scan(&rest)
		case len(list) == 0 && r.Offset() > 0: // past the end
			count, err = 0, tx.QueryRow(ctx, `SELECT count(*) FROM user_invite`+where, args...).Scan(&rest)
		}
		info = r.Of(count + rest)
		return err
	})
	return list, info, err
}

// Summary counts the Account's invites at one moment.
func (s *Service) Summary(ctx context.Context, in scope.Account) (Counts, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Counts, error) {
		var c Counts
		err := tx.QueryRow(ctx, selectCounts, in.ID, tx.Now).Scan(&c.Pending, &c.Accepted, &c.Expired, &c.Revoked)
		c.Total = c.Pending + c.Accepted + c.Expired + c.Revoked
		return c, err
	})
}

// Get reads one invite of the Account. Fault: invites.not_found.
func (s *Service) Get(ctx context.Context, in scope.Account, inviteID ID) (Invite, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Invite, error) {
		inv, err := own(ctx, tx, in, inviteID)
		inv.Status = inv.Status.at(tx.Now, inv.ExpiresAt)
		return inv, err
	})
}

func own(ctx context.Context, tx *database.Tx, in scope.Account, inviteID ID) (Invite, error) {
	inv, err := scan(tx.QueryRow(ctx, selectOwn, in.ID, inviteID))
	if errors.Is(err, database.ErrNoRows) {
		return inv, ErrNotFound
	}
	return inv, err
}

// Resend replaces the link and mails it; the earlier link is unknown from now
// on. Faults: invites.not_found, invites.not_pending, invites.resend_cooldown,
// rate_limit.exceeded. Event: user_invite.resent.
func (s *Service) Resend(ctx context.Context, by principal.User, in scope.Account, inviteID ID) error {
	tooEarly, err := database.Write(ctx, s.DB, func(tx *database.Tx) (wait time.Duration, err error) {
		if err := portaluser.Acts(ctx, tx, by, in.ID); err != nil {
			return 0, err
		}
		token := secret.NewToken()
		inv, err := scan(tx.QueryRow(ctx, updateResend, token.Hash(), tx.Now.Add(s.Life), tx.Now, in.ID, inviteID,
			tx.Now.Add(-cooldown)))
		if errors.Is(err, database.ErrNoRows) {
			return cooling(ctx, tx, in, inviteID)
		}
		if err != nil {
			return 0, err
		}
		if err := s.Mail.Drop(ctx, tx, mail.UserInvite, inv.ID.Any()); err != nil {
			return 0, err
		}
		if err := s.mail(ctx, tx, by, inv, token); err != nil {
			return 0, err
		}
		told := ResentPayload{inv.Email, inv.ExpiresAt, inv.SendCount}
		return 0, event.Record(ctx, tx, Resent, inv.entry(by.Actor), told)
	})
	if err == nil && tooEarly > 0 {
		return ErrCooldown.WithRetryAfter(tooEarly)
	}
	return err
}

// cooling is how long an invite that was sent just now can't be sent again. One that was
// sent ahead counts as sent now, and is kept so: the clock was set back since.
func cooling(ctx context.Context, tx *database.Tx, in scope.Account, inviteID ID) (wait time.Duration, err error) {
	inv, err := own(ctx, tx, in, inviteID)
	if err != nil {
		return 0, err
	}
	if inv.Status.at(tx.Now, inv.ExpiresAt) != Pending {
		return 0, ErrNotPending
	}
	if inv.askedAt.After(tx.Now) {
		inv.askedAt = tx.Now
		if _, err := tx.Exec(ctx, rewindAsked, tx.Now, in.ID, inviteID); err != nil {
			return 0, err
		}
	}
	return max(inv.askedAt.Add(cooldown).Sub(tx.Now), time.Millisecond), nil
}

// Revoke makes the link dead at once. Faults: invites.not_found,
// invites.not_pending. Event: user_invite.revoked.
func (s *Service) Revoke(ctx context.Context, by principal.User, in scope.Account, inviteID ID) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		if err := portaluser.Acts(ctx, tx, by, in.ID); err != nil {
			return err
		}
		inv, err := scan(tx.QueryRow(ctx, updateRevoke, in.ID, inviteID, tx.Now))
		if errors.Is(err, database.ErrNoRows) {
			if _, err := own(ctx, tx, in, inviteID); err != nil {
				return err
			}
			return ErrNotPending
		}
		if err != nil {
			return err
		}
		if err := s.Mail.Drop(ctx, tx, mail.UserInvite, inv.ID.Any()); err != nil {
			return err
		}
		return event.Record(ctx, tx, Withdrawn, inv.entry(by.Actor), EmailPayload{inv.Email})
	})
}
