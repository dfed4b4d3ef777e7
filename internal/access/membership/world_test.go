package membership_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

// world is an Account with two Applications of two Environments each, and a plain model of
// who is where.
type world struct {
	t      *testing.T
	db     *database.DB
	in     scope.Account
	apps   []scope.Application
	envs   []scope.Environment // two of the first Application, two of the second
	people []*person
}

// person is what the model knows of somebody.
type person struct {
	enduser.Identity
	apps     map[scope.ApplicationID]bool // who had a place, and whether it is active
	envs     map[scope.EnvironmentID]bool // likewise
	assigned map[scope.EnvironmentID]int
}

func newWorld(t *testing.T, db *database.DB) *world {
	t.Helper()
	w := &world{t: t, db: db, in: scope.Account{ID: id.New[account.ID](db.Now())}}
	applications := &application.Service{Parts: environment.Parts{membership.Part{}}}
	dbtest.Do(t, db, func(tx *database.Tx) error {
		return account.Create(t.Context(), tx, alex, w.in.ID, "Acme")
	})
	for _, slug := range []string{"desk", "shop"} {
		p := application.NewParams{ID: id.New[application.ID](db.Now()), Account: w.in.ID, Name: slug, Slug: slug}
		app := scope.Application{Account: w.in, ID: p.ID, Slug: slug}
		list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
			if err := applications.Create(t.Context(), tx, alex, p); err != nil {
				return nil, err
			}
			return environment.List(t.Context(), tx, app)
		})
		w.apps = append(w.apps, app)
		for _, e := range list {
			w.envs = append(w.envs, e.In(app))
		}
	}
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// born makes somebody who is nowhere yet.
func (w *world) born(first, last, email string) *person {
	w.t.Helper()
	i := dbtest.Write(w.t, w.db, func(tx *database.Tx) (enduser.Identity, error) {
		d := enduser.Draft{Email: email, FirstName: first, LastName: last}
		return enduser.Create(w.t.Context(), tx, w.in.ID, d, "")
	})
	p := &person{
		i, map[scope.ApplicationID]bool{}, map[scope.EnvironmentID]bool{}, map[scope.EnvironmentID]int{},
	}
	w.people = append(w.people, p)
	return p
}

// change runs fn with somebody and an Environment, both held.
func change[T any](
	w *world, in scope.Environment, who enduser.ID, fn func(tx *database.Tx, i enduser.Identity) (T, error),
) (T, error) {
	var i enduser.Identity
	return environment.WriteAfter(w.t.Context(), w.db, in, func(tx *database.Tx) (err error) {
		i, err = enduser.Lock(w.t.Context(), tx, w.in.ID, who)
		return err
	}, func(tx *database.Tx, _ environment.Environment) (T, error) { return fn(tx, i) })
}

func (w *world) activate(p *person, in scope.Environment) error {
	_, err := change(w, in, p.ID, func(tx *database.Tx, i enduser.Identity) (bool, error) {
		_, again, err := membership.Activate(w.t.Context(), tx, in, i)
		return again, err
	})
	return err
}

func (w *world) deactivate(p *person, in scope.Environment) (bool, error) {
	return change(w, in, p.ID, func(tx *database.Tx, i enduser.Identity) (bool, error) {
		return membership.Deactivate(w.t.Context(), tx, in, i)
	})
}

// assign changes how many assignments a member has.
func (w *world) assign(p *person, in scope.Environment, by int) {
	w.t.Helper()
	_, err := change(w, in, p.ID, func(tx *database.Tx, i enduser.Identity) (struct{}, error) {
		membership.CountAssignments(tx, in, i.ID, by)
		return struct{}{}, nil
	})
	w.must(err)
	p.assigned[in.ID] += by
}

