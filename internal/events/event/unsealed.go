package event

import (
	"context"
	"strings"

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
	selectIDs      = `SELECT id FROM audit_event WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3`
	selectNobodys  = `SELECT id FROM audit_event WHERE account_id IS NULL AND id > $1 ORDER BY id LIMIT $2`
	areUnsealed    = `SELECT event_id FROM audit_unsealed WHERE account_id = $1 AND event_id IN (`
	selectStanding = `SELECT count(*) FROM audit_event WHERE account_id = $1 AND action = $2 AND resource_id = $3`
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

// IDs gives the ids of an Account's rows behind one, ascending; of those without an Account
// where it is zero.
func IDs(ctx context.Context, tx *database.Tx, account scope.AccountID, behind RowID, most int) ([]RowID, error) {
	one := func(row database.Scanner) (of RowID, err error) { return of, row.Scan(&of) }
	after := behind.String()
	if account.IsZero() {
		return database.All(ctx, tx, one, selectNobodys, after, most)
	}
	return database.All(ctx, tx, one, selectIDs, account, after, most)
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
	var n int
	err := tx.QueryRow(ctx, selectStanding, account, action, resource).Scan(&n)
	return n > 0, err
}

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
