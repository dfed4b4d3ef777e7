package event_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

type payload struct {
	Why   string         `json:"why"`
	Facts map[string]int `json:"facts"`
}

// happened is a type with everything, done one with nothing but what it needs.
var (
	happened = event.Type[payload]{
		Action: "thing.happened", Category: event.Tenancy, Resource: "thing", Outcome: event.Denied,
		Severity: event.Critical,
	}
	done = event.Type[event.None]{Action: "thing.done", Category: event.Auth}
)

var full = event.Entry{
	Actor: principal.Actor{
		Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com",
		Request: principal.Request{ID: "req-1", IP: "192.0.2.1"},
	},
	Account: scope.AccountID{2}, Application: scope.ApplicationID{3}, Environment: scope.EnvironmentID{4},
	Resource: id.ID{5}, Label: "Thing",
}

// record records one event, and gives its row and the instant of the transaction.
func record[P any](t *testing.T, db *database.DB, typ event.Type[P], e event.Entry, p P) eventtest.Row {
	t.Helper()
	now := dbtest.Write(t, db, func(tx *database.Tx) (eventtest.Row, error) {
		return eventtest.Row{At: tx.Now}, event.Record(t.Context(), tx, typ, e, p)
	})
	rows := eventtest.Take(t, db)
	if len(rows) != 1 || rows[0].At != now.At {
		t.Fatalf("%v at %s", rows, now.At)
	}
	return rows[0]
}

func TestRowHoldsAllThereIsToSay(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		got := record(t, db, happened, full, payload{"<because>", map[string]int{"c": 3, "a": 1, "b": 2}})
		want := eventtest.Row{
			Action: "thing.happened", Category: "tenancy", Outcome: "denied", Severity: "critical",
			Account: id.ID{2}, Application: id.ID{3}, Environment: id.ID{4},
			ActorID: id.ID{1}, ActorType: "user", ActorLabel: "alex@acme.com",
			ResourceType: "thing", ResourceID: id.ID{5}, ResourceLabel: "Thing",
			Metadata: `{"why":"<because>","facts":{"a":1,"b":2,"c":3}}`,
			Visible:  true, Correlation: "req-1", At: got.At,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestWhatIsNotSaidIsNull(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		dbtest.Do(t, db, func(tx *database.Tx) error {
			return event.Record(t.Context(), tx, done, event.Entry{Actor: principal.System()}, event.None{})
		})
		n := dbtest.Number(t, db, `SELECT count(*) FROM audit_event WHERE account_id IS NULL AND application_id IS NULL
			AND environment_id IS NULL AND actor_id IS NULL AND actor_label IS NULL AND resource_type IS NULL
			AND resource_id IS NULL AND resource_label IS NULL AND correlation_id IS NULL AND identity_visible = 0`)
		if n != 1 {
			t.Error("what is not said is not NULL")
		}
		got := eventtest.Take(t, db)[0]
		want := eventtest.Row{
			Action: "thing.done", Category: "auth", Outcome: "success", Severity: "info", ActorType: "system",
			Metadata: "{}", Visible: true, At: got.At,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Either the type hides its rows, or an entry itself.
func TestHiddenRows(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		for _, c := range []struct{ typ, entry, visible bool }{
			{false, false, true}, {true, false, false}, {false, true, false}, {true, true, false},
		} {
			typ, entry := done, full
			typ.Hidden, entry.Hidden = c.typ, c.entry
			if got := record(t, db, typ, entry, event.None{}); got.Visible != c.visible {
				t.Errorf("%+v: visible %v", c, got.Visible)
			}
		}
	})
}

// There is no row without its change, and no change without its row.
func TestRowsAndChangesStandTogether(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		change := func(then error) error {
			return database.Do(t.Context(), db, func(tx *database.Tx) error {
				_, err := tx.Exec(t.Context(), `INSERT INTO rate_count (name, subject, ends_at, count) VALUES ('a', 'b', 1, 1)`)
				if err == nil {
					err = event.Record(t.Context(), tx, done, full, event.None{})
				}
				if err == nil {
					err = then
				}
				return err
			})
		}
		changes := func() int { return dbtest.Number(t, db, `SELECT count(*) FROM rate_count`) }
		if err := change(database.ErrNoRows); err == nil || changes() != 0 || len(eventtest.Take(t, db)) != 0 {
			t.Errorf("a change was undone: %v", err)
		}
		eventtest.Break(t, db)
		if err := change(nil); !strings.Contains(dbtest.Outcome(err), "audit_event") || changes() != 0 {
			t.Errorf("a row can't be written: %v", err)
		}
	})
}

func TestPayloadThatIsNoJSONFails(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		odd := event.Type[map[string]any]{Action: "thing.odd", Category: event.Auth}
		err := database.Do(t.Context(), db, func(tx *database.Tx) error {
			return event.Record(t.Context(), tx, odd, full, map[string]any{"fn": func() {}})
		})
		if rows := eventtest.Take(t, db); err == nil || len(rows) != 0 {
			t.Errorf("%v, %v", err, rows)
		}
	})
}

func TestNewest(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		if at, err := event.Newest(t.Context(), db); err != nil || !at.IsZero() {
			t.Errorf("without any: %s, %v", at, err)
		}
		for range 3 {
			clock.Advance(1e9)
			now := dbtest.Write(t, db, func(tx *database.Tx) (eventtest.Row, error) {
				return eventtest.Row{At: tx.Now}, event.Record(t.Context(), tx, done, full, event.None{})
			})
			if at, err := event.Newest(t.Context(), db); err != nil || at != now.At {
				t.Errorf("%s, want %s, %v", at, now.At, err)
			}
		}
	})
}
