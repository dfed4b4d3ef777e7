package assignment_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

// world is one Environment with a tree, roles and members. Its Application has another one.
type world struct {
	t      testing.TB
	db     *database.DB
	in     scope.Environment
	other  scope.Environment
	tree   *hierarchy.Service
	roles  *rbac.Service
	grants *assignment.Service
	root   hierarchy.ID
}

type m map[string]any

func micro(t time.Time) decide.Instant { return decide.Instant(t.UnixMicro()) }

func newWorld(t testing.TB, db *database.DB) *world {
	t.Helper()
	parts := environment.Parts{hierarchy.Part{}, rbac.Part{}, assignment.Part{}}
	var in scope.Application
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		in = scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		if err := account.Create(t.Context(), tx, alex, p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := (&application.Service{Parts: parts}).Create(t.Context(), tx, alex, p); err != nil {
			return nil, err
		}
		return environment.List(t.Context(), tx, in)
	})
	w := &world{
		t: t, db: db, in: list[0].In(in), other: list[1].In(in),
		tree:   &hierarchy.Service{DB: db, Dependents: []hierarchy.Dependent{assignment.Part{}}},
		grants: &assignment.Service{DB: db},
		roles:  &rbac.Service{DB: db, Dependents: []rbac.Dependent{assignment.Part{}}},
	}
	environments := &environment.Service{DB: db}
	_, err := environments.SetModel(t.Context(), alex, w.in, environment.Hierarchy)
	w.must(err)
	_, err = w.tree.SetSchema(t.Context(), alex, w.in, hierarchy.Schema{
		NodeTypes: []string{"company", "region"}, MaxDepth: 6, RootNodeType: "company",
		AllowedChildren: map[string][]string{"company": {"region"}, "region": {"region"}},
	}, 0, func(e environment.Environment) any { return e })
	w.must(err)
	hits, _, err := w.tree.Search(t.Context(), w.in, hierarchy.Query{Request: firstPage(hierarchy.Sorts, 1)})
	w.must(err)
	w.root = hits[0].ID
	w.quiet()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// quiet forgets the events so far.
func (w *world) quiet() { _ = eventtest.Take(w.t, w.db) }

// node makes a node below another.
func (w *world) node(parent hierarchy.ID, name string) hierarchy.ID {
	w.t.Helper()
	above := parent.String()
	n, err := w.tree.Create(w.t.Context(), alex, w.in, hierarchy.Draft{ParentID: &above, Type: "region", Name: name})
	w.must(err)
	return n.ID
}

// role makes a role.
func (w *world) role(name string) rbac.RoleID {
	w.t.Helper()
	r, err := w.roles.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: name})
	w.must(err)
	return r.ID
}

// deleteNode deletes a node, and deleteRole a role.
func (w *world) deleteNode(of hierarchy.ID) {
	w.t.Helper()
	w.must(w.tree.Delete(w.t.Context(), alex, w.in, of, 0, func(n hierarchy.Node) any { return n }))
}

func (w *world) deleteRole(of rbac.RoleID) {
	w.t.Helper()
	w.must(w.roles.DeleteRole(w.t.Context(), alex, w.in, of, 0, func(r rbac.Role) any { return r }))
}

// turnOff makes a role inactive.
func (w *world) turnOff(of rbac.RoleID) {
	w.t.Helper()
	off := false
	_, err := w.roles.UpdateRole(w.t.Context(), alex, w.in, of, rbac.RoleChange{Active: &off}, 0, func(r rbac.Role) any {
		return r
	})
	w.must(err)
}

// person is a new identity of the Account, with a membership in the Environment.
func (w *world) person(name string) principal.IdentityID {
	w.t.Helper()
	return dbtest.Write(w.t, w.db, func(tx *database.Tx) (of principal.IdentityID, err error) {
		of = id.New[principal.IdentityID](tx.Now)
		return of, insertPerson(w.t, tx, w.in, of, name, tx.Now)
	})
}

// insertPerson writes an identity and its membership in an Environment.
func insertPerson(
	t testing.TB, tx *database.Tx, in scope.Environment, of principal.IdentityID, name string, at time.Time,
) error {
	email := text.Fold(name) + "@acme.com"
	search := text.Fold(name) + " doe " + email
	_, err := tx.Exec(t.Context(), `INSERT INTO identity (id, account_id, email, first_name, last_name, name_fold, search,
		is_active, wrong_passwords, created_at, updated_at) VALUES ($1, $2, $3, $4, 'Doe', $5, $6, 1, 0, $7, $7)`,
		of, in.Application.Account.ID, email, name, text.Fold(name+" Doe"), search, at)
	if err != nil {
		return err
	}
	_, err = tx.Exec(t.Context(), `INSERT INTO membership (id, account_id, application_id, environment_id, identity_id,
		status, email, name_fold, search, is_active, assignment_count, activated_at, created_at)
		VALUES ($1, $2, $3, $4, $1, 'active', $5, $6, $7, 1, 0, $8, $8)`, of, in.Application.Account.ID, in.Application.ID,
		in.ID, email, text.Fold(name+" Doe"), search, at)
	return err
}

// left is how many assignments there are.
func (w *world) left() int {
	w.t.Helper()
	return dbtest.Number(w.t, w.db, `SELECT count(*) FROM assignment`)
}

