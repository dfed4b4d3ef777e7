// Package eventtest reads the audit log for the tests of the rooms that write it.
package eventtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// Row is one event as it lies in the store. Zero stands for NULL.
type Row struct {
	Action        string
	Category      string
	Outcome       string
	Severity      string
	Account       id.ID
	Application   id.ID
	Environment   id.ID
	ActorID       id.ID
	ActorType     string
	ActorLabel    string
	ResourceType  string
	ResourceID    id.ID
	ResourceLabel string
	Metadata      string
	Visible       bool // to customers
	Correlation   string
	At            time.Time
}

// String is the row in short.
func (r Row) String() string {
	return fmt.Sprintf("%s by %s in %s about %s %s", r.Action, r.ActorType, r.Account, r.ResourceLabel, r.Metadata)
}

// Take gives the events since the last Take, by time, action, Account, label and
// metadata, and forgets them.
func Take(t testing.TB, db *database.DB) []Row {
	t.Helper()
	rows := dbtest.Write(t, db, func(tx *database.Tx) ([]Row, error) {
		for _, table := range []string{"audit_unsealed", "audit_index"} {
			if _, err := tx.Exec(t.Context(), `DELETE FROM `+table); err != nil {
				return nil, err
			}
		}
		return database.All(t.Context(), tx, scan, `DELETE FROM audit_event RETURNING action, category, outcome, severity,
			account_id, application_id, environment_id, actor_id, actor_type, COALESCE(actor_label, ''),
			COALESCE(resource_type, ''), resource_id, COALESCE(resource_label, ''), metadata, customer_visible,
			COALESCE(correlation_id, ''), created_at`)
	})
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Action, b.Action),
			cmp.Compare(a.Account.String(), b.Account.String()), cmp.Compare(a.ResourceLabel, b.ResourceLabel),
			cmp.Compare(a.Metadata, b.Metadata))
	})
	return rows
}

func scan(row database.Scanner) (r Row, err error) {
	err = row.Scan(&r.Action, &r.Category, &r.Outcome, &r.Severity, &r.Account, &r.Application, &r.Environment,
		&r.ActorID, &r.ActorType, &r.ActorLabel, &r.ResourceType, &r.ResourceID, &r.ResourceLabel, &r.Metadata,
		&r.Visible, &r.Correlation, &r.At)
	return r, err
}

// Actions is Take in short: the actions alone, with a space between.
func Actions(t testing.TB, db *database.DB) string {
	t.Helper()
	var list []string
	for _, r := range Take(t, db) {
		list = append(list, r.Action)
	}
	return strings.Join(list, " ")
}

// Bodies are all events that followers get, as they get them, by action. They stay.
func Bodies(t testing.TB, db *database.DB) map[string][]string {
	t.Helper()
	bodies := map[string][]string{}
	err := database.View(t.Context(), db, func(tx *database.Tx) error {
		ids, err := database.All(t.Context(), tx, func(row database.Scanner) (of event.RowID, err error) {
			return of, row.Scan(&of)
		}, `SELECT id FROM audit_event WHERE in_feed = 1`)
		if err != nil {
			return err
		}
		rows, err := event.ByID(t.Context(), tx, ids)
		for _, r := range rows {
			body, failed := r.Body()
			if failed != nil {
				return failed
			}
			bodies[r.Action] = append(bodies[r.Action], string(body))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bodies
}

// Break has every later event fail, as a full disk would.
func Break(t testing.TB, db *database.DB) {
	t.Helper()
	dbtest.Exec(t, db, `ALTER TABLE audit_event RENAME TO audit_event_gone`)
}
