package environment_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// desk is an Application, which has the Environments development and production.
func desk(t *testing.T, db *database.DB) application.NewParams {
	t.Helper()
	return dbtest.Write(t, db, func(tx *database.Tx) (p application.NewParams, err error) {
		p = application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		if err := account.Create(t.Context(), tx, principal.System(), p.Account, "Acme"); err != nil {
			return p, err
		}
		return p, (&application.Service{}).Create(t.Context(), tx, principal.System(), p)
	})
}

func create(t *testing.T, db *database.DB, at application.NewParams, slug string) (environment.ID, error) {
	t.Helper()
	return database.Write(t.Context(), db, func(tx *database.Tx) (environment.ID, error) {
		in := scope.Application{Account: scope.Account{ID: at.Account}, ID: at.ID, Slug: at.Slug}
		n := environment.New{
			At: scope.Environment{Application: in, ID: id.New[environment.ID](tx.Now), Slug: slug}, Name: "Staging",
		}
		return n.At.ID, environment.Parts{}.Create(t.Context(), tx, principal.System(), n)
	})
}

func TestNewEnvironmentIsFlat(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		at := desk(t, db)
		_ = eventtest.Take(t, db)
		made, err := create(t, db, at, "staging")
		if err != nil {
			t.Fatal(err)
		}
		type row struct {
			Account, Application, Name, Slug, Model string
			Version                                 int
		}
		got := dbtest.Write(t, db, func(tx *database.Tx) (r row, err error) {
			return r, tx.QueryRow(t.Context(), `SELECT env.account_id, env.application_id, env.name, env.slug, env.access_model,
				env.version FROM application app`+environment.JoinEnvironment+`$1 WHERE app.id = $2`, made, at.ID).
				Scan(&r.Account, &r.Application, &r.Name, &r.Slug, &r.Model, &r.Version)
		})
		want := row{at.Account.String(), at.ID.String(), "Staging", "staging", "flat", 1}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "environment.created" || rows[0].Environment != made.Any() ||
			rows[0].ResourceID != made.Any() || rows[0].Account != at.Account.Any() ||
			rows[0].Application != at.ID.Any() || rows[0].ResourceLabel != "Staging" {
			t.Errorf("%+v", rows)
		}
	})
}

func TestSlugIsUniqueInItsApplication(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		at := desk(t, db)
		if _, err := create(t, db, at, "production"); !errors.Is(err, environment.ErrSlugTaken) {
			t.Errorf("%v", err)
		}
		if _, err := create(t, db, desk(t, db), "staging"); err != nil {
			t.Errorf("in another Application: %v", err)
		}
	})
}

// TestRevisionIsTheOneThatWasRaisedTo, also when somebody who holds no lock of the Environment
// raises it between the look at it and the end of the write.
func TestRevisionIsTheOneThatWasRaisedTo(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		at := desk(t, db)
		of, err := create(t, db, at, "staging")
		if err != nil {
			t.Fatal(err)
		}
		in := scope.Environment{Application: scope.Application{Account: scope.Account{ID: at.Account}, ID: at.ID}, ID: of}
		for _, beside := range []bool{false, db.Engine == database.Postgres} {
			ctx, seen := scope.Observe(t.Context())
			_, err := environment.Write(ctx, db, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
				if beside {
					dbtest.Do(t, db, func(tx *database.Tx) error {
						revision.AppendBeside(tx, in)
						return nil
					})
				}
				revision.Append(tx, in)
				return struct{}{}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			now := dbtest.Write(t, db, func(tx *database.Tx) (revision.At, error) { return revision.Now(t.Context(), tx, in) })
			if seen.Revision() != now.Revision {
				t.Errorf("revision %d was told, and it is %d", seen.Revision(), now.Revision)
			}
		}
	})
}
