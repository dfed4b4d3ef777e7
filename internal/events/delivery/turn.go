package delivery

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Due is a subscription to which something is to be sent.
type Due struct {
	Account scope.AccountID
	Webhook WebhookID
	At      time.Time
}

const (
	// selectDue steps from one subscription to the next, however much waits for each.
	selectDue = `WITH RECURSIVE step(id) AS (
			SELECT min(webhook_id) FROM webhook_delivery WHERE status = 'pending'
			UNION ALL
			SELECT (SELECT min(d.webhook_id) FROM webhook_delivery d WHERE d.status = 'pending' AND d.webhook_id > step.id)
				FROM step WHERE step.id IS NOT NULL),
		first(id, at) AS (SELECT id, (SELECT min(d.next_at) FROM webhook_delivery d
			WHERE d.status = 'pending' AND d.webhook_id = step.id) FROM step WHERE id IS NOT NULL)
		SELECT first.id, first.at, (SELECT d.account_id FROM webhook_delivery d
			WHERE d.status = 'pending' AND d.webhook_id = first.id LIMIT 1)
			FROM first WHERE first.at <= $1 ORDER BY first.at`

	takeTurn = `INSERT INTO webhook_turn (webhook_id, account_id, owner, until) VALUES ($1, $2, $3, $4)
		ON CONFLICT (webhook_id) DO UPDATE SET owner = excluded.owner, until = excluded.until
			WHERE webhook_turn.owner = excluded.owner OR webhook_turn.until <= $5 OR webhook_turn.until > $6`
	endTurn = `DELETE FROM webhook_turn WHERE account_id = $1 AND webhook_id = $2 AND owner = $3`

	selectPending = `SELECT ` + deliveryColumns + fromDeliveries + ` AND d.status = 'pending' AND d.next_at <= $3
		ORDER BY d.next_at, d.id LIMIT $4`
	selectByID = `SELECT ` + subscriptionColumns + ` FROM webhook w WHERE w.account_id = $1 AND w.id = $2`

	settleAlike = `UPDATE webhook_delivery SET status = $1, attempts = $2, next_at = $3, response_status = $4,
		response_body = $5 WHERE account_id = $6 AND status = 'pending' AND attempts = $7 AND id IN (`
	insertTries = `INSERT INTO webhook_try (delivery_id, number, account_id, at, duration_ms, response_status,
		response_body, failure) VALUES `
	tryValues = `(?, ?, ?, ?, ?, ?, ?, ?)`

	noteSuccess = `UPDATE webhook SET quiet_since = $1, failures = 0 WHERE account_id = $2 AND id = $3
		AND is_active = 1`
	noteFailure = `UPDATE webhook SET failures = failures + 1 WHERE account_id = $1 AND id = $2 AND is_active = 1
		RETURNING failures`
)

// turnFor is how long a turn lasts that is not renewed.
const turnFor = 30 * time.Second

// AllDue are the subscriptions to which something is to be sent by now, longest due first.
func AllDue(ctx context.Context, tx *database.Tx) ([]Due, error) {
	return database.All(ctx, tx, func(row database.Scanner) (d Due, err error) {
		return d, row.Scan(&d.Webhook, &d.At, &d.Account)
	}, selectDue, tx.Now)
}

// Take takes the turn of a subscription, or renews it, for 30 seconds; false where another has
// it. A turn that lasts longer than any is of a clock that was set back, and is nobody's.
func Take(ctx context.Context, tx *database.Tx, d Due, owner id.ID) (bool, error) {
	n, err := tx.Exec(ctx, takeTurn, d.Webhook, d.Account, owner, tx.Now.Add(turnFor), tx.Now, tx.Now.Add(2*turnFor))
	return n == 1, err
}

// Give gives a turn back.
func Give(ctx context.Context, tx *database.Tx, d Due, owner id.ID) error {
	_, err := tx.Exec(ctx, endTurn, d.Account, d.Webhook, owner)
	return err
}

