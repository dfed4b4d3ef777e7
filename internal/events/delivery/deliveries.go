package delivery

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Status says how far a delivery is.
type Status string

// The statuses.
const (
	Pending Status = "pending"
	Success Status = "success"
	Failed  Status = "failed"
)

// Enum lists the statuses, for schemas.
func (Status) Enum() []string { return []string{string(Pending), string(Success), string(Failed)} }

// Delivery is one event on its way to one subscription.
type Delivery struct {
	ID             ID
	Webhook        WebhookID
	Event          id.ID
	Type           string
	Body           string // of a test; "" for that of the event
	Status         Status
	Attempts       int
	NextAt         time.Time // zero: none is to come
	ResponseStatus *int
	ResponseBody   *string
	CreatedAt      time.Time
}

// Try is one attempt.
type Try struct {
	At             time.Time
	Took           time.Duration
	ResponseStatus *int
	ResponseBody   *string
	Failure        *string
}

// Sorts are the keys that lists of deliveries can be sorted by.
var Sorts = page.Sorts{{Key: "created_at", Column: "d.created_at", Desc: true}}

const (
	deliveryColumns = `d.id, d.webhook_id, d.event_id, d.event_type, COALESCE(d.body, ''), d.status, d.attempts,
		d.next_at, d.response_status, d.response_body, d.created_at`
	fromDeliveries = ` FROM webhook_delivery d WHERE d.account_id = $1 AND d.webhook_id = $2`

	selectTries = `SELECT at, duration_ms, response_status, response_body, failure FROM webhook_try
		WHERE account_id = $1 AND delivery_id = $2 ORDER BY number`

	startOver = `UPDATE webhook_delivery SET status = 'pending', attempts = 0, next_at = $1, response_status = NULL,
		response_body = NULL WHERE account_id = $2 AND webhook_id = $3 AND id = $4`
	deleteTries = `DELETE FROM webhook_try WHERE account_id = $1 AND delivery_id = $2`

	endPending = `UPDATE webhook_delivery SET status = 'failed', next_at = NULL
		WHERE account_id = $1 AND webhook_id = $2 AND status = 'pending'`
	dropPending = `DELETE FROM webhook_delivery WHERE account_id = $1 AND webhook_id = $2 AND status = 'pending'
		AND event_type NOT IN (`

	selectSome = `SELECT d.id FROM webhook_delivery d WHERE d.account_id = $1 AND d.webhook_id = $2 LIMIT 500`

	selectReplaying = `SELECT count(*) FROM (SELECT 1 AS one FROM webhook_delivery
		WHERE account_id = $1 AND webhook_id = $2 AND status = 'pending' AND replayed = 1 AND attempts = 0
		LIMIT 1) AS waiting`
	selectSettled = `SELECT DISTINCT event_id FROM webhook_delivery
		WHERE account_id = $1 AND webhook_id = $2 AND (status = 'pending' OR status = $3) AND event_id IN (`

	selectOld = `SELECT id FROM webhook_delivery WHERE id < $1 AND created_at < $2 ORDER BY id LIMIT 500`
)

func scanDelivery(row database.Scanner) (d Delivery, err error) {
	err = row.Scan(&d.ID, &d.Webhook, &d.Event, &d.Type, &d.Body, &d.Status, &d.Attempts, &d.NextAt,
		&d.ResponseStatus, &d.ResponseBody, &d.CreatedAt)
	return d, err
}

// Deliveries gives one page of a subscription's deliveries; status "" is any.
func Deliveries(
	ctx context.Context, tx *database.Tx, of Subscription, status Status, r page.Request,
) (list []Delivery, info page.Info, err error) {
	from, args := fromDeliveries, []any{of.Place.Account, of.ID}
	if status != "" {
		args = append(args, string(status))
		from += ` AND d.status = $3`
	}
	if r.Q != "" {
		args = append(args, text.LikePattern(r.Q))
		from += ` AND d.event_type LIKE ` + database.Marks(len(args), 1) + ` ESCAPE '\'`
	}
	var count int
	if err := tx.QueryRow(ctx, `SELECT count(*)`+from, args...).Scan(&count); err != nil {
		return nil, info, err
	}
	list, err = database.All(ctx, tx, scanDelivery, `SELECT `+deliveryColumns+from+r.OrderBy("d.id")+r.Limit(), args...)
	return list, r.Of(count), err
}

// FindDelivery gives a delivery of a subscription; database.ErrNoRows where there is none.
func FindDelivery(ctx context.Context, tx *database.Tx, of Subscription, which ID) (Delivery, error) {
	return scanDelivery(tx.QueryRow(ctx, `SELECT `+deliveryColumns+fromDeliveries+` AND d.id = $3`,
		of.Place.Account, of.ID, which))
}

