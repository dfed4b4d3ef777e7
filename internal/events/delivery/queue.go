package delivery

import (
	"context"
	"strings"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Happened is an event that followers get.
type Happened struct {
	Event       id.ID
	Type        string
	Account     scope.AccountID
	Environment scope.EnvironmentID // zero: of the Account or of an Application
	Resource    id.ID
}

// queued says that a transaction has queued something.
type queued struct{}

// Close implements database.Closing.
func (*queued) Close(context.Context, *database.Tx) error { return nil }

// Queued reports whether a transaction has queued deliveries, also after its commit.
func Queued(tx *database.Tx) bool {
	_, is := database.Collected[*queued](tx)
	return is
}

const (
	insertDeliveries = `INSERT INTO webhook_delivery (id, account_id, webhook_id, event_id, event_type, body, status,
		attempts, replayed, next_at, created_at) VALUES `
	deliveryValues = `(?, ?, ?, ?, ?, ?, 'pending', 0, ?, ?, ?)`

	// fewScopes is up to how many places are named in the question who listens.
	fewScopes = 16
)

// listening is a subscription as far as it decides what it gets.
type listening struct {
	id    WebhookID
	scope id.ID
	types string // JSON
}

func (l listening) wants(eventType string) bool {
	return strings.Contains(l.types, `"`+eventType+`"`) || l.types == `["*"]`
}

// Queue queues, for who listens, the events of the transaction, all of it at once. Who listens
// is asked in one statement for each Account; nothing else is done where nobody does.
func Queue(ctx context.Context, tx *database.Tx, all []Happened) error {
	var rows []any
	next := id.Run[ID](tx.Now)
	for _, in := range accountsOf(all) {
		listeners, err := listenersOf(ctx, tx, in, all)
		if err != nil {
			return err
		}
		if len(listeners) == 0 {
			continue
		}
		wide := accountWide(in, all)
		for _, h := range all {
			if h.Account != in {
				continue
			}
			for _, l := range listeners {
				its := l.scope == h.Environment.Any() && !h.Environment.IsZero()
				// Of a change of the Account as a whole it gets the Account's own row.
				its = its || l.scope == in.Any() && (h.Environment.IsZero() || !wide[change{h.Type, h.Resource}])
				if its && l.wants(h.Type) {
					rows = append(rows, next(), in, l.id, h.Event, h.Type, nil, false, tx.Now, tx.Now)
				}
			}
		}
	}
	return insert(ctx, tx, rows)
}

const rowLength = 9

func insert(ctx context.Context, tx *database.Tx, rows []any) error {
	for len(rows) > 0 {
		piece := rows[:min(len(rows), database.Piece*rowLength)]
		query := insertDeliveries + database.Rows(deliveryValues, 0, len(piece)/rowLength)
		if _, err := tx.Exec(ctx, query, piece...); err != nil {
			return err
		}
		rows = rows[len(piece):]
		database.Collect(tx, func() *queued { return &queued{} })
	}
	return nil
}

func accountsOf(all []Happened) (list []scope.AccountID) {
	seen := map[scope.AccountID]bool{}
	for _, h := range all {
		if !seen[h.Account] && !h.Account.IsZero() {
			seen[h.Account] = true
			list = append(list, h.Account)
		}
	}
	return list
}

// change is what an Account's row and those of its Environments are about alike.
type change struct {
	eventType string
	resource  id.ID
}

// accountWide are the changes that the Account has a row of.
func accountWide(in scope.AccountID, all []Happened) map[change]bool {
	wide := map[change]bool{}
	for _, h := range all {
		if h.Account == in && h.Environment.IsZero() {
			wide[change{h.Type, h.Resource}] = true
		}
	}
	return wide
}

func listenersOf(ctx context.Context, tx *database.Tx, in scope.AccountID, all []Happened) ([]listening, error) {
	scopes := []any{in, in}
	seen := map[scope.EnvironmentID]bool{}
	for _, h := range all {
		if h.Account == in && !h.Environment.IsZero() && !seen[h.Environment] {
			seen[h.Environment] = true
			scopes = append(scopes, h.Environment)
		}
	}
	query, args := selectListening, scopes[:1]
	if len(scopes) <= fewScopes {
		query, args = query+` AND w.scope_id IN (`+database.Marks(2, len(scopes)-1)+`)`, scopes
	}
	return database.All(ctx, tx, func(row database.Scanner) (l listening, err error) {
		return l, row.Scan(&l.id, &l.scope, &l.types)
	}, query, args...)
}

// Test queues a delivery with a body of its own to one subscription.
func Test(ctx context.Context, tx *database.Tx, to Subscription, eventType, body string, event id.ID) (ID, error) {
	of := id.New[ID](tx.Now)
	return of, insert(ctx, tx, []any{of, to.Place.Account, to.ID, event, eventType, body, false, tx.Now, tx.Now})
}

// Replay queues events for one subscription, in their order.
func Replay(ctx context.Context, tx *database.Tx, to Subscription, all []Happened) error {
	rows := make([]any, 0, len(all)*rowLength)
	next := id.Run[ID](tx.Now)
	for _, h := range all {
		rows = append(rows, next(), to.Place.Account, to.ID, h.Event, h.Type, nil, true, tx.Now, tx.Now)
	}
	return insert(ctx, tx, rows)
}