// turn switches somebody on or off in the whole Account, and rename gives another name.
func (w *world) turn(p *person, active bool) {
	w.t.Helper()
	p.Identity = dbtest.Write(w.t, w.db, func(tx *database.Tx) (enduser.Identity, error) {
		i, err := enduser.Lock(w.t.Context(), tx, w.in.ID, p.ID)
		if err == nil {
			i, err = enduser.SetActive(w.t.Context(), tx, i, active)
		}
		if err == nil {
			_, err = membership.Follow(w.t.Context(), tx, i)
		}
		return i, err
	})
}

func (w *world) rename(p *person, first, last string) {
	w.t.Helper()
	p.Identity = dbtest.Write(w.t, w.db, func(tx *database.Tx) (enduser.Identity, error) {
		i, err := enduser.Lock(w.t.Context(), tx, w.in.ID, p.ID)
		if err != nil {
			return i, err
		}
		i.FirstName, i.LastName = first, last
		if i, err = enduser.SaveProfile(w.t.Context(), tx, i); err == nil {
			_, err = membership.Follow(w.t.Context(), tx, i)
		}
		return i, err
	})
}

// leave ends somebody's place in an Application, with the memberships in its Environments.
func (w *world) leave(p *person, app scope.Application) {
	w.t.Helper()
	for _, in := range w.envs {
		if in.Application.ID == app.ID && p.envs[in.ID] {
			w.end(p, in)
		}
	}
	is := dbtest.Write(w.t, w.db, func(tx *database.Tx) (bool, error) {
		return membership.DeactivateApp(w.t.Context(), tx, app, p.ID)
	})
	if is != p.apps[app.ID] {
		w.t.Errorf("leaving an Application tells %v", is)
	}
	p.apps[app.ID] = false
}

func (w *world) end(p *person, in scope.Environment) {
	w.t.Helper()
	is, err := w.deactivate(p, in)
	w.must(err)
	if is != p.envs[in.ID] {
		w.t.Errorf("the end of a membership tells %v", is)
	}
	if n := p.assigned[in.ID]; n != 0 {
		w.assign(p, in, -n) // the caller's to remove
	}
	if _, was := p.envs[in.ID]; was {
		p.envs[in.ID] = false
	}
}

func (w *world) enter(p *person, in scope.Environment) {
	w.t.Helper()
	if err := w.activate(p, in); dbtest.Outcome(err) != map[bool]string{
		true: "identities.already_member", false: "ok",
	}[p.envs[in.ID]] {
		w.t.Errorf("entering gives %v", err)
	}
	p.apps[in.Application.ID], p.envs[in.ID] = true, true
}

// names have equal folds, signs that mean something in a pattern, and several scripts.
var names = []string{
	"Ann", "ANN", "ann", "Bea", "Zoë", "Zoe", "Straße", "STRASSE", "Νίκος", "ΝΊΚΟΣ", "Øre", "O%Neil", "O_Neil", `O\Neil`,
	"李", "De la Cruz", "de la cruz", "É", "e",
}

// populate makes people at random, who come, go, are switched and renamed.
func (w *world) populate(n int, lot *rand.Rand, clock *dbtest.Clock) {
	w.t.Helper()
	some := func() string { return names[lot.IntN(len(names))] }
	for i := range n {
		w.born(some(), some(), fmt.Sprintf("p%d.%c@acme.example", lot.IntN(1000)*1000+i, 'a'+rune(lot.IntN(26))))
		if lot.IntN(3) > 0 { // some are of the same microsecond
			clock.Advance(1000)
		}
	}
	for range 6 * n {
		p, in := w.people[lot.IntN(n)], w.envs[lot.IntN(len(w.envs))]
		switch lot.IntN(8) {
		case 0:
			w.end(p, in)
		case 1:
			w.turn(p, lot.IntN(2) == 0)
		case 2:
			w.rename(p, some(), some())
		case 3:
			if lot.IntN(3) == 0 {
				w.leave(p, in.Application)
			}
		case 4:
			if p.envs[in.ID] {
				w.assign(p, in, 1)
			}
		default:
			w.enter(p, in)
		}
	}
}
