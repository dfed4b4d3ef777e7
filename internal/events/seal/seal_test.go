package seal_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/retention"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

type told struct {
	Email string `json:"email"`
}

var (
	created = event.Type[told]{Action: "identity.created", Category: event.Identity, Resource: "identity"}
	erased  = event.Type[told]{Action: "identity.erased", Category: event.Identity, Resource: "identity"}
	deleted = event.Type[told]{Action: "application.deleted", Category: event.Tenancy, Resource: "application"}
)

var (
	acme, other = scope.AccountID{1}, scope.AccountID{2}
	desk        = scope.ApplicationID{3}
	ann         = principal.IdentityID{4}
)

// world is an Account with sealed rows about ann, among others.
type world struct {
	*seal.Service
	t  testing.TB
	db *database.DB
}

func newWorld(t testing.TB, db *database.DB) *world {
	t.Helper()
	w := &world{&seal.Service{DB: db, Log: slog.New(slog.DiscardHandler)}, t, db}
	for i := range 6 {
		w.write(acme, created, event.Entry{Resource: id.ID{9, byte(i)}, Label: fmt.Sprintf("p%d@acme.test", i)})
	}
	w.write(acme, created, event.Entry{Application: desk, Resource: ann.Any(), Label: "ann@acme.test"})
	w.write(other, created, event.Entry{Resource: id.ID{8}, Label: "x@other.test"})
	w.write(scope.AccountID{}, created, event.Entry{Label: "nobody@acme.test"})
	w.seal()
	return w
}

func (w *world) write(in scope.AccountID, t event.Type[told], e event.Entry) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		e.Account, e.Actor = in, principal.System()
		return event.Record(w.t.Context(), tx, t, e, told{e.Label})
	})
}

func (w *world) seal() {
	w.t.Helper()
	if err := w.All(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// verify gives all findings, a line each.
func (w *world) verify() string {
	w.t.Helper()
	orders, err := w.Orders(w.t.Context())
	if err != nil || len(orders) != 3 {
		w.t.Fatal(orders, err)
	}
	var lines []string
	found := func(f seal.Finding) { lines = append(lines, f.String()) }
	for _, of := range orders {
		if _, err := w.Verify(w.t.Context(), of, found); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := w.VerifyRows(w.t.Context(), nil, found); err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// TestTouchedRowsAreFound: whatever is done to one row behind the server's back.
func TestTouchedRowsAreFound(t *testing.T) {
	t.Parallel()
	const (
		entry     = ` WHERE account_id = $1 AND number = `
		third     = `(SELECT event_id FROM audit_seal` + entry + `3)`
		elsewhere = `'02000000-0000-0000-0000-000000000000'`
	)
	of := func(number int) string {
		return fmt.Sprintf(`(SELECT event_id FROM audit_seal WHERE account_id = $1 AND number = %d)`, number)
	}
	for _, c := range []struct{ name, do, want string }{
		{"nothing", `UPDATE audit_event SET action = action WHERE account_id = $1`, ""},
		{"another action", `UPDATE audit_event SET action = 'role.created' WHERE id = ` + third, "the row was changed"},
		{"another label", `UPDATE audit_event SET resource_label = 'ben' WHERE id = ` + third, "the row was changed"},
		{"another payload", `UPDATE audit_event SET metadata = '{}' WHERE id = ` + third, "the row was changed"},
		{"another instant", `UPDATE audit_event SET created_at = created_at + 1 WHERE id = ` + third, "the row was changed"},
		{"hidden", `UPDATE audit_event SET customer_visible = 0 WHERE id = ` + third, "the row was changed"},
		{"off the surface", `UPDATE audit_event SET surfaces = 1 WHERE id = ` + third, "the row was changed"},
		{"feigned erasure", `UPDATE audit_event SET resource_label = 'erased' WHERE id = ` + third, "the row was changed"},
		{"removed", `DELETE FROM audit_event WHERE id = ` + third, "the row was removed"},
		{"removed with its entry", `DELETE FROM audit_seal` + entry + `3`, "entries 3 to 3"},
		{"the last one removed", `DELETE FROM audit_seal` + entry + `7`, "the last entries were removed"},
		{"put elsewhere", `UPDATE audit_event SET account_id = ` + elsewhere + ` WHERE id = ` + third, "another Account"},
		{
			"added", `INSERT INTO audit_event (id, account_id, actor_type, action, category, metadata, outcome, severity,
			customer_visible, identity_visible, created_at)
			VALUES ('09000000-0000-0000-0000-000000000000', $1, 'system', 'a.b', 'rbac', '{}', 'success', 'info', 1, 0, 1)`,
			"the row was added",
		},
		{"not to be found", `DELETE FROM audit_index WHERE id = ` + third, "not found by what it holds"},
		{"found elsewhere", `UPDATE audit_index SET account_id = ` + elsewhere + ` WHERE id = ` + third, "not found by"},
		{"found as another's", `UPDATE audit_index SET resource_id = ` + elsewhere + ` WHERE id = ` + third, "not found by"},
		{"found at another time", `UPDATE audit_index SET created_at = 1 WHERE id = ` + third, "not found by what it holds"},
		{"hidden from searches", `UPDATE audit_index SET search = '' WHERE id = ` + third, "not found by what it holds"},
		{"entries exchanged", `UPDATE audit_seal SET event_id = CASE number WHEN 3 THEN ` + of(4) + ` ELSE ` + of(3) +
			` END WHERE account_id = $1 AND number IN (3, 4)`, "the entry was changed"},
		{"entry changed", `UPDATE audit_seal SET content = hash` + entry + `3`, "the entry was changed"},
		{"chain cut", `UPDATE audit_seal SET hash = content` + entry + `3`, "does not follow"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, db *database.DB) {
				t.Parallel()
				w := newWorld(t, db)
				dbtest.Exec(t, db, c.do, acme)
				w.seal()
				if got := w.verify(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
					t.Errorf("found: %s", got)
				}
			})
		})
	}
}

// TestRowsFoundAsAnotherKindAreFound: a row that is filed among those of another kind.
func TestRowsFoundAsAnotherKindAreFound(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db)
		w.write(acme, deleted, event.Entry{Resource: desk.Any(), Label: "Desk"})
		w.seal()
		dbtest.Exec(t, db, `UPDATE audit_index SET kind = (SELECT kind FROM audit_index WHERE resource_id = $1)
			WHERE id = (SELECT event_id FROM audit_seal WHERE account_id = $2 AND number = 3)`, desk, acme)
		if got := w.verify(); strings.Count(got, "not found by what it holds") != 1 {
			t.Errorf("found: %s", got)
		}
	})
}

