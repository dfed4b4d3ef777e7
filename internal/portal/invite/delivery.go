package invite

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbox"
)

// StillWanted reports whether a queued mail's link is the invite's current one
// (mailqueue.Handler.Still).
func StillWanted(ctx context.Context, tx *database.Tx, inviteID id.ID, tokenHash string) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectWanted, inviteID, tokenHash, tx.Now).Scan(&n)
	return n > 0, err
}

// Delivered notes how the mail with a link ended (mailqueue.Handler.Delivered).
// A link that has been replaced meanwhile changes nothing. Event:
// user_invite.delivery_changed, hidden for a mail that was sent.
func Delivered(ctx context.Context, tx *database.Tx, inviteID id.ID, tokenHash string, r outbox.Result) error {
	delivery, at := Failed, (*time.Time)(nil)
	if r == outbox.Sent {
		delivery, at = Sent, &tx.Now
	}
	inv, err := scan(tx.QueryRow(ctx, updateDelivery, string(delivery), at, inviteID, tokenHash))
	if errors.Is(err, database.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	entry := inv.entry(principal.System())
	entry.Hidden = delivery == Sent
	return event.Record(ctx, tx, DeliveryChanged, entry, DeliveryPayload{delivery})
}
