package invite

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
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

// Create invites an address into the caller's Account. Faults, in this order:
// invites.already_member or invites.member_deactivated, invites.already_pending
// (data: id and expires_at of the live invite), rate_limit.exceeded.
func (s *Service) Create(ctx context.Context, d Draft) (Invite, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Invite, error) { return s.create(ctx, tx, d) })
}

func (s *Service) create(ctx context.Context, tx *database.Tx, d Draft) (Invite, error) {
	caller := principal.From(ctx).Principal
	// An expired invite steps aside, so that the index sees live ones only.
	if _, err := tx.Exec(ctx, closeExpired, caller.AccountID, d.Email, tx.Now); err != nil {
		return Invite{}, err
	}
	token := secret.NewToken()
	inv := Invite{ID: id.New[id.ID](tx.Now), AccountID: caller.AccountID, Email: d.Email, FirstName: d.FirstName, LastName: d.LastName,
		Status: Pending, ExpiresAt: tx.Now.Add(s.Life), InvitedBy: caller.ID, CreatedAt: tx.Now, Delivery: Queued, SendCount: 1, askedAt: tx.Now}
	n, err := tx.Exec(ctx, insertInvite, inv.ID, inv.AccountID, inv.Email, inv.FirstName, inv.LastName, d.folded(), d.searched(), token.Hash(), inv.InvitedBy, inv.CreatedAt, inv.ExpiresAt)
	if err != nil {
		return Invite{}, err
	}
	// Only after the insert, which waits for whoever accepts or revokes the live
	// invite just now: before it, that person would not be a member yet.
	if err := refuseMember(ctx, tx, caller.AccountID, d.Email); err != nil {
		return Invite{}, err
	}
	if n == 0 {
		return Invite{}, alreadyPending(ctx, tx, caller.AccountID, d.Email)
	}
	if err := s.mail(ctx, tx, inv, token); err != nil {
		return Invite{}, err
	}
	return inv, audit.Write(ctx, tx, inv.entry("user_invite.created", audit.Meta{"email": inv.Email, "expires_at": inv.ExpiresAt}))
}

func (i Invite) entry(action string, meta audit.Meta) audit.Entry {
	return audit.Entry{AccountID: i.AccountID, Action: action, Category: "invites", ResourceType: "user_invite", ResourceID: i.ID,
		ResourceLabel: i.Email, Metadata: meta}
}

func refuseMember(ctx context.Context, tx *database.Tx, accountID id.ID, email string) error {
	var active bool
	err := tx.QueryRow(ctx, selectMember, accountID, email).Scan(&active)
	switch {
	case errors.Is(err, database.ErrNoRows):
		return nil
	case err != nil:
		return err
	case active:
		return ErrAlreadyMember
	}
	return ErrMemberDeactivated
}

func alreadyPending(ctx context.Context, tx *database.Tx, accountID id.ID, email string) error {
	live, err := scan(tx.QueryRow(ctx, selectLive, accountID, email))
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
func (s *Service) mail(ctx context.Context, tx *database.Tx, inv Invite, token secret.Token) error {
	if err := s.Limits.Count(ctx, tx, ratelimit.InviteMail, inv.AccountID.String()); err != nil {
		return err
	}
	if err := s.Mail.Count(ctx, tx, inv.Email); err != nil {
		return err
	}
	acc, err := account.Get(ctx, tx, inv.AccountID)
	if err != nil {
		return err
	}
	return s.Mail.Add(ctx, tx, mail.Data{Kind: mail.UserInvite, To: inv.Email, FirstName: inv.FirstName, AccountName: acc.Name,
		InviterEmail: principal.From(ctx).Principal.Label, Token: token.Reveal(), ExpiresAt: inv.ExpiresAt}, inv.ID, token.Hash())
}

// List gives one page of the caller's Account's invites; status "" is any. The
// columns to sort by are created_at, expires_at, email and name.
func (s *Service) List(ctx context.Context, r page.Request, status Status) ([]Invite, page.Info, error) {
	caller := principal.From(ctx).Principal
	type result struct {
		items []Invite
		info  page.Info
	}
	got, err := database.Read(ctx, s.DB, func(tx *database.Tx) (result, error) {
		where, args := filter(caller.AccountID, r, status, tx.Now)
		items, err := database.All(ctx, tx, func(row database.Scanner) (Invite, error) {
			inv, err := scan(row)
			inv.Status = inv.Status.at(tx.Now, inv.ExpiresAt)
			return inv, err
		}, onPage(where, r), args...)
		if err != nil {
			return result{}, err
		}
		count, rest := r.Offset()+len(items), 0
		switch {
		case len(items) == r.Take:
			query, args := afterPage(where, args, r, items[len(items)-1])
			err = tx.QueryRow(ctx, query, args...).Scan(&rest)
		case len(items) == 0 && r.Offset() > 0: // past the end
			count, err = 0, tx.QueryRow(ctx, `SELECT count(*) FROM user_invite`+where, args...).Scan(&rest)
		}
		return result{items, r.Of(count + rest)}, err
	})
	return got.items, got.info, err
}

// Summary counts the caller's Account's invites at one moment.
func (s *Service) Summary(ctx context.Context) (Counts, error) {
	caller := principal.From(ctx).Principal
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Counts, error) {
		var c Counts
		err := tx.QueryRow(ctx, selectCounts, caller.AccountID, tx.Now).Scan(&c.Pending, &c.Accepted, &c.Expired, &c.Revoked)
		c.Total = c.Pending + c.Accepted + c.Expired + c.Revoked
		return c, err
	})
}

