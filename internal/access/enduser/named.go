package enduser

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Named is an identity as lists of other things show it.
type Named struct {
	ID        ID
	FirstName string
	LastName  string
	Email     string
	AvatarURL *string
}

// Name is first and last name.
func (n Named) Name() string { return n.FirstName + " " + n.LastName }

// FieldsOf are where a row's NamedColumns go.
func FieldsOf(n *Named) []any {
	return []any{&n.ID, &n.FirstName, &n.LastName, &n.Email, &n.AvatarURL}
}

// NamedOf are some identities of the Account, in the order of their ids in of; those that are
// not there are left out.
func NamedOf(ctx context.Context, tx *database.Tx, in scope.AccountID, of []ID) ([]Named, error) {
	if len(of) == 0 {
		return nil, nil
	}
	args := []any{in}
	for _, one := range of {
		args = append(args, one)
	}
	found := make(map[ID]Named, len(of))
	err := tx.Query(ctx, func(row database.Scanner) error {
		var n Named
		err := row.Scan(FieldsOf(&n)...)
		found[n.ID] = n
		return err
	}, selectNamed+`(`+database.Marks(2, len(of))+`)`, args...)
	if err != nil {
		return nil, err
	}
	list := make([]Named, 0, len(of))
	for _, one := range of {
		if n, is := found[one]; is {
			list = append(list, n)
		}
	}
	return list, nil
}
