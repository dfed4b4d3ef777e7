package event_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// noted is what a test row says.
type noted struct {
	Note string `json:"note"`
}

// scattered records rows of every sort, several in each write, and gives them oldest first.
func scattered(t *testing.T, db *database.DB, clock *dbtest.Clock, rnd *rand.Rand) (all []event.Row) {
	t.Helper()
	pick := func(n int) id.ID { return id.ID{byte(1 + rnd.IntN(n))} }
	for range 60 {
		clock.Advance(time.Second)
		dbtest.Do(t, db, func(tx *database.Tx) error {
			for k := range 1 + rnd.IntN(6) {
				typ := event.Type[noted]{
					Action:   []string{"thing.made", "thing.moved", "thing.lost"}[rnd.IntN(3)],
					Category: []event.Category{event.RBAC, event.Auth}[rnd.IntN(2)],
					Resource: []string{"", "thing", "identity"}[rnd.IntN(3)],
					Severity: []event.Severity{event.Info, event.Critical}[rnd.IntN(2)],
					Outcome:  []event.Outcome{event.Success, event.Denied}[rnd.IntN(2)],
					On:       []event.Surfaces{event.Identities, event.Admin, event.Both}[rnd.IntN(3)],
					Hidden:   rnd.IntN(8) == 0,
				}
				e := event.Entry{
					Actor: principal.Actor{
						Kind: []principal.Kind{principal.KindUser, principal.KindIdentity}[rnd.IntN(2)], ID: pick(3),
						Label: fmt.Sprintf("Zoë-%d@acme.test", rnd.IntN(3)), Request: principal.Request{ID: pick(4).String()},
					},
					Account: scope.AccountID(pick(2)), Application: scope.ApplicationID(pick(2)),
					Environment: scope.EnvironmentID(pick(3)), Resource: pick(4), Label: "100%",
				}
				if err := event.Record(t.Context(), tx, typ, e, noted{fmt.Sprintf("Straße_%d", k)}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	rows := dbtest.Write(t, db, func(tx *database.Tx) ([]event.Row, error) {
		ids, err := database.All(t.Context(), tx, func(row database.Scanner) (of event.RowID, err error) {
			return of, row.Scan(&of)
		}, `SELECT id FROM audit_event ORDER BY created_at, id`)
		if err != nil {
			return nil, err
		}
		found, err := event.ByID(t.Context(), tx, ids)
		for _, of := range ids {
			all = append(all, found[of])
		}
		return all, err
	})
	return rows
}

// asks are filters of each sort, alone and together.
func asks() map[string]event.Filter {
	two := id.ID{2}
	return map[string]event.Filter{
		"nothing":         {},
		"action":          {Actions: []string{"thing.moved"}},
		"actions":         {Actions: []string{"thing.moved", "thing.lost", "no.such"}},
		"no such action":  {Actions: []string{"no.such"}},
		"category":        {Category: event.Auth},
		"severity":        {Severity: event.Critical},
		"outcome":         {Outcome: event.Denied},
		"actor type":      {ActorType: "identity"},
		"resource type":   {ResourceType: "thing"},
		"actor":           {ActorID: two},
		"resource":        {ResourceID: two},
		"correlation":     {Correlation: two.String()},
		"application":     {Application: scope.ApplicationID(two)},
		"environment":     {Environment: scope.EnvironmentID(two)},
		"label":           {Q: "zoË-1"},
		"value":           {Q: "STRASSE_2"},
		"percent":         {Q: "0%"},
		"underscore":      {Q: "e_"},
		"name of member":  {Q: "note"},
		"of another":      {ActorID: id.ID{9}},
		"several":         {ActorID: two, Environment: scope.EnvironmentID(two), Severity: event.Info, Q: "acme"},
		"several by kind": {Category: event.RBAC, Outcome: event.Success, ActorType: "user", ResourceType: "identity"},
	}
}

// means is Filter's word, said another way.
func means(f event.Filter, r event.Row) bool {
	text := strings.ToLower(strings.ReplaceAll(r.ActorLabel+"\n"+r.ResourceLabel+"\n"+
		strings.TrimPrefix(string(r.Metadata), `{"note":`), "ß", "ss"))
	return !r.Hidden && r.Account == f.Account && r.Surfaces&f.On != 0 &&
		!r.CreatedAt.Before(f.From) && !r.CreatedAt.After(f.To) &&
		(len(f.Actions) == 0 || slices.Contains(f.Actions, r.Action)) &&
		(f.Category == "" || f.Category == r.Category) && (f.Severity == "" || f.Severity == r.Severity) &&
		(f.Outcome == "" || f.Outcome == r.Outcome) && (f.ActorType == "" || f.ActorType == string(r.ActorType)) &&
		(f.ResourceType == "" || f.ResourceType == r.ResourceType) && (f.ActorID.IsZero() || f.ActorID == r.ActorID) &&
		(f.ResourceID.IsZero() || f.ResourceID == r.ResourceID) && (f.Correlation == "" || f.Correlation == r.Correlation) &&
		(f.Application.IsZero() || f.Application == r.Application) &&
		(f.Environment.IsZero() || f.Environment == r.Environment) &&
		(f.Q == "" || strings.Contains(text, strings.ToLower(f.Q)))
}

// Whatever is asked, pages of any size hold exactly the rows that are meant, in either order,
// each once, though many bear one instant; no matter how many of them an index leads to.
func TestFindGivesWhatIsMeant(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		rnd := rand.New(rand.NewPCG(1, 2))
		all := scattered(t, db, clock, rnd)
		for range 3 {
			findsWhatIsMeant(t, db, all, rnd)
			seal(t, db, len(all)/3)
		}
	})
}

// seal has as many rows of each Account found by an index as are given, and says that they are
// sealed.
func seal(t *testing.T, db *database.DB, many int) {
	t.Helper()
	dbtest.Do(t, db, func(tx *database.Tx) error {
		waiting, err := event.Waiting(t.Context(), tx, 100)
		for _, in := range waiting {
			list, err := event.FirstUnsealed(t.Context(), tx, in, many)
			if err != nil {
				return err
			}
			ids := make([]event.RowID, 0, len(list))
			for _, u := range list {
				ids = append(ids, u.Event)
			}
			rows, err := event.ByID(t.Context(), tx, ids)
			if err != nil {
				return err
			}
			if err := event.Index(t.Context(), tx, rows); err != nil {
				return err
			}
			if err := event.Sealed(t.Context(), tx, in, list); err != nil {
				return err
			}
		}
		return err
	})
}

func findsWhatIsMeant(t *testing.T, db *database.DB, all []event.Row, rnd *rand.Rand) {
	t.Helper()
	found := 0
	for name, f := range asks() {
		for _, on := range []event.Surfaces{event.Identities, event.Admin} {
			for _, order := range []event.Order{event.NewestFirst, event.OldestFirst} {
				f.Account, f.On = scope.AccountID{1}, on
				f.From, f.To = all[len(all)/5].CreatedAt, all[len(all)*4/5].CreatedAt
				var want []string
				for _, r := range all {
					if means(f, r) {
						want = append(want, r.ID.String())
					}
					if in := !r.CreatedAt.Before(f.From) && !r.CreatedAt.After(f.To); in && f.Matches(&r) != means(f, r) {
						t.Errorf("%s: in memory %v of %v", name, f.Matches(&r), r)
					}
				}
				if order == event.NewestFirst {
					slices.Reverse(want)
				}
				found += len(want)
				if diff := cmp.Diff(want, walk(t, db, f, 1+rnd.IntN(9), order)); diff != "" {
					t.Errorf("%s on %v, oldest first %v (-want +got):\n%s", name, on.Names(), order, diff)
				}
			}
		}
	}
	if found < 300 {
		t.Errorf("only %d rows were meant: the filters are too narrow to tell", found)
	}
}

// walk reads page after page.
func walk(t *testing.T, db *database.DB, f event.Filter, size int, order event.Order) (ids []string) {
	t.Helper()
	var behind event.Mark
	for {
		rows := dbtest.Write(t, db, func(tx *database.Tx) ([]event.Row, error) {
			return event.Find(t.Context(), tx, f, behind, size, order)
		})
		if len(rows) == 0 {
			return ids
		}
		for i := range rows {
			ids = append(ids, rows[i].ID.String())
		}
		behind = event.MarkOf(&rows[len(rows)-1])
	}
}