// Tries are the attempts of a delivery, oldest first.
func Tries(ctx context.Context, tx *database.Tx, in scope.AccountID, which ID) ([]Try, error) {
	return database.All(ctx, tx, func(row database.Scanner) (t Try, err error) {
		var took int64
		err = row.Scan(&t.At, &took, &t.ResponseStatus, &t.ResponseBody, &t.Failure)
		t.Took = time.Duration(took) * time.Millisecond
		return t, err
	}, selectTries, in, which)
}

// StartOver makes a delivery due anew, as if it had never been tried.
func StartOver(ctx context.Context, tx *database.Tx, of Subscription, which ID) error {
	if _, err := tx.Exec(ctx, startOver, tx.Now, of.Place.Account, of.ID, which); err != nil {
		return err
	}
	database.Collect(tx, func() *queued { return &queued{} })
	_, err := tx.Exec(ctx, deleteTries, of.Place.Account, which)
	return err
}

// Tests says what becomes of tests of a subscription that was switched off.
type Tests string

// What becomes of them.
const (
	AndTests Tests = ""
	ButTests Tests = ` AND body IS NULL`
)

// EndPending ends as failed what is queued for a subscription.
func EndPending(ctx context.Context, tx *database.Tx, of Subscription, tests Tests) error {
	_, err := tx.Exec(ctx, endPending+string(tests), of.Place.Account, of.ID)
	return err
}

// DropUnwanted drops what is queued of types that a subscription no longer wants.
func DropUnwanted(ctx context.Context, tx *database.Tx, of Subscription, kept ...string) error {
	if of.Wants(Every) {
		return nil
	}
	args := []any{of.Place.Account, of.ID}
	for _, eventType := range append(kept, of.Types...) {
		args = append(args, eventType)
	}
	_, err := tx.Exec(ctx, dropPending+database.Marks(3, len(args)-2)+`)`, args...)
	return err
}

// DropAll drops a piece of what there is of a subscription that is gone; left says that there
// may be more.
func DropAll(ctx context.Context, tx *database.Tx, in scope.AccountID, of WebhookID) (left bool, err error) {
	list, err := database.All(ctx, tx, scanID, selectSome, in, of)
	if err != nil {
		return false, err
	}
	return len(list) > 0, dropByID(ctx, tx, list)
}

func scanID(row database.Scanner) (of ID, err error) { return of, row.Scan(&of) }

// dropByID removes deliveries and their tries.
func dropByID(ctx context.Context, tx *database.Tx, list []ID) error {
	return database.Name(list, func(marks string, args []any) error {
		if _, err := tx.Exec(ctx, `DELETE FROM webhook_try WHERE delivery_id IN (`+marks+`)`, args...); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM webhook_delivery WHERE id IN (`+marks+`)`, args...)
		return err
	})
}

// Replaying reports whether something of a replay has not been tried yet.
func Replaying(ctx context.Context, tx *database.Tx, of Subscription) (bool, error) {
	var n int
	err := tx.QueryRow(ctx, selectReplaying, of.Place.Account, of.ID).Scan(&n)
	return n > 0, err
}

// Settled tells which of some events are queued for a subscription already and, where it is
// asked for, which have been delivered.
func Settled(
	ctx context.Context, tx *database.Tx, of Subscription, events []id.ID, delivered bool,
) (map[id.ID]bool, error) {
	status := Pending
	if delivered {
		status = Success
	}
	found := map[id.ID]bool{}
	err := database.Name(events, func(marks string, args []any) error {
		return tx.Query(ctx, func(row database.Scanner) error {
			var e id.ID
			err := row.Scan(&e)
			found[e] = true
			return err
		}, selectSettled+marks+`)`, args...)
	}, of.Place.Account, of.ID, string(status))
	return found, err
}

// kept is for how long deliveries are kept.
const kept = 30 * 24 * time.Hour

// Sweep deletes deliveries of more than 30 days ago, in small transactions. It may run at any
// time.
func Sweep(ctx context.Context, db *database.DB) error {
	for {
		more, err := database.Write(ctx, db, func(tx *database.Tx) (bool, error) {
			before := tx.Now.Add(-kept)
			// Ids sort by age, so the primary key finds the old ones.
			list, err := database.All(ctx, tx, scanID, selectOld, id.New[ID](before), before)
			if err != nil {
				return false, err
			}
			return len(list) == 500, dropByID(ctx, tx, list)
		})
		if err != nil || !more {
			return err
		}
	}
}
