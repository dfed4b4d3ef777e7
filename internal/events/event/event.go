package event

import (
	"cmp"
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Entry is what one event has beside its type and payload: who, where, what.
// Zero ids are NULL.
type Entry struct {
	Actor       principal.Actor
	Account     scope.AccountID
	Application scope.ApplicationID
	Environment scope.EnvironmentID
	Resource    id.ID
	Label       string  // of the resource, as it is now: an e-mail address or a name
	Hidden      bool    // this one too, though its type is not
	Outcome     Outcome // of this one, where it is another than its type's
}

type row struct{}

const insert = `INSERT INTO audit_event (id, account_id, application_id, environment_id,
	actor_id, actor_type, actor_label, action, category, resource_type, resource_id, resource_label, metadata,
	outcome, severity, customer_visible, identity_visible, correlation_id, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`

// Record adds an event to the transaction. Events of one request share its id as
// correlation_id.
func Record[P any](ctx context.Context, tx *database.Tx, t Type[P], e Entry, payload P) error {
	metadata, err := json.Marshal(payload, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insert,
		id.New[id.Of[row]](tx.Now), e.Account, e.Application, e.Environment,
		e.Actor.ID, string(e.Actor.Kind), orNull(e.Actor.Label),
		t.Action, string(t.Category), orNull(t.Resource), e.Resource, orNull(e.Label), string(metadata),
		string(cmp.Or(e.Outcome, t.Outcome, Success)), string(cmp.Or(t.Severity, Info)), !t.Hidden && !e.Hidden,
		ofIdentity(t.Category, t.Resource, e.Actor.Kind),
		orNull(e.Actor.Request.ID), tx.Now)
	return err
}

// ofIdentity reports whether an identity may see the event: it is about signing in, factors or
// identities, and about an identity or by one.
func ofIdentity(c Category, resource string, by principal.Kind) bool {
	return (c == Auth || c == MFA || c == Identity) && (resource == "identity" || by == principal.KindIdentity)
}

// forgetApplication leaves what is of the Account's tier alone: those rows name no
// Application.
const forgetApplication = `DELETE FROM audit_event WHERE id IN
	(SELECT id FROM audit_event WHERE application_id = $1 AND account_id = $2 LIMIT 500)`

// ForgetApplication removes a piece of a deleted Application's rows, and tells how many.
func ForgetApplication(
	ctx context.Context, tx *database.Tx, account scope.AccountID, application scope.ApplicationID,
) (int64, error) {
	return tx.Exec(ctx, forgetApplication, application, account)
}

// Newest is the instant of the newest row, zero when there is none.
func Newest(ctx context.Context, db *database.DB) (time.Time, error) {
	return database.Read(ctx, db, func(tx *database.Tx) (at time.Time, err error) {
		return at, tx.QueryRow(ctx, `SELECT max(created_at) FROM audit_event`).Scan(&at)
	})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
