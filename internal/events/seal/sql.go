package seal

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	insertHead = `INSERT INTO audit_seal_head (account_id, number, hash) VALUES ($1, 0, '') ON CONFLICT DO NOTHING`
	// Writing the row locks it.
	lockingHead = `UPDATE audit_seal_head SET number = number WHERE account_id = $1 RETURNING number, hash`
	setHead     = `UPDATE audit_seal_head SET number = $1, hash = $2 WHERE account_id = $3`

	insertEntries = `INSERT INTO audit_seal
		(account_id, number, event_id, application_id, created_at, key, content, hash) VALUES `
	entryValues = `(?, ?, ?, ?, ?, ?, ?, ?)`

	// An erased row has its first place.
	selectNumbers = `SELECT s.number, s.event_id FROM audit_seal s WHERE s.account_id = $1 AND s.number > $2
		AND NOT EXISTS (SELECT 1 FROM audit_seal f
			WHERE f.event_id = s.event_id AND f.number < s.number AND f.account_id = $1)
		ORDER BY s.number LIMIT $3`
	selectOrders  = `SELECT account_id FROM audit_seal_head ORDER BY account_id`
	selectEntries = `SELECT number, event_id, application_id, created_at, COALESCE(key, ''), content, hash
		FROM audit_seal WHERE account_id = $1 AND number > $2 ORDER BY number LIMIT $3`
	selectPlaces = `SELECT COALESCE(min(number), 0), COALESCE(max(number), 0) FROM audit_seal
		WHERE account_id = $1 AND event_id = $2`
	selectWithEntry = `SELECT event_id FROM audit_seal WHERE account_id = $1 AND event_id IN (`
	selectHighest   = `SELECT COALESCE(max(number), 0) FROM audit_seal WHERE account_id = $1 AND event_id IN (`
	selectWholeHead = `SELECT number, hash FROM audit_seal_head WHERE account_id = $1`

	selectNumber = `SELECT COALESCE(min(number), 0) FROM audit_seal WHERE account_id = $1 AND event_id = $2`
	selectHead   = `SELECT number FROM audit_seal_head WHERE account_id = $1`

	forgetKeys = `UPDATE audit_seal SET key = NULL WHERE account_id = $1 AND event_id IN (`
)

// Numbered is a row's place in its Account's order.
type Numbered struct {
	Number uint64
	Event  event.RowID
}

// Numbers gives what comes behind a number in the Account's order; of rows that are gone, too.
func Numbers(
	ctx context.Context, tx *database.Tx, in scope.AccountID, behind uint64, limit int,
) ([]Numbered, error) {
	return database.All(ctx, tx, func(row database.Scanner) (n Numbered, err error) {
		return n, row.Scan(&n.Number, &n.Event)
	}, selectNumbers, event.SealedIn(in), behind, limit)
}

// PlaceOf is the number that a row got first in its Account's order; 0 where it has none.
func PlaceOf(
	ctx context.Context, tx *database.Tx, in scope.AccountID, of event.RowID,
) (number uint64, err error) {
	return number, tx.QueryRow(ctx, selectNumber, event.SealedIn(in), of).Scan(&number)
}

// Head is the last number that was given; 0 for none.
func Head(ctx context.Context, tx *database.Tx, in scope.AccountID) (number uint64, err error) {
	err = tx.QueryRow(ctx, selectHead, event.SealedIn(in)).Scan(&number)
	if errors.Is(err, database.ErrNoRows) {
		return 0, nil
	}
	return number, err
}

// HighestOf is the highest number that some rows of an Account have; 0 where they have none.
func HighestOf(
	ctx context.Context, tx *database.Tx, in scope.AccountID, ids []event.RowID,
) (highest uint64, err error) {
	err = database.Name(ids, func(marks string, args []any) error {
		var number uint64
		err := tx.QueryRow(ctx, selectHighest+marks+`)`, args...).Scan(&number)
		highest = max(highest, number)
		return err
	}, event.SealedIn(in))
	return highest, err
}

func headOf(ctx context.Context, tx *database.Tx, in string) (number uint64, hash string, err error) {
	err = tx.QueryRow(ctx, selectWholeHead, in).Scan(&number, &hash)
	if errors.Is(err, database.ErrNoRows) {
		return 0, "", nil
	}
	return number, hash, err
}

func scanEntry(row database.Scanner) (e entry, err error) {
	return e, row.Scan(&e.number, &e.event, &e.application, &e.at, &e.key, &e.content, &e.hash)
}

// placesOf are the first and the last entry of a row.
func (c *check) placesOf(ctx context.Context, of event.RowID) (first, last uint64, err error) {
	err = c.tx.QueryRow(ctx, selectPlaces, c.in, of).Scan(&first, &last)
	return first, last, err
}

// withoutEntry are those of some rows that have none.
func withoutEntry(
	ctx context.Context, tx *database.Tx, in string, ids []event.RowID,
) (without []event.RowID, err error) {
	has := map[event.RowID]bool{}
	err = database.Name(ids, func(marks string, args []any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var of event.RowID
			err := row.Scan(&of)
			has[of] = true
			return err
		}, selectWithEntry+marks+`)`, args...)
	}, in)
	if err != nil {
		return nil, err
	}
	for _, of := range ids {
		if !has[of] {
			without = append(without, of)
		}
	}
	return without, nil
}

// insert writes entries.
func insert(ctx context.Context, tx *database.Tx, entries []entry) error {
	for from := 0; from < len(entries); from += database.Piece {
		piece := entries[from:min(from+database.Piece, len(entries))]
		var args []any
		for i := range piece {
			e := &piece[i]
			var key any
			if e.key != "" {
				key = e.key
			}
			args = append(args, e.in, e.number, e.event, e.application, e.at, key, e.content, e.hash)
		}
		if _, err := tx.Exec(ctx, insertEntries+database.Rows(entryValues, 0, len(piece)), args...); err != nil {
			return err
		}
	}
	return nil
}

// forget forgets the keys of the entries that the rows have had before.
func forget(ctx context.Context, tx *database.Tx, in string, ids []event.RowID) error {
	return database.Name(ids, func(marks string, args []any) error {
		_, err := tx.Exec(ctx, forgetKeys+marks+`)`, args...)
		return err
	}, in)
}
