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
	base := text.Slug(name, "account")
	taken := func(n int) (is bool, err error) {
		var rows int
		err = tx.QueryRow(ctx, countSlug, text.SlugNumber(base, n), tx.Now).Scan(&rows)
		return rows > 0, err
	}
	for n := 1; ; n++ {
		if n > oneByOne {
			var err error
			if n, err = freeNumber(n, taken); err != nil {
				return "", err
			}
		}
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

// oneByOne is how many spellings are tried in turn.
const oneByOne = 20

// freeNumber is a number from n on that is not taken, in a number of look-ups that grows
// with the digits of the answer: strangers choose how many Accounts have one name.
func freeNumber(n int, taken func(n int) (bool, error)) (int, error) {
	last, free := n-1, n // last is taken, or before the first
	for step := 1; ; step *= 2 {
		is, err := taken(free)
		if err != nil {
			return 0, err
		}
		if !is {
			break
		}
		last, free = free, free+step
	}
	for free-last > 1 {
		middle := last + (free-last)/2
		is, err := taken(middle)
		if err != nil {
			return 0, err
		}
		if is {
			last = middle
		} else {
			free = middle
		}
	}
	return free, nil
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
