package delivery

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Trouble is how many subscriptions of a place want somebody's attention.
type Trouble struct {
	Place Place
	Count int
	Since time.Time // of the first of them
}

const (
	// Who switches a subscription off, or on, forgets its failures: only one that was switched
	// off because of them has some.
	selectDisabled = `SELECT w.application_id, w.environment_id, count(*), min(w.updated_at) FROM webhook w
		WHERE w.account_id = $1 AND w.is_active = 0 AND w.failures > 0 GROUP BY w.application_id, w.environment_id`

	// A delivery that was tried three times waits longest, for half an hour at least, and so is
	// among those that are due last.
	selectFailing = `SELECT w.application_id, w.environment_id, count(*), min(w.quiet_since) FROM webhook w
		WHERE w.account_id = $1 AND w.is_active = 1 AND (w.failures > 0 OR EXISTS (SELECT 1 FROM
			(SELECT d.attempts FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.status = 'pending'
				ORDER BY d.next_at DESC, d.id DESC LIMIT 100) AS latest WHERE latest.attempts >= 3))
		GROUP BY w.application_id, w.environment_id`
)

// Disabled counts the subscriptions of an Account and its Environments that were switched off
// because their receiver is gone or has been failing for long, since when they were.
func Disabled(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]Trouble, error) {
	return troubles(ctx, tx, in, selectDisabled)
}

// Failing counts those that are switched on, and to which something was not delivered since
// their last success, or not by three attempts yet; since when nothing has been received.
func Failing(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]Trouble, error) {
	return troubles(ctx, tx, in, selectFailing)
}

func troubles(ctx context.Context, tx *database.Tx, in scope.AccountID, query string) ([]Trouble, error) {
	return database.All(ctx, tx, func(row database.Scanner) (t Trouble, err error) {
		t.Place.Account = in
		return t, row.Scan(&t.Place.Application, &t.Place.Environment, &t.Count, &t.Since)
	}, query, in)
}
