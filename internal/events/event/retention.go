package event

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// RetentionSwept is written once an Account and day, before rows are removed for their age: it
// stands for them.
var RetentionSwept = Type[RetentionPayload]{
	Action: "audit.retention.swept", Category: Audit,
	About: "Rows that were older than they are to be kept were removed.",
}

// RetentionPayload says which, and how many.
type RetentionPayload struct {
	Before time.Time `json:"before"`
	Rows   int64     `json:"rows"`
}

const (
	selectAged = `SELECT DISTINCT account_id FROM audit_event e WHERE created_at < $1 AND account_id IS NOT NULL
		AND NOT EXISTS (SELECT 1 FROM audit_event s WHERE s.account_id = e.account_id
			AND s.action = 'audit.retention.swept' AND s.created_at >= $2) LIMIT 100`
	countAged    = `SELECT count(*) FROM audit_event WHERE account_id = $1 AND created_at < $2`
	selectOldest = `SELECT id, environment_id, COALESCE(revision, 0) FROM audit_event
		WHERE account_id = $1 AND created_at < $2 ORDER BY created_at, id LIMIT $3`
	deleteOldest  = `DELETE FROM audit_event WHERE account_id = $1 AND id IN (`
	countNobodys  = `SELECT count(*) FROM audit_event WHERE account_id IS NULL AND created_at < $1`
	deleteNobodys = `DELETE FROM audit_event WHERE id IN
		(SELECT id FROM audit_event WHERE account_id IS NULL AND created_at < $1 LIMIT $2)`
	raiseSwept = `INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $2, $3)
		ON CONFLICT (scope_id) DO UPDATE SET position = excluded.position
		WHERE audit_swept.position < excluded.position`
	selectSweptLast = `SELECT metadata FROM audit_event WHERE account_id = $1 AND action = 'audit.retention.swept'
		ORDER BY created_at DESC, id DESC LIMIT 1`
	selectSweptNobodys = `SELECT metadata FROM audit_event WHERE account_id IS NULL
		AND action = 'audit.retention.swept' ORDER BY created_at DESC, id DESC LIMIT 1`
)

// Aged are Accounts that have rows from before an instant, and have not been swept since another.
func Aged(ctx context.Context, tx *database.Tx, before, since time.Time) ([]scope.AccountID, error) {
	return database.All(ctx, tx, func(row database.Scanner) (of scope.AccountID, err error) {
		return of, row.Scan(&of)
	}, selectAged, before, since)
}

// CountAged is how many rows an Account has from before an instant; the zero one stands for none.
func CountAged(ctx context.Context, tx *database.Tx, in scope.AccountID, before time.Time) (n int64, err error) {
	if in.IsZero() {
		return n, tx.QueryRow(ctx, countNobodys, before).Scan(&n)
	}
	return n, tx.QueryRow(ctx, countAged, in, before).Scan(&n)
}

// SweepOldest removes some of an Account's rows from before an instant, and tells which. What
// followers of its Environments have missed by that is noted; numberOf says how far the rows
// reach in the Account's order.
func SweepOldest(
	ctx context.Context, tx *database.Tx, in scope.AccountID, before time.Time, most int,
	numberOf func([]RowID) (uint64, error),
) (int, error) {
	highest, ids := map[id.ID]uint64{}, []RowID{}
	err := tx.Query(ctx, func(row database.Scanner) error {
		var of RowID
		var environment scope.EnvironmentID
		var revision uint64
		err := row.Scan(&of, &environment, &revision)
		ids = append(ids, of)
		if revision > 0 {
			highest[environment.Any()] = max(highest[environment.Any()], revision)
		}
		return err
	}, selectOldest, in, before, most)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if highest[in.Any()], err = numberOf(ids); err != nil {
		return 0, err
	}
	for of, position := range highest {
		if _, err := tx.Exec(ctx, raiseSwept, of, in, position); err != nil {
			return 0, err
		}
	}
	return len(ids), database.Name(ids, func(marks string, args []any) error {
		_, err := tx.Exec(ctx, deleteOldest+marks+`)`, args...)
		return err
	}, in)
}

// SweepNobodys removes some rows without an Account from before an instant, and tells how many.
func SweepNobodys(ctx context.Context, tx *database.Tx, before time.Time, most int) (int64, error) {
	return tx.Exec(ctx, deleteNobodys, before, most)
}

// SweptBefore is the instant from before which rows of an Account may have been removed for
// their age; zero where none was.
func SweptBefore(ctx context.Context, tx *database.Tx, in scope.AccountID) (time.Time, error) {
	var metadata string
	last := tx.QueryRow(ctx, selectSweptLast, in)
	if in.IsZero() {
		last = tx.QueryRow(ctx, selectSweptNobodys)
	}
	err := last.Scan(&metadata)
	if errors.Is(err, database.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var p RetentionPayload
	err = json.Unmarshal([]byte(metadata), &p)
	return p.Before, err
}
