package portaluser

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// ID names a portal user.
type ID = principal.UserID

// User is a portal user. What one may do hangs on memberships, not on this row.
type User struct {
	ID                ID
	Email             string
	FirstName         string
	LastName          string
	PasswordHash      string
	PasswordChangedAt time.Time
	CreatedAt         time.Time
}

// ByEmail finds the user of a normalised address; false when there is none.
func ByEmail(ctx context.Context, tx *database.Tx, email string) (User, bool, error) {
	return found(scanUser(tx.QueryRow(ctx, selectUser+`email = $1`, email)))
}

// ByID finds a user; false when there is none.
func ByID(ctx context.Context, tx *database.Tx, userID ID) (User, bool, error) {
	return found(scanUser(tx.QueryRow(ctx, selectUser+`id = $1`, userID)))
}

// Find reads a user that the caller names; ErrNotFound.
func Find(ctx context.Context, tx *database.Tx, userID ID) (User, error) {
	u, is, err := ByID(ctx, tx, userID)
	if err == nil && !is {
		err = ErrNotFound
	}
	return u, err
}

func found(u User, err error) (User, bool, error) {
	if errors.Is(err, database.ErrNoRows) {
		return User{}, false, nil
	}
	return u, err == nil, err
}

// Count is the number of users of the whole install.
func Count(ctx context.Context, tx *database.Tx) (n int, err error) {
	return n, tx.QueryRow(ctx, `SELECT count(*) FROM portal_user`).Scan(&n)
}

// NewParams is what Create wants.
type NewParams struct {
	ID           ID
	Email        string
	FirstName    string
	LastName     string
	PasswordHash string
}

// Create makes the user of a proven address; false when the address has one
// already. Event: user.registered in the Account, with the new user as actor.
func Create(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.AccountID, p NewParams,
) (User, bool, error) {
	n, err := tx.Exec(ctx, insertUser, p.ID, p.Email, p.FirstName, p.LastName,
		text.Fold(p.FirstName+" "+p.LastName), p.PasswordHash, tx.Now)
	if err != nil || n == 0 {
		return User{}, false, err
	}
	u, err := Find(ctx, tx, p.ID)
	if err != nil {
		return u, false, err
	}
	entry := event.Entry{Actor: by.AsUser(u.ID, u.Email), Account: in, Resource: u.ID.Any(), Label: u.Email}
	return u, true, event.Record(ctx, tx, Registered, entry, RegisteredPayload{u.Email})
}

// SetPassword stores a new hash, if the password is still the one of u, and holds the
// row as Lock does; false when another call was faster. The person is known in no
// browser any more.
func SetPassword(ctx context.Context, tx *database.Tx, u User, hash string) (Locked, bool, error) {
	u, won, err := found(scanUser(tx.QueryRow(ctx, updatePassword, hash, tx.Now, u.ID, u.PasswordChangedAt)))
	if err == nil && won {
		_, err = tx.Exec(ctx, deleteBrowsers, u.ID)
	}
	return Locked{u}, won && err == nil, err
}

// Locked is a user whose row the transaction holds until it ends. Whatever opens or
// renews a session, or ends one for a new password or membership, takes one, and only
// Lock and SetPassword make it: so none of these passes another unseen.
type Locked struct{ user User }

// User is the user, as it is under the lock.
func (l Locked) User() User { return l.user }

// Lock waits for the user's row and holds it. Locks are taken in the order Account,
// person, counters. Fault: users.not_found.
func Lock(ctx context.Context, tx *database.Tx, userID ID) (Locked, error) {
	u, err := scanUser(tx.QueryRow(ctx, lockUser, userID))
	if errors.Is(err, database.ErrNoRows) {
		return Locked{}, ErrNotFound
	}
	return Locked{u}, err
}

// Rehash renews the hash of an unchanged password under the current parameters.
func Rehash(ctx context.Context, tx *database.Tx, u User, hash string) error {
	_, err := tx.Exec(ctx, updateHash, hash, u.ID, u.PasswordHash)
	return err
}
