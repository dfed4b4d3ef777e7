package event

import (
	"context"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Unsealed says of a row that it has no number in its Account's order yet.
type Unsealed struct {
	N     int64 // its place among those
	Event RowID
}

const (
	selectUnsealed = `SELECT n, event_id FROM audit_unsealed WHERE account_id = $1 ORDER BY n LIMIT $2`
	selectWaiting  = `SELECT DISTINCT account_id FROM audit_unsealed LIMIT $1`
	deleteSealed   = `DELETE FROM audit_unsealed WHERE account_id = $1 AND n IN (`
	selectIDs      = `SELECT id, account_id FROM audit_event WHERE id > $1 ORDER BY id LIMIT $2`
	areUnsealed    = `SELECT event_id FROM audit_unsealed WHERE account_id = $1 AND event_id IN (`
	selectByIDs    = `SELECT ` + rowColumns + ` FROM audit_event WHERE id IN (`
)

// Waiting are the orders in which some rows have no number yet, as far as most.
func Waiting(ctx context.Context, tx *database.Tx, most int) ([]string, error) {
	return database.All(ctx, tx, func(row database.Scanner) (in string, err error) {
		return in, row.Scan(&in)
	}, selectWaiting, most)
}

// FirstUnsealed gives the rows that are to get the next numbers, in their order.
func FirstUnsealed(ctx context.Context, tx *database.Tx, in string, most int) ([]Unsealed, error) {
	return database.All(ctx, tx, func(row database.Scanner) (u Unsealed, err error) {
		return u, row.Scan(&u.N, &u.Event)
	}, selectUnsealed, in, most)
}

// Sealed says that rows have got their numbers.
func Sealed(ctx context.Context, tx *database.Tx, in string, list []Unsealed) error {
	places := make([]int64, 0, len(list))
	for _, u := range list {
		places = append(places, u.N)
	}
	return database.Name(places, func(marks string, args []any) error {
		_, err := tx.Exec(ctx, deleteSealed+marks+`)`, args...)
		return err
	}, in)
}

// ByID gives rows by their ids, of whatever Account; those that are gone are left out.
func ByID(ctx context.Context, tx *database.Tx, ids []RowID) (map[RowID]Row, error) {
	found := make(map[RowID]Row, len(ids))
	err := database.Name(ids, func(marks string, args []any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			r, err := scanRow(row)
			found[r.ID] = r
			return err
		}, selectByIDs+marks+`)`, args...)
	})
	return found, err
}

// IDs gives the ids of rows behind one, ascending, and of which Account each is: of all, as no
// index but that of the rows themselves is to be trusted.
func IDs(ctx context.Context, tx *database.Tx, behind RowID, most int) (ids []RowID, of []scope.AccountID, err error) {
	err = tx.Query(ctx, func(row database.Scanner) error {
		var r RowID
		var in scope.AccountID
		err := row.Scan(&r, &in)
		ids, of = append(ids, r), append(of, in)
		return err
	}, selectIDs, behind.String(), most)
	return ids, of, err
}

// AreUnsealed are those of some rows that wait for a number.
func AreUnsealed(ctx context.Context, tx *database.Tx, in string, ids []RowID) (map[RowID]bool, error) {
	waiting := map[RowID]bool{}
	err := database.Name(ids, func(marks string, args []any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var of RowID
			err := row.Scan(&of)
			waiting[of] = true
			return err
		}, areUnsealed+marks+`)`, args...)
	}, in)
	return waiting, err
}

// Stands reports whether a row about something stands for what was done to others.
func Stands(
	ctx context.Context, tx *database.Tx, account scope.AccountID, action string, resource id.ID,
) (bool, error) {
	rows, err := Find(ctx, tx, everAt(account, action, resource), Mark{}, 1, NewestFirst)
	return len(rows) > 0, err
}

// everAt means the rows of an action at any time; of a resource, if one is given.
func everAt(account scope.AccountID, action string, resource id.ID) Filter {
	return Filter{
		Account: account, On: Both, From: time.Unix(0, 0), To: time.Unix(1<<33, 0),
		Actions: []string{action}, ResourceID: resource,
	}
}

// nobodys is the order of rows without an Account.
const nobodys = "00000000-0000-0000-0000-000000000000"

// SealedIn is the name of the order in which an Account's rows have their numbers. Those
// without an Account are in one of their own.
func SealedIn(account scope.AccountID) string { return account.String() }

// OrderOf is the Account of an order; zero for that of rows without one.
func OrderOf(in string) (account scope.AccountID, err error) {
	if strings.Trim(in, "0-") == "" {
		return account, nil
	}
	return account, account.UnmarshalText([]byte(in))
}
