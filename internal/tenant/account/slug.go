package account

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// ReserveSlug takes the first free spelling of the name's slug for accountID
// until the given instant. Reservations that have run out are taken over. The
// primary key of account_slug decides races.
func ReserveSlug(ctx context.Context, tx *database.Tx, accountID ID, name string, until time.Time) (string, error) {
	base := text.Slug(name, "account")
	for n := 1; ; n++ {
		slug := text.SlugNumber(base, n)
		took, err := tx.Exec(ctx, insertSlug, slug, accountID, until, tx.Now)
		if err != nil {
			return "", err
		}
		if took == 1 {
			return slug, nil
		}
	}
}

// ProlongSlug keeps a reservation until a later instant. One that had run out
// and was taken over is made again, from the name.
func ProlongSlug(ctx context.Context, tx *database.Tx, accountID ID, name string, until time.Time) error {
	kept, err := tx.Exec(ctx, prolongSlug, until, accountID)
	if err == nil && kept == 0 {
		_, err = ReserveSlug(ctx, tx, accountID, name, until)
	}
	return err
}

// ReleaseSlug gives a reservation up. The slug of an Account that exists stays.
func ReleaseSlug(ctx context.Context, tx *database.Tx, accountID ID) error {
	_, err := tx.Exec(ctx, releaseSlug, accountID)
	return err
}
