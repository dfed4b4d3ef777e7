package apikey_test

import (
	"errors"
	"testing"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// alex is a portal user, who may give any key.
var alex = principal.User{Actor: principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}}

// parts are those of the Environments of a world.
var parts = environment.Parts{rbac.Part{}, apikey.Part{}}

// world is one Environment of an Application, which has another one, as one process has it.
type world struct {
	*apikey.Service
	t     testing.TB
	in    scope.Environment // the default one
	other scope.Environment
}

func newWorld(t testing.TB, db *database.DB) world {
	t.Helper()
	var app scope.Application
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		app = scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		if err := account.Create(t.Context(), tx, alex.Actor, p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := (&application.Service{Parts: parts}).Create(t.Context(), tx, alex.Actor, p); err != nil {
			return nil, err
		}
		return environment.List(t.Context(), tx, app)
	})
	_ = eventtest.Take(t, db)
	w := world{t: t, in: list[0].In(app), other: list[1].In(app)}
	return w.on(db)
}

// on is the same world in another process, which has a handle of its own.
func (w world) on(db *database.DB) world {
	w.Service = &apikey.Service{
		DB: db, Prover: &revision.Prover{DB: db}, Limits: ratelimit.New(db, nil), Unknown: rbac.Unknown,
	}
	return w
}

// each runs fn in a new world on each engine, with a clock.
func each(t *testing.T, fn func(t *testing.T, w world, clock *dbtest.Clock)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		fn(t, newWorld(t, db), clock)
	})
}

// twice runs fn in a world that two processes have: two handles of one PostgreSQL, and on
// SQLite, which has one process, two services on its handle.
func twice(t *testing.T, fn func(t *testing.T, a, b world)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		a := newWorld(t, dbtest.Open(t, database.SQLite, (&dbtest.Clock{}).Now))
		fn(t, a, a.on(a.DB))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		address, clock := dbtest.URL(t, database.Postgres), &dbtest.Clock{}
		var handles []*database.DB
		for range 2 {
			db, err := database.Open(t.Context(), address, clock.Now)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			handles = append(handles, db)
		}
		a := newWorld(t, handles[0])
		fn(t, a, a.on(handles[1]))
	})
}

// scoped is a key to be made that has scopes.
func scoped(scopes ...string) apikey.Draft {
	return apikey.Draft{Name: "Backend", Mode: apikey.Scoped, Scopes: scopes}
}

// full is a key to be made that has full access.
func full() apikey.Draft { return apikey.Draft{Name: "Root", Mode: apikey.FullAccess} }

// until has a key end at an instant.
func until(d apikey.Draft, at time.Time) apikey.Draft {
	s := at.UTC().Format("2006-01-02T15:04:05.000Z")
	d.ExpiresAt = text.Clearable{Given: true, Value: &s}
	return d
}

// make makes a key as alex and gives its value, too.
func (w world) make(d apikey.Draft) (apikey.Key, string) {
	w.t.Helper()
	k, value, err := w.Create(w.t.Context(), alex.Actor, alex, w.in, d)
	if err != nil {
		w.t.Fatal(err)
	}
	return k, value.Reveal()
}

// by is the principal of a value, which must be a live key's.
func (w world) by(value string) principal.Key {
	w.t.Helper()
	p, err := w.Authenticate(w.t.Context(), value)
	if err != nil {
		w.t.Fatal(err)
	}
	return p.(principal.Key)
}

// is reports whether a value is a live key's; nothing but auth.invalid_token may say no.
func (w world) is(value string) bool {
	w.t.Helper()
	_, err := w.Authenticate(w.t.Context(), value)
	if err != nil && !errors.Is(err, signingkey.ErrInvalidToken) {
		w.t.Error(err)
	}
	return err == nil
}

func (w world) setActive(of apikey.ID, active bool) {
	w.t.Helper()
	if _, err := w.SetActive(w.t.Context(), alex.Actor, alex, w.in, of, active); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) rotate(of apikey.ID) (value string) {
	w.t.Helper()
	_, made, err := w.Rotate(w.t.Context(), alex.Actor, alex, w.in, of)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.Reveal()
}

func (w world) delete(of apikey.ID) {
	w.t.Helper()
	if err := w.Delete(w.t.Context(), alex.Actor, w.in, of); err != nil {
		w.t.Fatal(err)
	}
}

// list is the first page of the keys.
func (w world) list() []apikey.Key {
	w.t.Helper()
	list, _, err := w.List(w.t.Context(), w.in, page.Request{Page: 1, Take: 100, Sort: apikey.Sorts[0]})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// revision is where the Environment stands.
func (w world) revision() int {
	w.t.Helper()
	return dbtest.Number(w.t, w.DB, `SELECT revision FROM revision WHERE scope_id = $1`, w.in.ID)
}

func (w world) denied(k principal.Key, p permission.Key, path string) {
	w.t.Helper()
	if err := w.Denied(w.t.Context(), k, k.Actor, p, "GET", path); err != nil {
		w.t.Error(err)
	}
}

// permit adds a permission to the catalogue.
func (w world) permit(key string) {
	w.t.Helper()
	access := &rbac.Service{DB: w.DB}
	_, err := access.AddPermissions(w.t.Context(), alex.Actor, w.in,
		[]rbac.NewPermission{{Key: key, Name: "Do " + key, Category: "things"}})
	if err != nil {
		w.t.Fatal(err)
	}
}
