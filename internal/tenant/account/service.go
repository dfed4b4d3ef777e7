package account

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the use cases of Accounts, one transaction each. It is safe for
// concurrent use.
type Service struct{ DB *database.DB }

// Get reads the Account.
func (s *Service) Get(ctx context.Context, in scope.Account) (Account, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (Account, error) { return Find(ctx, tx, in.ID) })
}

// Update changes the Account; ifVersion 0 takes any version. One guarded
// update decides, so that of two writers with one version one gets
// fault.VersionConflict, with the current Account, as view shows it, as data. A
// change that changes nothing writes nothing. Event: account.updated.
func (s *Service) Update(
	ctx context.Context, by principal.Actor, in scope.Account, c Change, ifVersion int, view func(Account) any,
) (Account, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (Account, error) {
		for {
			before, err := Find(ctx, tx, in.ID)
			if err != nil {
				return before, err
			}
			if ifVersion != 0 && ifVersion != before.Version {
				return before, fault.VersionConflict.WithData(view(before))
			}
			after, fields, err := before.applied(c)
			if err != nil || len(fields) == 0 {
				return before, err
			}
			n, err := tx.Exec(ctx, updateAccount, after.Name, string(after.Settings), tx.Now, in.ID, before.Version)
			if err != nil {
				return before, err
			}
			if n == 0 { // PostgreSQL: another writer committed between our read and our update
				continue
			}
			after.Version, after.UpdatedAt = before.Version+1, tx.Now
			entry := event.Entry{Actor: by, Account: in.ID, Resource: in.ID.Any(), Label: after.Name}
			return after, event.Record(ctx, tx, Updated, entry, UpdatedPayload{fields})
		}
	})
}

// Find reads an Account; ErrNotFound.
func Find(ctx context.Context, tx *database.Tx, accountID ID) (Account, error) {
	a, err := scan(tx.QueryRow(ctx, selectAccount, accountID))
	if errors.Is(err, database.ErrNoRows) {
		return a, ErrNotFound
	}
	return a, err
}

// Create makes the Account whose slug was reserved for it; the reservation
// becomes final. One that had run out and was taken over is made again, from the
// name: an Account always has a slug. Event: account.created.
func Create(ctx context.Context, tx *database.Tx, by principal.Actor, accountID ID, name string) error {
	if _, err := tx.Exec(ctx, insertAccount, accountID, name, tx.Now); err != nil {
		return err
	}
	if err := revision.Open(ctx, tx, accountID, accountID.Any()); err != nil {
		return err
	}
	if err := ProlongSlug(ctx, tx, accountID, name, tx.Now); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, keepSlug, accountID); err != nil {
		return err
	}
	entry := event.Entry{Actor: by, Account: accountID, Resource: accountID.Any(), Label: name}
	return event.Record(ctx, tx, Created, entry, event.None{})
}

// Lock holds the Account's row until the transaction ends, so that changes which
// must follow one another do.
func Lock(ctx context.Context, tx *database.Tx, accountID ID) error {
	_, err := tx.Exec(ctx, lockAccount, accountID)
	return err
}