// Get reads one invite of the caller's Account. Fault: invites.not_found.
func (s *Service) Get(ctx context.Context, inviteID id.ID) (Invite, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Invite, error) {
		inv, err := own(ctx, tx, inviteID)
		inv.Status = inv.Status.at(tx.Now, inv.ExpiresAt)
		return inv, err
	})
}

func own(ctx context.Context, tx *database.Tx, inviteID id.ID) (Invite, error) {
	inv, err := scan(tx.QueryRow(ctx, `SELECT `+columns+`FROM user_invite WHERE account_id = $1 AND id = $2`,
		principal.From(ctx).Principal.AccountID, inviteID))
	if errors.Is(err, database.ErrNoRows) {
		return inv, ErrNotFound
	}
	return inv, err
}

// Resend replaces the link and mails it; the earlier link is unknown from now
// on. Faults: invites.not_found, invites.not_pending, invites.resend_cooldown,
// rate_limit.exceeded.
func (s *Service) Resend(ctx context.Context, inviteID id.ID) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		token := secret.NewToken()
		caller := principal.From(ctx).Principal
		inv, err := scan(tx.QueryRow(ctx, updateResend, token.Hash(), tx.Now.Add(s.Life), tx.Now, caller.AccountID, inviteID, tx.Now.Add(-cooldown)))
		if errors.Is(err, database.ErrNoRows) {
			return whyNotResent(ctx, tx, inviteID)
		}
		if err != nil {
			return err
		}
		if err := s.Mail.Drop(ctx, tx, mail.UserInvite, inv.ID); err != nil {
			return err
		}
		if err := s.mail(ctx, tx, inv, token); err != nil {
			return err
		}
		return audit.Write(ctx, tx, inv.entry("user_invite.resent",
			audit.Meta{"email": inv.Email, "expires_at": inv.ExpiresAt, "send_count": inv.SendCount}))
	})
}

func whyNotResent(ctx context.Context, tx *database.Tx, inviteID id.ID) error {
	inv, err := own(ctx, tx, inviteID)
	if err != nil {
		return err
	}
	if inv.Status.at(tx.Now, inv.ExpiresAt) != Pending {
		return ErrNotPending
	}
	return ErrCooldown.WithRetryAfter(inv.askedAt.Add(cooldown).Sub(tx.Now))
}

// Revoke makes the link dead at once. Faults: invites.not_found,
// invites.not_pending.
func (s *Service) Revoke(ctx context.Context, inviteID id.ID) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		caller := principal.From(ctx).Principal
		inv, err := scan(tx.QueryRow(ctx, `UPDATE user_invite SET status = 'revoked'
			WHERE account_id = $1 AND id = $2 AND status = 'pending' AND expires_at > $3 RETURNING `+columns, caller.AccountID, inviteID, tx.Now))
		if errors.Is(err, database.ErrNoRows) {
			if _, err := own(ctx, tx, inviteID); err != nil {
				return err
			}
			return ErrNotPending
		}
		if err != nil {
			return err
		}
		if err := s.Mail.Drop(ctx, tx, mail.UserInvite, inv.ID); err != nil {
			return err
		}
		return audit.Write(ctx, tx, inv.entry("user_invite.revoked", audit.Meta{"email": inv.Email}))
	})
}

// StillWanted reports whether a queued mail's link is the invite's present one
// (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, inviteID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, `SELECT count(*) FROM user_invite WHERE id = $1 AND token_hash = $2 AND status = 'pending' AND expires_at > $3`,
		inviteID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// Delivered notes how the mail with a link ended (mailqueue.Handler.Delivered).
// A link that has been replaced meanwhile changes nothing.
func Delivered(ctx context.Context, tx *database.Tx, inviteID id.ID, tokenHash string, r outbox.Result) error {
	delivery, at := Failed, (*time.Time)(nil)
	if r == outbox.Sent {
		delivery, at = Sent, &tx.Now
	}
	inv, err := scan(tx.QueryRow(ctx, `UPDATE user_invite SET delivery = $1, last_sent_at = COALESCE($2, last_sent_at)
		WHERE id = $3 AND token_hash = $4 RETURNING `+columns, string(delivery), at, inviteID, tokenHash))
	if errors.Is(err, database.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	e := inv.entry("user_invite.delivery_changed", audit.Meta{"delivery": string(delivery)})
	e.Hidden = delivery == Sent
	return audit.Write(ctx, tx, e)
}
