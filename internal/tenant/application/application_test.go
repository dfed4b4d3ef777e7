package application_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

func anAccount(t *testing.T, db *database.DB, name string) account.ID {
	t.Helper()
	return dbtest.Write(t, db, func(tx *database.Tx) (account.ID, error) {
		in := id.New[account.ID](tx.Now)
		if _, err := account.ReserveSlug(t.Context(), tx, in, name, tx.Now); err != nil {
			return in, err
		}
		return in, account.Create(t.Context(), tx, alex, in, name)
	})
}

// add makes an Application and gives what Find and Of are to show of it.
func add(t *testing.T, db *database.DB, in account.ID, name, slug string) application.Application {
	t.Helper()
	return dbtest.Write(t, db, func(tx *database.Tx) (application.Application, error) {
		p := application.NewParams{ID: id.New[application.ID](tx.Now), Account: in, Name: name, Slug: slug}
		if err := (&application.Service{}).Create(t.Context(), tx, alex, p); err != nil {
			return application.Application{}, err
		}
		return application.Find(t.Context(), tx, in, p.ID)
	})
}

func TestNewApplicationHasTwoEnvironments(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		in := anAccount(t, db, "Acme")
		_ = eventtest.Take(t, db)
		app := add(t, db, in, "Desk", "desk")
		type told struct {
			Action, Label string
			In, At        bool // names the Account and the Application
			Place         bool // names an Environment, and that is what it is about
		}
		var got []told
		for _, r := range eventtest.Take(t, db) {
			got = append(got, told{
				r.Action, r.ResourceLabel, r.Account == in.Any() && r.ActorID == alex.ID, r.Application == app.ID.Any(),
				!r.Environment.IsZero() && r.Environment == r.ResourceID,
			})
		}
		if diff := cmp.Diff([]told{
			{"application.created", "Desk", true, true, false},
			{"environment.created", "Development", true, true, true},
			{"environment.created", "Production", true, true, true},
		}, got); diff != "" {
			t.Error(diff)
		}
		n := dbtest.Number(t, db, `SELECT count(*) FROM environment
			WHERE account_id = $1 AND application_id = $2 AND access_model = 'flat' AND slug IN ('development', 'production')`,
			in, app.ID)
		if n != 2 {
			t.Errorf("%d Environments", n)
		}
	})
}

func TestApplicationsOfAnAccountOldestFirst(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		acme, globex := anAccount(t, db, "Acme"), anAccount(t, db, "Globex")
		want := []application.Application{
			add(t, db, acme, "Zebra", "zebra"), add(t, db, acme, "Ant", "ant"), add(t, db, acme, "Mole", "mole"),
		}
		other := add(t, db, globex, "Zebra", "zebra") // slugs are unique in an Account only
		dbtest.Do(t, db, func(tx *database.Tx) error {
			got, err := application.List(t.Context(), tx, acme)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if err != nil {
				return err
			}
			if found, err := application.Find(t.Context(), tx, acme, want[1].ID); err != nil || !cmp.Equal(found, want[1]) {
				t.Errorf("%+v, %v", found, err)
			}
			if _, err := application.Find(t.Context(), tx, acme, other.ID); !errors.Is(err, application.ErrNotFound) {
				t.Errorf("another Account's Application: %v", err)
			}
			none, err := application.List(t.Context(), tx, account.ID{9})
			if len(none) != 0 {
				t.Errorf("%+v", none)
			}
			return err
		})
	})
}

func TestSlugIsUniqueInItsAccount(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		in := anAccount(t, db, "Acme")
		_ = add(t, db, in, "Desk", "desk")
		_ = eventtest.Take(t, db)
		err := database.Do(t.Context(), db, func(tx *database.Tx) error {
			p := application.NewParams{ID: id.New[application.ID](tx.Now), Account: in, Name: "Desk", Slug: "desk"}
			return (&application.Service{}).Create(t.Context(), tx, alex, p)
		})
		if !db.Broken(err, "application_account_slug") {
			t.Errorf("%v", err)
		}
		if rows := eventtest.Take(t, db); len(rows) != 0 {
			t.Errorf("%+v", rows)
		}
	})
}
