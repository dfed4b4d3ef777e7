package event

import (
	"context"
	"strings"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Unsealed says of a row that it has no number in its Account's order yet.
type Unsealed struct {
	N           int64 // order of writing
	Event       RowID
	Environment scope.EnvironmentID
	Revision    uint64 // of the Environment; 0 for none
	// Writer orders transactions by when they began to write: one that was answered before
	// another was asked has the lower one. It is 0 where they write one after the other.
	Writer int64
}

const (
	selectUnsealed = `SELECT n, event_id, environment_id, COALESCE(revision, 0), xid FROM audit_unsealed
		WHERE account_id = $1 ORDER BY xid, n LIMIT $2`
	selectUnsealedTo = `SELECT n, event_id, environment_id, COALESCE(revision, 0), xid FROM audit_unsealed
		WHERE account_id = $1 AND xid <= $2 ORDER BY xid, n`
	selectBehind = `SELECT COALESCE(max(xid), 0) FROM audit_unsealed
		WHERE account_id = $1 AND environment_id = $2 AND revision < $3`
	selectWaiting = `SELECT DISTINCT account_id FROM audit_unsealed LIMIT $1`
	deleteSealed  = `DELETE FROM audit_unsealed WHERE account_id = $1 AND n IN (`
	selectByIDs   = `SELECT ` + rowColumns + ` FROM audit_event WHERE id IN (`
)

// Waiting are the orders in which some rows have no number yet, as far as most.
func Waiting(ctx context.Context, tx *database.Tx, most int) ([]string, error) {
	return database.All(ctx, tx, func(row database.Scanner) (in string, err error) {
		return in, row.Scan(&in)
	}, selectWaiting, most)
}

// FirstUnsealed gives rows that are to get the next numbers: about so many, and with each row
// all that have to come before it. Of two rows of an Environment that with the lower revision
// comes first, though its transaction may have begun to write later.
func FirstUnsealed(ctx context.Context, tx *database.Tx, in string, about int) ([]Unsealed, error) {
	list, err := database.All(ctx, tx, scanUnsealed, selectUnsealed, in, about)
	if err != nil || len(list) < about {
		return list, err
	}
	to := list[len(list)-1].Writer
	for {
		if list, err = database.All(ctx, tx, scanUnsealed, selectUnsealedTo, in, to); err != nil {
			return nil, err
		}
		highest := map[scope.EnvironmentID]uint64{}
		for _, u := range list {
			highest[u.Environment] = max(highest[u.Environment], u.Revision)
		}
		further := to
		for environment, revision := range highest {
			if revision == 0 {
				continue
			}
			var behind int64
			//nolint:gosec // a revision is counted from 1 on
			err := tx.QueryRow(ctx, selectBehind, in, environment, int64(revision)).Scan(&behind)
			if err != nil {
				return nil, err
			}
			further = max(further, behind)
		}
		if further == to {
			return list, nil
		}
		to = further
	}
}

func scanUnsealed(row database.Scanner) (u Unsealed, err error) {
	return u, row.Scan(&u.N, &u.Event, &u.Environment, &u.Revision, &u.Writer)
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