// give gives a role for ever.
func (w *world) give(of principal.IdentityID, at hierarchy.ID, r rbac.RoleID) (assignment.Assignment, error) {
	return w.giveNew(assignment.New{Identity: of, Node: at, Role: r, Window: assignment.Always})
}

func (w *world) giveNew(n assignment.New) (assignment.Assignment, error) {
	return environment.Write(w.t.Context(), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (assignment.Assignment, error) {
			return assignment.Give(w.t.Context(), tx, alex, w.in, n)
		})
}

// given is give where that works.
func (w *world) given(of principal.IdentityID, at hierarchy.ID, r rbac.RoleID) assignment.Assignment {
	w.t.Helper()
	a, err := w.give(of, at, r)
	w.must(err)
	return a
}

// revision is where the Environment stands.
func (w *world) revision() int {
	w.t.Helper()
	return dbtest.Number(w.t, w.db, `SELECT revision FROM revision WHERE scope_id = $1`, w.in.ID)
}

// nothing holds that a call wrote nothing: no event, and no revision.
func (w *world) nothing(revision int) {
	w.t.Helper()
	if rows := eventtest.Take(w.t, w.db); len(rows) > 0 {
		w.t.Errorf("it recorded %v", rows)
	}
	if now := w.revision(); now != revision {
		w.t.Errorf("the revision went from %d to %d", revision, now)
	}
}

// recorded holds the events since the last look: their actions with their metadata.
func (w *world) recorded(want ...string) {
	w.t.Helper()
	var got []string
	for _, r := range eventtest.Take(w.t, w.db) {
		got = append(got, r.Action+" "+r.Metadata)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("recorded %q, want %q", got, want)
	}
}

// refused holds that err is a fault, with the facts it carries.
func refused(t testing.TB, err error, want *fault.Error, data any) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %s", err, want.Code)
		return
	}
	if data == nil {
		return
	}
	ours, err1 := json.Marshal(data, json.Deterministic(true))
	theirs, err2 := json.Marshal(fault.As(err).Data, json.Deterministic(true))
	if err1 != nil || err2 != nil || string(ours) != string(theirs) {
		t.Errorf("%s tells %s, want %s", want.Code, theirs, ours)
	}
}

// sound holds that the numbers that are kept are those that one counts.
func (w *world) sound() {
	w.t.Helper()
	for what, query := range map[string]string{
		"members": `SELECT count(*) FROM membership m WHERE m.assignment_count <> (SELECT count(*) FROM assignment a
			WHERE a.environment_id = m.environment_id AND a.identity_id = m.identity_id)`,
		"places": `SELECT count(*) FROM (
			SELECT environment_id, node_id, role_id, n FROM assignment_place UNION ALL
			SELECT environment_id, node_id, role_id, -count(*) FROM assignment GROUP BY 1, 2, 3) p
			WHERE (SELECT sum(n) FROM (
				SELECT environment_id, node_id, role_id, n FROM assignment_place UNION ALL
				SELECT environment_id, node_id, role_id, -count(*) FROM assignment GROUP BY 1, 2, 3) q
				WHERE q.environment_id = p.environment_id AND q.node_id = p.node_id AND q.role_id = p.role_id) <> 0`,
		"assignments at nodes that are gone": `SELECT count(*) FROM assignment a WHERE NOT EXISTS
			(SELECT 1 FROM node n WHERE n.id = a.node_id AND n.deleted_at IS NULL)`,
		"assignments of roles that are gone": `SELECT count(*) FROM assignment a WHERE NOT EXISTS
			(SELECT 1 FROM role r WHERE r.id = a.role_id)`,
	} {
		if n := dbtest.Number(w.t, w.db, query); n > 0 {
			w.t.Errorf("%s: %d are wrong", what, n)
		}
	}
	kept, counted := map[string]int{}, map[string]int{}
	into := func(m map[string]int, query string, args ...any) {
		dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
			return tx.Query(w.t.Context(), func(row database.Scanner) error {
				var kind, item string
				var n int
				err := row.Scan(&kind, &item, &n)
				if n != 0 || kind != "all" {
					m[kind+" "+item] += n
				}
				return err
			}, query, args...)
		})
	}
	into(kept, `SELECT kind, item, n FROM assignment_tally WHERE environment_id = $1`, w.in.ID)
	into(counted, `SELECT 'all', '', count(*) FROM assignment WHERE environment_id = $1
		UNION ALL SELECT 'role', role_id, count(*) FROM assignment WHERE environment_id = $1 GROUP BY role_id
		UNION ALL SELECT 'members', role_id, count(DISTINCT identity_id) FROM assignment WHERE environment_id = $1
			GROUP BY role_id`, w.in.ID)
	for kind, open := range map[string]decide.Instant{"from": decide.Beginning, "to": decide.Forever} {
		dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
			return tx.Query(w.t.Context(), func(row database.Scanner) error {
				var at int64
				err := row.Scan(&at)
				counted[kind+" "+time.UnixMicro(at).UTC().Format(time.DateOnly)]++
				return err
			}, `SELECT effective_`+kind+` FROM assignment WHERE environment_id = $1 AND effective_`+kind+` <> $2`,
				w.in.ID, open)
		})
	}
	if diff := cmp.Diff(counted, kept); diff != "" {
		w.t.Errorf("(-counted +kept)\n%s", diff)
	}
}
