package enduser

import (
	"context"
	"errors"
	"slices"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Find reads an identity of the Account; identities.not_found.
func Find(ctx context.Context, tx *database.Tx, in scope.AccountID, of ID) (Identity, error) {
	return found(scan(tx.QueryRow(ctx, selectIdentity+` AND i.id = $2`, in, of)))
}

// FindAll reads identities of the Account, in the order of their ids in of; those that are not
// there are left out.
func FindAll(ctx context.Context, tx *database.Tx, in scope.AccountID, of []ID) ([]Identity, error) {
	list := make([]Identity, 0, len(of))
	if len(of) == 0 {
		return list, nil
	}
	args := []any{in}
	for _, one := range of {
		args = append(args, one)
	}
	found := make(map[ID]Identity, len(of))
	err := tx.Query(ctx, func(row database.Scanner) error {
		i, err := Scan(row)
		found[i.ID] = i
		return err
	}, selectIdentity+` AND i.id IN (`+database.Marks(2, len(of))+`)`, args...)
	for _, one := range of {
		if i, is := found[one]; is {
			list = append(list, i)
		}
	}
	return list, err
}

// ByEmail finds the identity of a normalised address; false when the Account has none.
func ByEmail(ctx context.Context, tx *database.Tx, in scope.AccountID, email string) (Identity, bool, error) {
	i, err := scan(tx.QueryRow(ctx, selectIdentity+` AND i.email = $2`, in, email))
	if errors.Is(err, database.ErrNoRows) {
		return Identity{}, false, nil
	}
	return i, err == nil, err
}

func found(i Identity, err error) (Identity, error) {
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return i, err
}

// Lock holds an identity until the transaction ends, and reads it. Whatever changes a
// person, where the person is a member, or what sessions there are, holds one first, before
// it holds an Environment. Fault: identities.not_found.
func Lock(ctx context.Context, tx *database.Tx, in scope.AccountID, of ID) (Identity, error) {
	return found(scan(tx.Lock(ctx, selectIdentity+` AND i.id = $2`, in, of)))
}

// LockAll is Lock for several, each once and in the order of their ids, so that no two
// writers wait for each other. Those that are not in the Account are left out.
func LockAll(ctx context.Context, tx *database.Tx, in scope.AccountID, of []ID) (map[ID]Identity, error) {
	held := make(map[ID]Identity, len(of))
	for _, one := range Ascending(of) {
		i, err := Lock(ctx, tx, in, one)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		held[one] = i
	}
	return held, nil
}

// Ascending are the ids in their order, each once.
func Ascending(of []ID) []ID {
	ids := slices.Clone(of)
	slices.SortFunc(ids, func(a, b ID) int { return slices.Compare(a[:], b[:]) })
	return slices.Compact(ids)
}

// Create makes an identity of a normalised draft, active, with an address that is not proven;
// hash is "" without a password. Where the address or the external id is taken it writes
// nothing: identities.email_taken, or else identities.external_id_taken. Who makes several
// does so in the order of their addresses.
func Create(ctx context.Context, tx *database.Tx, in scope.AccountID, d Draft, hash string) (Identity, error) {
	metadata, err := kept(d.Metadata)
	if err != nil {
		return Identity{}, err
	}
	i := Identity{
		ID: id.New[ID](tx.Now), Account: in, Email: d.Email, FirstName: d.FirstName, LastName: d.LastName,
		ExternalID: d.ExternalID, Metadata: metadata, Active: true, PasswordHash: hash, CreatedAt: tx.Now, UpdatedAt: tx.Now,
	}
	if hash != "" {
		i.PasswordChangedAt = tx.Now
	}
	n, err := tx.Exec(ctx, insertIdentity, i.ID, in, i.Email, i.FirstName, i.LastName, i.NameFold(), i.Search(),
		i.ExternalID, stored(metadata), orNull(hash), i.PasswordChangedAt, tx.Now)
	if err != nil || n == 1 {
		return i, err
	}
	_, is, err := ByEmail(ctx, tx, in, d.Email)
	switch {
	case err != nil:
		return Identity{}, err
	case is || d.ExternalID == nil:
		return Identity{}, ErrEmailTaken
	}
	return Identity{}, ErrExternalIDTaken
}

// Remove deletes the row of an identity that nothing refers to any more.
func Remove(ctx context.Context, tx *database.Tx, in scope.AccountID, of ID) error {
	_, err := tx.Exec(ctx, deleteIdentity, in, of)
	return err
}

// SaveProfile keeps names and metadata of an identity that the transaction holds.
func SaveProfile(ctx context.Context, tx *database.Tx, i Identity) (Identity, error) {
	i.UpdatedAt = tx.Now
	_, err := tx.Exec(ctx, updateProfile, i.FirstName, i.LastName, i.NameFold(), i.Search(), stored(i.Metadata),
		tx.Now, i.Account, i.ID)
	return i, err
}

// SetActive keeps the switch of an identity that the transaction holds.
func SetActive(ctx context.Context, tx *database.Tx, i Identity, active bool) (Identity, error) {
	i.Active, i.UpdatedAt = active, tx.Now
	_, err := tx.Exec(ctx, updateActive, active, tx.Now, i.Account, i.ID)
	return i, err
}

// SetPassword keeps a new hash of an identity that the transaction holds; wrong passwords are
// forgotten, and so is the lock.
func SetPassword(ctx context.Context, tx *database.Tx, i Identity, hash string) error {
	_, err := tx.Exec(ctx, updatePassword, hash, tx.Now, i.Account, i.ID)
	return err
}

// SetWrong notes how many wrong passwords in a row there were for an identity that the
// transaction holds, and until when they keep it out; a zero instant leaves the lock as it is.
func SetWrong(ctx context.Context, tx *database.Tx, i Identity, run int, until time.Time) error {
	_, err := tx.Exec(ctx, updateWrong, run, until, i.Account, i.ID)
	return err
}

// Unlock forgets the wrong passwords and the lock of an identity that the transaction holds.
func Unlock(ctx context.Context, tx *database.Tx, i Identity) error {
	_, err := tx.Exec(ctx, updateUnlocked, i.Account, i.ID)
	return err
}

// SetVerified notes that the address of an identity that the transaction holds is proven.
func SetVerified(ctx context.Context, tx *database.Tx, i Identity) error {
	_, err := tx.Exec(ctx, updateVerified, tx.Now, i.Account, i.ID)
	return err
}

// SetMFAReset notes that an administrator has reset the second factors of an identity that the
// transaction holds.
func SetMFAReset(ctx context.Context, tx *database.Tx, i Identity) error {
	_, err := tx.Exec(ctx, updateMFAReset, tx.Now, i.Account, i.ID)
	return err
}

// stored is a JSON object as it is kept.
func stored(v []byte) any {
	if v == nil {
		return nil
	}
	return string(v)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
