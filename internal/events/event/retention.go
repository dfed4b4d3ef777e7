package event

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
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
	selectAged = `SELECT DISTINCT account_id FROM audit_index x WHERE created_at < $1 AND NOT EXISTS (
		SELECT 1 FROM audit_index s WHERE s.account_id = x.account_id AND s.kind = $2 AND s.created_at >= $3) LIMIT 100`
	countAged    = `SELECT count(*) FROM audit_index WHERE account_id = $1 AND created_at < $2`
	selectOldest = `SELECT e.id, e.environment_id, COALESCE(e.revision, 0)
		FROM (SELECT id FROM audit_index WHERE account_id = $1 AND created_at < $2 ORDER BY created_at, id LIMIT $3) AS x
		JOIN audit_event e ON e.id = x.id`
	raiseSwept = `INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $2, $3)
		ON CONFLICT (scope_id) DO UPDATE SET position = excluded.position
		WHERE audit_swept.position < excluded.position`
)

// Aged are Accounts that have rows from before an instant, and have not been swept since another;
// the zero one stands for none.
func Aged(ctx context.Context, tx *database.Tx, before, since time.Time) ([]scope.AccountID, error) {
	swept := kindOf(&Row{
		Action: RetentionSwept.Action, Category: RetentionSwept.Category, Outcome: Success, Severity: Info,
		ActorType: principal.KindSystem, Surfaces: RetentionSwept.surfaces(principal.KindSystem),
	})
	return database.All(ctx, tx, func(row database.Scanner) (of scope.AccountID, err error) {
		var in string
		if err := row.Scan(&in); err != nil {
			return of, err
		}
		return OrderOf(in)
	}, selectAged, before, swept.number(), since)
}

// CountAged is how many rows an Account has from before an instant.
func CountAged(ctx context.Context, tx *database.Tx, in scope.AccountID, before time.Time) (n int64, err error) {
	return n, tx.QueryRow(ctx, countAged, SealedIn(in), before).Scan(&n)
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
	}, selectOldest, SealedIn(in), before, most)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	if highest[in.Any()], err = numberOf(ids); err != nil {
		return 0, err
	}
	for of, position := range highest {
		if _, err := tx.Exec(ctx, raiseSwept, of.String(), SealedIn(in), position); err != nil {
			return 0, err
		}
	}
	return len(ids), remove(ctx, tx, in, ids)
}

// SweptBefore is the instant from before which rows of an Account may have been removed for
// their age; zero where none was.
func SweptBefore(ctx context.Context, tx *database.Tx, in scope.AccountID) (time.Time, error) {
	rows, err := Find(ctx, tx, everAt(in, RetentionSwept.Action, id.ID{}), Mark{}, 1, NewestFirst)
	if err != nil || len(rows) == 0 {
		return time.Time{}, err
	}
	var p RetentionPayload
	err = json.Unmarshal(rows[0].Metadata, &p)
	return p.Before, err
}
