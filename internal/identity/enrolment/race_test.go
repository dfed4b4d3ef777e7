package enrolment_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		fn(t, newWorld(t, db))
	})
}

// TestFiftyCreateOne: of fifty who make one address at once, from three places, one does;
// the same for what another system calls somebody.
func TestFiftyCreateOne(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		places := []membership.Place{
			membership.InEnvironment(w.in), membership.InEnvironment(w.other),
			membership.InApplication(w.app, w.in), membership.InAccount(w.app.Account),
		}
		var calls atomic.Int64
		got := dbtest.AtOnce(50, func() string {
			_, err := w.Create(t.Context(), alex, places[calls.Add(1)%4], draft("ann@acme.example"))
			return dbtest.Outcome(err)
		})
		if got["ok"] != 1 || got["identities.email_taken"] != 49 {
			t.Errorf("one address: %v", got)
		}
		external := "hr-1"
		got = dbtest.AtOnce(50, func() string {
			n := calls.Add(1)
			d := draft(fmt.Sprintf("p%d@acme.example", n))
			d.ExternalID = &external
			_, err := w.Create(t.Context(), alex, places[n%4], d)
			return dbtest.Outcome(err)
		})
		if got["ok"] != 1 || got["identities.external_id_taken"] != 49 {
			t.Errorf("one external id: %v", got)
		}
		if n := dbtest.Number(t, w.db, `SELECT count(*) FROM identity`); n != 2 {
			t.Errorf("%d identities", n)
		}
		w.sound()
	})
}

// TestBatchesThatOverlap: batches of the same people in different orders end, and everybody is
// made once.
func TestBatchesThatOverlap(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		var calls atomic.Int64
		got := dbtest.AtOnce(12, func() string {
			var list []string
			for i := range 30 {
				list = append(list, fmt.Sprintf("p%d@acme.example", i))
			}
			n := int(calls.Add(1))
			list = append(list[n:], list[:n]...)
			if n%2 == 0 {
				slices.Reverse(list)
			}
			var rows []enrolment.New
			for _, email := range list {
				rows = append(rows, draft(email))
			}
			at := membership.InEnvironment([]scope.Environment{w.in, w.other}[n%2])
			results, err := w.BulkCreate(t.Context(), alex, at, rows)
			if err != nil {
				return dbtest.Outcome(err)
			}
			for _, r := range results {
				if got := dbtest.Outcome(r.Err); got != "ok" && got != "identities.email_taken" {
					return got
				}
			}
			return "ok"
		})
		if got["ok"] != 12 {
			t.Errorf("%v", got)
		}
		if n := dbtest.Number(t, w.db, `SELECT count(*) FROM identity`); n != 30 {
			t.Errorf("%d identities", n)
		}
		w.sound()
	})
}

// TestRemovedAndBack: nothing that somebody had comes back with them.
func TestRemovedAndBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ann := w.ann("ann@acme.example")
		w.must(w.give(ann))
		w.must(w.attach(ann, w.other))
		for _, leave := range []func() error{
			func() error { return w.Remove(t.Context(), alex, w.in, ann) },
			func() error { return w.RemoveFromApplication(t.Context(), alex, w.app, ann) },
		} {
			w.must(leave())
			if got := dbtest.Outcome(w.give(ann)); got != "identities.not_found" {
				t.Errorf("given to nobody: %s", got)
			}
			w.must(w.attach(ann, w.in))
			if n := dbtest.Number(t, w.db, `SELECT count(*) FROM assignment`); n != 0 {
				t.Errorf("%d assignments came back", n)
			}
			w.sound()
			w.must(w.give(ann))
		}
		elsewhere := dbtest.Number(t, w.db, `SELECT count(*) FROM membership WHERE environment_id = $1
			AND status = 'active'`, w.other.ID)
		if elsewhere != 0 {
			t.Error("who left the Application and came back to one Environment is in the other one, too")
		}
	})
}

// TestComingGoingAndGiving: whoever comes, goes and is given roles at once has at last what a
// member may have.
func TestComingGoingAndGiving(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		ann := w.ann("ann@acme.example")
		allowed := map[string][]string{
			"give":   {"ok", "identities.not_found", "rbac.assignment_conflict"},
			"remove": {"ok", "identities.not_found"},
			"attach": {"ok", "identities.already_member"},
			"leave":  {"ok", "identities.not_found"},
			"other":  {"ok", "identities.already_member"},
		}
		var calls atomic.Int64
		got := dbtest.AtOnce(100, func() string {
			what := []string{"give", "attach", "give", "remove", "other", "attach", "give", "leave"}[calls.Add(1)%8]
			var err error
			switch what {
			case "give":
				err = w.give(ann)
			case "remove":
				err = w.Remove(t.Context(), alex, w.in, ann)
			case "attach":
				err = w.attach(ann, w.in)
			case "other":
				err = w.attach(ann, w.other)
			case "leave":
				err = w.RemoveFromApplication(t.Context(), alex, w.app, ann)
			}
			if outcome := dbtest.Outcome(err); !slices.Contains(allowed[what], outcome) {
				return what + ": " + outcome
			}
			return "as it may"
		})
		if got["as it may"] != 100 {
			t.Errorf("%v", got)
		}
		w.sound()
	})
}

// TestErasedWhileBusy: who is erased while roles are given, memberships made and ended is gone,
// with everything, and can be made anew.
func TestErasedWhileBusy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for range 8 {
			ann := w.ann("ann@acme.example")
			var calls atomic.Int64
			got := dbtest.AtOnce(12, func() string {
				var err error
				switch calls.Add(1) % 6 {
				case 0:
					err = w.attach(ann, w.other)
				case 1:
					err = w.attach(ann, w.in)
				case 2:
					err = w.Remove(t.Context(), alex, w.in, ann)
				case 3:
					return "erase: " + dbtest.Outcome(w.Erase(t.Context(), alex, w.app.Account, ann))
				default:
					err = w.give(ann)
				}
				switch outcome := dbtest.Outcome(err); outcome {
				case "ok", "identities.not_found", "identities.already_member", "rbac.assignment_conflict":
					return "as it may"
				default:
					return outcome
				}
			})
			if got["as it may"] != 10 || got["erase: ok"] != 1 || got["erase: identities.not_found"] != 1 {
				t.Errorf("%v", got)
			}
			for _, table := range []string{"identity", "membership", "app_membership", "assignment"} {
				if n := dbtest.Number(t, w.db, `SELECT count(*) FROM `+table); n != 0 {
					t.Errorf("%d rows of %s are left", n, table)
				}
			}
			w.sound()
		}
	})
}