// First are the first deliveries that are due to a subscription, and the subscription;
// database.ErrNoRows where that is gone.
func First(ctx context.Context, tx *database.Tx, d Due, most int) (s Subscription, list []Delivery, err error) {
	if s, err = scanSubscription(tx.QueryRow(ctx, selectByID, d.Account, d.Webhook)); err != nil {
		return s, nil, err
	}
	list, err = database.All(ctx, tx, scanDelivery, selectPending, d.Account, d.Webhook, tx.Now, most)
	return s, list, err
}

// Result is what an attempt came to.
type Result struct {
	Of     Delivery // as it was before
	Try    Try
	Status Status
	NextAt time.Time // of one that stays pending
}

// alike are results that one statement writes.
type alike struct {
	status      Status
	attempts    int
	next        time.Time
	response    int
	hasBody     bool
	body        string
	hasResponse bool
}

// Settle writes what attempts came to, of deliveries that are still wanted: those are given.
func Settle(ctx context.Context, tx *database.Tx, in scope.AccountID, all []Result) (wanted []Result, err error) {
	groups := map[alike][]Result{}
	var order []alike
	for _, r := range all {
		key := alike{status: r.Status, attempts: r.Of.Attempts, next: r.NextAt}
		if r.Try.ResponseStatus != nil {
			key.response, key.hasResponse = *r.Try.ResponseStatus, true
		}
		if r.Try.ResponseBody != nil {
			key.body, key.hasBody = *r.Try.ResponseBody, true
		}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], r)
	}
	for _, key := range order {
		some, err := settle(ctx, tx, in, groups[key])
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, some...)
	}
	return wanted, insertAll(ctx, tx, in, wanted)
}

// settle writes results that are alike.
func settle(ctx context.Context, tx *database.Tx, in scope.AccountID, some []Result) (wanted []Result, err error) {
	first := some[0]
	args := []any{
		string(first.Status), first.Of.Attempts + 1, first.NextAt, first.Try.ResponseStatus,
		first.Try.ResponseBody, in, first.Of.Attempts,
	}
	for _, r := range some {
		args = append(args, r.Of.ID)
	}
	ids, err := database.All(ctx, tx, scanID, settleAlike+database.Marks(8, len(some))+`) RETURNING id`, args...)
	if err != nil {
		return nil, err
	}
	still := make(map[ID]bool, len(ids))
	for _, of := range ids {
		still[of] = true
	}
	for _, r := range some {
		if still[r.Of.ID] {
			wanted = append(wanted, r)
		}
	}
	return wanted, nil
}

func insertAll(ctx context.Context, tx *database.Tx, in scope.AccountID, all []Result) error {
	for from := 0; from < len(all); from += database.Piece {
		piece := all[from:min(from+database.Piece, len(all))]
		var args []any
		for _, r := range piece {
			args = append(args, r.Of.ID, r.Of.Attempts+1, in, r.Try.At, r.Try.Took.Milliseconds(), r.Try.ResponseStatus,
				r.Try.ResponseBody, r.Try.Failure)
		}
		if _, err := tx.Exec(ctx, insertTries+database.Rows(tryValues, 0, len(piece)), args...); err != nil {
			return err
		}
	}
	return nil
}

// Succeeded notes that a subscription has got something, unless it is switched off: that was a
// test, and says nothing about why.
func Succeeded(ctx context.Context, tx *database.Tx, in scope.AccountID, of WebhookID) error {
	_, err := tx.Exec(ctx, noteSuccess, tx.Now, in, of)
	return err
}

// FailedOnce counts a failed delivery of a subscription that is switched on, and tells how many
// there are since its last success; 0 where it is off.
func FailedOnce(ctx context.Context, tx *database.Tx, in scope.AccountID, of WebhookID) (failures int, err error) {
	list, err := database.All(ctx, tx, func(row database.Scanner) (n int, err error) {
		return n, row.Scan(&n)
	}, noteFailure, in, of)
	if len(list) > 0 {
		failures = list[0]
	}
	return failures, err
}
