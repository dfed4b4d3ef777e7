package delivery

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

type (
	webhook struct{}
	one     struct{}
)

type (
	// WebhookID names a subscription.
	WebhookID = id.Of[webhook]
	// ID names a delivery.
	ID = id.Of[one]
)

// Place is where a subscription belongs: to an Environment, or, without one, to an Account.
type Place struct {
	Account     scope.AccountID
	Application scope.ApplicationID
	Environment scope.EnvironmentID
}

// scope is what a place's subscriptions are found by.
func (p Place) scope() id.ID {
	if p.Environment.IsZero() {
		return p.Account.Any()
	}
	return p.Environment.Any()
}

// Every stands for all types of events, also those to come.
const Every = "*"

// Subscription says where events of some types are sent to.
type Subscription struct {
	ID          WebhookID
	Place       Place
	URL         string
	Types       []string // Every alone, or types
	Description *string
	Active      bool
	Secrets     []byte    // sealed
	Until       time.Time // up to which the secret before signs, too; zero: there is none
	QuietSince  time.Time // the last success, exact to a minute, or when it was switched on
	Failures    int       // deliveries that have failed since
	CreatedAt   time.Time
}

// Wants reports whether events of a type are for the subscription.
func (s *Subscription) Wants(eventType string) bool {
	return slices.Contains(s.Types, eventType) || slices.Contains(s.Types, Every)
}

// SubscriptionSorts are the keys that lists of subscriptions can be sorted by.
var SubscriptionSorts = page.Sorts{
	{Key: "created_at", Column: "w.created_at", Desc: true},
	{Key: "url", Column: "w.url_fold"},
}

const (
	subscriptionColumns = `w.id, w.account_id, w.application_id, w.environment_id, w.url, w.event_types, w.description,
		w.is_active, w.secrets, w.previous_expires_at, w.quiet_since, w.failures, w.created_at`
	fromSubscriptions = ` FROM webhook w WHERE w.account_id = $1 AND w.scope_id = $2`

	selectListening = `SELECT w.id, w.scope_id, w.event_types FROM webhook w WHERE w.account_id = $1 AND w.is_active = 1`

	insertSubscription = `INSERT INTO webhook (id, account_id, application_id, environment_id, scope_id, url, url_fold,
		event_types, description, is_active, secrets, previous_expires_at, quiet_since, failures, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, NULL, $11, 0, $11, $11)`
	updateSubscription = `UPDATE webhook SET url = $1, url_fold = $2, event_types = $3, description = $4, is_active = $5,
		secrets = $6, previous_expires_at = $7, quiet_since = $8, failures = $9, updated_at = $10
		WHERE account_id = $11 AND id = $12`
	deleteSubscription = `DELETE FROM webhook WHERE account_id = $1 AND id = $2`

	countOneMore = `INSERT INTO webhook_count (scope_id, account_id, count) VALUES ($1, $2, 1)
		ON CONFLICT (scope_id) DO UPDATE SET count = webhook_count.count + 1 WHERE webhook_count.count < $3`
	countOneLess = `UPDATE webhook_count SET count = count - 1 WHERE scope_id = $1 AND account_id = $2`

	selectOfEnvironment  = `SELECT w.id, w.account_id FROM webhook w WHERE w.environment_id = $1 AND w.scope_id = $1 LIMIT 1`
	switchOffEnvironment = `UPDATE webhook SET is_active = 0 WHERE environment_id = $1 AND scope_id = $1`
	deleteCount          = `DELETE FROM webhook_count WHERE scope_id = $1`
)

func scanSubscription(row database.Scanner) (s Subscription, err error) {
	var types string
	err = row.Scan(&s.ID, &s.Place.Account, &s.Place.Application, &s.Place.Environment, &s.URL, &types, &s.Description,
		&s.Active, &s.Secrets, &s.Until, &s.QuietSince, &s.Failures, &s.CreatedAt)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal([]byte(types), &s.Types)
}

