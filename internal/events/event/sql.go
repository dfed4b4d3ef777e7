package event

import (
	"context"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	insertEvents = `INSERT INTO audit_event (id, account_id, application_id, environment_id,
		actor_id, actor_type, actor_label, action, category, resource_type, resource_id, resource_label, metadata,
		outcome, severity, customer_visible, identity_visible, correlation_id, created_at,
		revision, ordinal, in_feed, surfaces, search, kind) VALUES `
	eventValues = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

	insertUnsealed = `INSERT INTO audit_unsealed (account_id, event_id) VALUES `
	unsealedValues = `(?, ?)`

	// forgetApplication leaves what is of the Account's tier alone: those rows name no
	// Application.
	forgetApplication = `DELETE FROM audit_event WHERE id IN
		(SELECT id FROM audit_event WHERE application_id = $1 AND account_id = $2 LIMIT 500)`
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
			orNone(r.Revision), r.Ordinal, r.InFeed, int(r.Surfaces), searched(r.ActorLabel, r.ResourceLabel, r.Metadata),
			kindOf(r).number())
		unsealed = append(unsealed, SealedIn(r.Account), r.ID)
	}
	if _, err := tx.Exec(ctx, insertEvents+database.Rows(eventValues, 0, len(rows)), events...); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, insertUnsealed+database.Rows(unsealedValues, 0, len(rows)), unsealed...)
	return err
}

// searched is what a search looks into: the labels and the values of the payload, a line each,
// folded. Names of members are not values.
func searched(actor, resource string, metadata jsontext.Value) string {
	var b strings.Builder
	b.WriteString(actor)
	b.WriteByte('\n')
	b.WriteString(resource)
	d := jsontext.NewDecoder(strings.NewReader(string(metadata)))
	for {
		kind, length := d.StackIndex(d.StackDepth())
		token, err := d.ReadToken()
		if err != nil {
			break // at the end: it was marshalled by us
		}
		if name := kind == '{' && length%2 == 0; name {
			continue
		}
		if kind := token.Kind(); kind == '"' || kind == '0' || kind == 't' || kind == 'f' {
			b.WriteByte('\n')
			b.WriteString(token.String())
		}
	}
	return text.Fold(b.String())
}

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

func orNone(revision uint64) any {
	if revision == 0 {
		return nil
	}
	return int64(revision) //nolint:gosec // counted from 1 on
}
