package account

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// ReserveSlug takes a free spelling of the name's slug for accountID until the given
// instant: the first of the first twenty, and where these are taken one whose
// predecessor is. Reservations that have run out are taken over. The primary key of
// account_slug decides races.
func ReserveSlug(ctx context.Context, tx *database.Tx, accountID ID, name string, until time.Time) (string, error) {
	for {
		slug, err := text.FreeSlug(text.Slug(name, "account"), func(slug string) (is bool, err error) {
			var rows int
			err = tx.QueryRow(ctx, countSlug, slug, tx.Now).Scan(&rows)
			return rows > 0, err
		})
		if err != nil {
			return "", err
		}
		took, err := tx.Exec(ctx, insertSlug, slug, accountID, until, tx.Now)
		if err != nil {
			return "", err
		}
		if took == 1 {
			return slug, nil
		}
		// Another took it between the look and the insert.
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