// Subscriptions gives one page of a place's subscriptions.
func Subscriptions(
	ctx context.Context, tx *database.Tx, in Place, r page.Request,
) (list []Subscription, info page.Info, err error) {
	from, args := fromSubscriptions, []any{in.Account, in.scope()}
	if r.Q != "" {
		from += ` AND w.url_fold LIKE $3 ESCAPE '\'`
		args = append(args, text.LikePattern(r.Q))
	}
	var count int
	if err := tx.QueryRow(ctx, `SELECT count(*)`+from, args...).Scan(&count); err != nil {
		return nil, info, err
	}
	list, err = database.All(ctx, tx, scanSubscription,
		`SELECT `+subscriptionColumns+from+r.OrderBy("w.id")+r.Limit(), args...)
	return list, r.Of(count), err
}

// Find gives a subscription of a place; database.ErrNoRows where there is none.
func Find(ctx context.Context, tx *database.Tx, in Place, of WebhookID) (Subscription, error) {
	return scanSubscription(tx.QueryRow(ctx, `SELECT `+subscriptionColumns+fromSubscriptions+` AND w.id = $3`,
		in.Account, in.scope(), of))
}

// Lock is Find in a transaction that is going to change the subscription: others wait.
func Lock(ctx context.Context, tx *database.Tx, in Place, of WebhookID) (Subscription, error) {
	query := `SELECT ` + subscriptionColumns + fromSubscriptions + ` AND w.id = $3`
	if tx.DB.Engine == database.Postgres {
		query += ` FOR UPDATE`
	}
	return scanSubscription(tx.QueryRow(ctx, query, in.Account, in.scope(), of))
}

// Add adds a subscription; false when the place has as many as most.
func Add(ctx context.Context, tx *database.Tx, s Subscription, most int) (added bool, err error) {
	n, err := tx.Exec(ctx, countOneMore, s.Place.scope(), s.Place.Account, most)
	if err != nil || n == 0 {
		return false, err
	}
	types, err := json.Marshal(s.Types)
	if err != nil {
		return false, err
	}
	_, err = tx.Exec(ctx, insertSubscription, s.ID, s.Place.Account, s.Place.Application, s.Place.Environment,
		s.Place.scope(), s.URL, text.Fold(s.URL), string(types), s.Description, s.Secrets, s.CreatedAt)
	return err == nil, err
}

// Save writes a subscription that the transaction has locked.
func Save(ctx context.Context, tx *database.Tx, s Subscription) error {
	types, err := json.Marshal(s.Types)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, updateSubscription, s.URL, text.Fold(s.URL), string(types), s.Description, s.Active, s.Secrets,
		s.Until, s.QuietSince, s.Failures, tx.Now, s.Place.Account, s.ID)
	return err
}

// Remove removes a subscription. What was queued for it is swept.
func Remove(ctx context.Context, tx *database.Tx, s Subscription) error {
	if _, err := tx.Exec(ctx, deleteSubscription, s.Place.Account, s.ID); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, countOneLess, s.Place.scope(), s.Place.Account); err != nil {
		return err
	}
	return nil
}

// Cut switches off what an Environment that is being deleted subscribes to.
func Cut(ctx context.Context, tx *database.Tx, gone scope.EnvironmentID) error {
	_, err := tx.Exec(ctx, switchOffEnvironment, gone)
	return err
}

// SweepEnvironment removes a piece of what a deleted Environment leaves; done says that nothing
// is left.
func SweepEnvironment(ctx context.Context, tx *database.Tx, gone scope.EnvironmentID) (done bool, err error) {
	type found struct {
		of WebhookID
		in scope.AccountID
	}
	list, err := database.All(ctx, tx, func(row database.Scanner) (f found, err error) {
		return f, row.Scan(&f.of, &f.in)
	}, selectOfEnvironment, gone)
	if err != nil {
		return false, err
	}
	if len(list) == 0 {
		_, err = tx.Exec(ctx, deleteCount, gone)
		return true, err
	}
	left, err := DropAll(ctx, tx, list[0].in, list[0].of)
	if err != nil || left {
		return false, err
	}
	_, err = tx.Exec(ctx, deleteSubscription, list[0].in, list[0].of)
	return false, err
}
