package identityinvite

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbox"
)

// Resend replaces the link of an invite that is seen from the place, and mails it, unless the
// invite is not mailed; the earlier link is unknown from now on. Faults: invites.not_found,
// invites.not_pending, invites.resend_cooldown, rate_limit.exceeded. Event: invite.resent.
func (s *Service) Resend(
	ctx context.Context, by principal.Actor, at membership.Place, inviteID ID,
) (Linked, error) {
	var tooEarly time.Duration
	made, err := membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (made Linked, err error) {
		tooEarly = 0
		i, err := own(ctx, tx, at, inviteID)
		if err != nil {
			return made, err
		}
		token, mails := secret.NewToken(), 0
		if i.mailed() {
			i.Delivery, mails = Queued, 1
		}
		n, err := tx.Exec(ctx, updateResend, token.Hash(), tx.Now.Add(s.Life), tx.Now, string(i.Delivery), mails, i.Account,
			i.ID, tx.Now.Add(-cooldown))
		if err != nil {
			return made, err
		}
		if i, err = own(ctx, tx, at, inviteID); err != nil {
			return made, err
		}
		if n == 0 {
			tooEarly, err = cooling(ctx, tx, i)
			return made, err
		}
		if err := drop(ctx, tx, i); err != nil {
			return made, err
		}
		if err := s.mail(ctx, tx, by, i, token); err != nil {
			return made, err
		}
		return Linked{i, s.link(token)}, event.Record(ctx, tx, Resent, i.entry(by), i.told())
	})
	if err == nil && tooEarly > 0 {
		return Linked{}, ErrCooldown.WithRetryAfter(tooEarly)
	}
	return made, err
}

// cooling is how long an invite that got its link just now gets no other. One that got it ahead
// counts as having got it now, and is kept so: the clock was set back since.
func cooling(ctx context.Context, tx *database.Tx, i Invite) (wait time.Duration, err error) {
	if i.Status.at(tx.Now, i.ExpiresAt) != Pending {
		return 0, ErrNotPending
	}
	if i.askedAt.After(tx.Now) {
		i.askedAt = tx.Now
		if _, err := tx.Exec(ctx, rewindAsked, tx.Now, i.Account, i.ID); err != nil {
			return 0, err
		}
	}
	return max(i.askedAt.Add(cooldown).Sub(tx.Now), time.Millisecond), nil
}

// Revoke makes the link of an invite that is seen from the place dead at once. Faults:
// invites.not_found, invites.not_pending. Event: invite.revoked.
func (s *Service) Revoke(ctx context.Context, by principal.Actor, at membership.Place, inviteID ID) error {
	_, err := membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (none struct{}, err error) {
		i, err := own(ctx, tx, at, inviteID)
		if err != nil {
			return none, err
		}
		n, err := tx.Exec(ctx, updateRevoke, i.Account, i.ID, tx.Now)
		if err != nil {
			return none, err
		}
		if n == 0 {
			return none, ErrNotPending
		}
		if err := drop(ctx, tx, i); err != nil {
			return none, err
		}
		return none, event.Record(ctx, tx, Withdrawn, i.entry(by), WithdrawnPayload{Email: i.Email})
	})
	return err
}

// drop takes an invite's queued mail back and wipes its link.
func drop(ctx context.Context, tx *database.Tx, i Invite) error {
	return outbox.Drop(ctx, tx, string(i.mail()), i.ID.Any())
}

// StillWanted reports whether a queued mail's link is the invite's current one
// (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, inviteID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectWanted, inviteID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// Delivered notes how the mail with a link ended (mailqueue.Handler.Delivered). A link that has
// been replaced meanwhile changes nothing.
func Delivered(ctx context.Context, tx *database.Tx, inviteID id.ID, tokenHash string, r outbox.Result) error {
	delivery, at := Failed, (*time.Time)(nil)
	if r == outbox.Sent {
		delivery, at = Sent, &tx.Now
	}
	_, err := tx.Exec(ctx, updateDelivery, string(delivery), at, inviteID, tokenHash)
	return err
}
