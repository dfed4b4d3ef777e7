package event

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	selectHappened = `SELECT id, action, account_id, environment_id, resource_id FROM audit_event e
		WHERE account_id = $1 AND in_feed = 1 AND created_at >= $2 AND created_at <= $3`
	inEnvironment = ` AND environment_id = $4`
	// ofAccount leaves out what the Account has a row of its own of.
	ofAccount = ` AND (environment_id IS NULL OR NOT EXISTS (SELECT 1 FROM audit_event a
		WHERE a.account_id = e.account_id AND a.environment_id IS NULL AND a.action = e.action
			AND a.resource_id = e.resource_id AND a.correlation_id = e.correlation_id AND a.created_at = e.created_at))`
)

// Span is a time, both ends included.
type Span struct{ From, To time.Time }

// Between gives what followers of a place have got, or should have, in a time: the events of some
// types, or of all where none is named, oldest first, up to most.
func Between(
	ctx context.Context, tx *database.Tx, in delivery.Place, at Span, types []string, most int,
) ([]delivery.Happened, error) {
	query, args := selectHappened, []any{in.Account, at.From, at.To}
	if in.Environment.IsZero() {
		query += ofAccount
	} else {
		query += inEnvironment
		args = append(args, in.Environment)
	}
	if len(types) > 0 {
		query += ` AND action IN (` + database.Marks(len(args)+1, len(types)) + `)`
		for _, t := range types {
			args = append(args, t)
		}
	}
	args = append(args, most)
	query += ` ORDER BY created_at, ordinal LIMIT ` + database.Marks(len(args), 1)
	return database.All(ctx, tx, func(row database.Scanner) (h delivery.Happened, err error) {
		return h, row.Scan(&h.Event, &h.Type, &h.Account, &h.Environment, &h.Resource)
	}, query, args...)
}
