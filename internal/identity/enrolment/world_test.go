package enrolment_test

import (
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

// world is an Account with an Application of two Environments, the first of which has a role.
type world struct {
	*enrolment.Service

	t     *testing.T
	db    *database.DB
	app   scope.Application
	in    scope.Environment
	other scope.Environment
	root  hierarchy.ID
	role  rbac.RoleID
}

func newWorld(t *testing.T, db *database.DB) *world {
	t.Helper()
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	worker := outbox.NewWorker(outbox.Config{DB: db, Box: box, Lanes: []outbox.Lane{{Name: mailqueue.Lane, Parallel: 1}}})
	mail := &mailqueue.Queue{Outbox: worker.Queue(mailqueue.Lane), Limits: ratelimit.New(db, ratelimit.Defaults())}
	passwords := &credential.Passwords{
		Hasher: secret.NewHasher(secret.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 0, 64), History: 5,
	}
	w := &world{t: t, db: db, Service: &enrolment.Service{
		DB: db, Passwords: passwords, Credentials: &credential.Service{DB: db, Passwords: passwords, Mail: mail},
	}}
	p := application.NewParams{
		ID: id.New[application.ID](db.Now()), Account: id.New[account.ID](db.Now()), Name: "Desk", Slug: "desk",
	}
	w.app = scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
	applications := &application.Service{Parts: environment.Parts{
		hierarchy.Part{}, rbac.Part{}, assignment.Part{}, membership.Part{},
	}}
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
		if err := account.Create(t.Context(), tx, alex, p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := applications.Create(t.Context(), tx, alex, p); err != nil {
			return nil, err
		}
		return environment.List(t.Context(), tx, w.app)
	})
	w.in, w.other = list[0].In(w.app), list[1].In(w.app)
	first := page.Request{Page: 1, Take: 1, Sort: hierarchy.Sorts[0]}
	hits, _, err := (&hierarchy.Service{DB: db}).Search(t.Context(), w.in, hierarchy.Query{Request: first})
	w.must(err)
	w.root = hits[0].ID
	role, err := (&rbac.Service{DB: db}).AddRole(t.Context(), alex, w.in, rbac.NewRole{Name: "Reader"})
	w.must(err)
	w.role = role.ID
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func draft(email string) enrolment.New {
	return enrolment.New{Draft: enduser.Draft{Email: email, FirstName: "Ann", LastName: "Doe"}}
}

// ann is a new member of the first Environment.
func (w *world) ann(email string) enduser.ID {
	w.t.Helper()
	i, err := w.Create(w.t.Context(), alex, membership.InEnvironment(w.in), draft(email))
	w.must(err)
	return i.ID
}

// give gives somebody the role.
func (w *world) give(who enduser.ID) error {
	d := assignment.New{Identity: who, Node: w.root, Role: w.role, Window: assignment.Always}
	_, err := environment.Write(w.t.Context(), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (assignment.Assignment, error) {
			return assignment.Give(w.t.Context(), tx, alex, w.in, d)
		})
	return err
}

// attach makes somebody a member of an Environment again.
func (w *world) attach(who enduser.ID, in scope.Environment) error {
	results, err := w.Attach(w.t.Context(), alex, in, []enduser.ID{who}, false)
	if err != nil {
		return err
	}
	return results[0].Err
}

// sound holds what is true of every store at rest: nobody has an assignment who is no member,
// members are in the Application, and what is counted is what there is.
func (w *world) sound() {
	w.t.Helper()
	for what, query := range map[string]string{
		"assignments of nobody": `SELECT count(*) FROM assignment a WHERE NOT EXISTS (SELECT 1 FROM membership m
			WHERE m.environment_id = a.environment_id AND m.identity_id = a.identity_id AND m.status = 'active')`,
		"memberships of nobody": `SELECT count(*) FROM membership m WHERE NOT EXISTS (SELECT 1 FROM identity i
			WHERE i.id = m.identity_id)`,
		"members outside the Application": `SELECT count(*) FROM membership m WHERE m.status = 'active' AND NOT EXISTS
			(SELECT 1 FROM app_membership am WHERE am.application_id = m.application_id
				AND am.identity_id = m.identity_id AND am.status = 'active')`,
		"miscounted members": `SELECT count(*) FROM membership m WHERE m.assignment_count <> (SELECT count(*)
			FROM assignment a WHERE a.environment_id = m.environment_id AND a.identity_id = m.identity_id)`,
		"miscounted Environments": `SELECT COALESCE(sum(t.n), 0) - (SELECT count(*) FROM assignment)
			FROM assignment_tally t WHERE t.kind = 'all'`,
	} {
		if n := dbtest.Number(w.t, w.db, query); n != 0 {
			w.t.Errorf("%d %s", n, what)
		}
	}
}
