package event

import (
	"context"
	"errors"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	insertEvents = `INSERT INTO audit_event (id, account_id, application_id, environment_id,
		actor_id, actor_type, actor_label, action, category, resource_type, resource_id, resource_label, metadata,
		outcome, severity, customer_visible, identity_visible, correlation_id, created_at,
		revision, ordinal, in_feed, surfaces) VALUES `
	eventValues = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertUnsealed = `INSERT INTO audit_unsealed (account_id, event_id) VALUES `
	unsealedValues = `(?, ?)`

	// ofApplication leaves what is of the Account's tier alone: those rows name no Application.
	ofApplication = `SELECT id FROM audit_event WHERE application_id = $1 AND account_id = $2 AND id IN (
			SELECT id FROM audit_index WHERE application_id = $1
			UNION ALL SELECT event_id FROM audit_unsealed WHERE account_id = $2
		) LIMIT 500`
	deleteEvents  = `DELETE FROM audit_event WHERE COALESCE(account_id, '` + nobodys + `') = $1 AND id IN (`
	deleteIndexed = `DELETE FROM audit_index WHERE account_id = $1 AND id IN (`
)

// atOnce is how many rows one statement writes.
const atOnce = 4

// write writes some rows, and that they have no number yet.
func write(ctx context.Context, tx *database.Tx, rows []Row) error {
	var events, unsealed []any
	for i := range rows {
		r := &rows[i]
		events = append(events,
			r.ID, r.Account, r.Application, r.Environment,
			r.ActorID, string(r.ActorType), orNull(r.ActorLabel),
			r.Action, string(r.Category), orNull(r.ResourceType), r.ResourceID, orNull(r.ResourceLabel), string(r.Metadata),
			string(r.Outcome), string(r.Severity), !r.Hidden, r.IdentityVisible, orNull(r.Correlation), r.CreatedAt,
			orNone(r.Revision), r.Ordinal, r.InFeed, int(r.Surfaces))
		unsealed = append(unsealed, SealedIn(r.Account), r.ID)
	}
	statement := insertEvents + database.Rows(eventValues, 0, len(rows))
	if tx.DB.Engine == database.Postgres { // both in one trip
		statement = `WITH written AS (` + statement + `) ` +
			insertUnsealed + database.Rows(unsealedValues, len(events), len(rows))
		_, err := tx.Exec(ctx, statement, append(events, unsealed...)...)
		return err
	}
	if _, err := tx.Exec(ctx, statement, events...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, insertUnsealed+database.Rows(unsealedValues, 0, len(rows)), unsealed...)
	return err
}

// ForgetApplication removes a piece of a deleted Application's rows, and tells how many.
func ForgetApplication(
	ctx context.Context, tx *database.Tx, account scope.AccountID, application scope.ApplicationID,
) (int, error) {
	ids, err := database.All(ctx, tx, scanRowID, ofApplication, application, account)
	if err != nil {
		return 0, err
	}
	return len(ids), remove(ctx, tx, account, ids)
}

// remove removes rows of an Account, and what they are found by.
func remove(ctx context.Context, tx *database.Tx, account scope.AccountID, ids []RowID) error {
	return database.Name(ids, func(marks string, args []any) error {
		if _, err := tx.Exec(ctx, deleteIndexed+marks+`)`, args...); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, deleteEvents+marks+`)`, args...)
		return err
	}, SealedIn(account))
}

func scanRowID(row database.Scanner) (of RowID, err error) { return of, row.Scan(&of) }

// Newest is the instant of the newest row, zero when there is none.
func Newest(ctx context.Context, db *database.DB) (time.Time, error) {
	return database.Read(ctx, db, func(tx *database.Tx) (at time.Time, err error) {
		err = tx.QueryRow(ctx, `SELECT created_at FROM audit_event ORDER BY id DESC LIMIT 1`).Scan(&at)
		if errors.Is(err, database.ErrNoRows) {
			err = nil
		}
		return at, err
	})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func orNone(revision uint64) any {
	if revision == 0 {
		return nil
	}
	return int64(revision) //nolint:gosec // counted from 1 on
}
