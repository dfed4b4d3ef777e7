// Package audit writes what happened, in the transaction in which it happened:
// there is no change without its row and no row without its change. It owns the
// table audit_event. Reading, exporting and feeding the rows to webhooks come
// with their own area; nothing but this package writes them.
//
// No token, password or hash is ever in a row.
package audit

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
)

// Outcome says how an action ended.
type Outcome string

// The outcomes; the zero value counts as Success.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
)

// Severity says how much an action matters.
type Severity string

// The severities; the zero value counts as Info.
const (
	Info     Severity = "info"
	Notice   Severity = "notice"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// Meta is the metadata of a row: facts for the reader, never a secret.
type Meta map[string]any

// Entry is one row to write. Zero ids are NULL.
type Entry struct {
	AccountID     id.ID
	ApplicationID id.ID
	EnvironmentID id.ID

	Action   string // "user_invite.created"
	Category string // "invites"

	ResourceType  string
	ResourceID    id.ID
	ResourceLabel string
	Metadata      Meta
	Outcome       Outcome
	Severity      Severity
	Hidden        bool // customer_visible is false

	// Actor stands in for the caller of the context, where somebody else acted:
	// the user who has just accepted an invite, or background work.
	Actor *principal.Principal
}

type kind struct{}

const insert = `INSERT INTO audit_event (id, account_id, application_id, environment_id, actor_id, actor_type, actor_label,
	action, category, resource_type, resource_id, resource_label, metadata, outcome, severity, customer_visible,
	identity_visible, correlation_id, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, 0, $17, $18)`

// Write adds the row to the transaction. Rows of one request share its request
// id as correlation_id.
func Write(ctx context.Context, tx *database.Tx, e Entry) error {
	call := principal.From(ctx)
	actor := call.Principal
	if e.Actor != nil {
		actor = *e.Actor
	}
	if e.Metadata == nil {
		e.Metadata = Meta{}
	}
	meta, err := json.Marshal(e.Metadata, json.Deterministic(true))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, insert, id.New[id.Of[kind]](tx.Now), e.AccountID, e.ApplicationID, e.EnvironmentID,
		actor.ID, string(actor.Kind), orNull(actor.Label), e.Action, e.Category, orNull(e.ResourceType), e.ResourceID,
		orNull(e.ResourceLabel), string(meta), orElse(string(e.Outcome), string(Success)),
		orElse(string(e.Severity), string(Info)), !e.Hidden, orNull(call.RequestID), tx.Now)
	return err
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

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