// TestExchangedRowsAreFound: each of the two.
func TestExchangedRowsAreFound(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db)
		dbtest.Exec(t, db, `UPDATE audit_event SET resource_id = CASE resource_id
			WHEN '09000000-0000-0000-0000-000000000000' THEN '09010000-0000-0000-0000-000000000000'
			ELSE '09000000-0000-0000-0000-000000000000' END
			WHERE resource_id IN ('09000000-0000-0000-0000-000000000000', '09010000-0000-0000-0000-000000000000')`)
		if got := strings.Count(w.verify(), "the row was changed"); got != 2 {
			t.Errorf("%d rows were found", got)
		}
	})
}

// TestSealIsQuietAboutWhatIsRight: an erasure, a deleted Application, and what was swept.
func TestSealIsQuietAboutWhatIsRight(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		dbtest.Do(t, db, func(tx *database.Tx) error {
			return event.ErasePerson(t.Context(), tx, acme, event.Person{ID: ann, Names: []string{"ann@acme.test"}})
		})
		w.seal()
		if got := w.verify(); !strings.Contains(got, "whom nobody has erased") {
			t.Errorf("erased without its row: %q", got)
		}
		w.write(acme, erased, event.Entry{Resource: ann.Any(), Label: "erased"})
		w.seal()
		if got := w.verify(); got != "" {
			t.Errorf("an erasure: %s", got)
		}
		kept := dbtest.Number(t, db, `SELECT count(*) FROM audit_seal WHERE key IS NOT NULL AND event_id IN
			(SELECT event_id FROM audit_seal GROUP BY event_id HAVING count(*) > 1)`)
		if kept != 1 {
			t.Errorf("of the erased row %d keys are kept", kept)
		}

		dbtest.Do(t, db, func(tx *database.Tx) error {
			_, err := event.ForgetApplication(t.Context(), tx, acme, desk)
			return err
		})
		if got := w.verify(); !strings.Contains(got, "the row was removed") {
			t.Errorf("rows of an Application that nobody has deleted: %q", got)
		}
		w.write(acme, deleted, event.Entry{Resource: desk.Any(), Label: "Desk"})
		if got := w.verify(); got != "" {
			t.Errorf("a deleted Application: %s", got)
		}

		w.seal()
		clock.Advance(48 * time.Hour)
		w.write(acme, created, event.Entry{Resource: id.ID{7}, Label: "new@acme.test"})
		sweeper := &retention.Service{DB: db, Keep: 24 * time.Hour}
		for range 2 {
			if err := sweeper.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.seal()
		if got := w.verify(); got != "" {
			t.Errorf("swept rows: %s", got)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM audit_event WHERE account_id = $1`, acme); n != 2 {
			t.Errorf("%d rows are left, not the new one and the one that stands for the others", n)
		}
		n := dbtest.Number(t, db, `SELECT count(*) FROM audit_event WHERE action = 'audit.retention.swept'`)
		if n != 3 { // of each Account, and of none
			t.Errorf("%d rows stand for what was swept", n)
		}
		if n := dbtest.Number(t, db, `SELECT position FROM audit_swept WHERE scope_id = $1`, acme); n < 7 {
			t.Errorf("followers of the Account learn only up to %d", n)
		}
	})
}
