package event

import (
	"context"
	"strings"

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
	return inPieces(list, func(piece []Unsealed) error {
		args := []any{in}
		for _, u := range piece {
			args = append(args, u.N)
		}
		_, err := tx.Exec(ctx, deleteSealed+database.Marks(2, len(piece))+`)`, args...)
		return err
	})
}

// ByID gives rows by their ids, of whatever Account; those that are gone are left out.
func ByID(ctx context.Context, tx *database.Tx, ids []RowID) (map[RowID]Row, error) {
	found := make(map[RowID]Row, len(ids))
	err := inPieces(ids, func(piece []RowID) error {
		args := make([]any, 0, len(piece))
		for _, of := range piece {
			args = append(args, of)
		}
		return tx.Query(ctx, func(row database.Scanner) error {
			r, err := scanRow(row)
			found[r.ID] = r
			return err
		}, selectByIDs+database.Marks(1, len(piece))+`)`, args...)
	})
	return found, err
}

// pieceOfIDs is how many rows one statement names.
const pieceOfIDs = 64

func inPieces[T any](list []T, fn func([]T) error) error {
	for from := 0; from < len(list); from += pieceOfIDs {
		if err := fn(list[from:min(from+pieceOfIDs, len(list))]); err != nil {
			return err
		}
	}
	return nil
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
