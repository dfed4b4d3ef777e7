package dump_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/eventtest"
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

// world is an Application with the Environments development, which has a tree, and
// production, which is flat.
type world struct {
	*dump.Service

	t            testing.TB
	db           *database.DB
	app          scope.Application
	dev, prod    scope.Environment
	tree         *hierarchy.Service
	roles        *rbac.Service
	applications *application.Service
}

func newWorld(t testing.TB, db *database.DB) *world {
	t.Helper()
	parts := environment.Parts{hierarchy.Part{}, rbac.Part{}, assignment.Part{}}
	w := &world{t: t, db: db, applications: &application.Service{DB: db, Parts: parts}}
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		w.app = scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		if err := account.Create(t.Context(), tx, alex, p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := w.applications.Create(t.Context(), tx, alex, p); err != nil {
			return nil, err
		}
		return environment.List(t.Context(), tx, w.app)
	})
	w.dev, w.prod = list[0].In(w.app), list[1].In(w.app)
	atNodes, ofRoles := []hierarchy.Dependent{assignment.Part{}}, []rbac.Dependent{assignment.Part{}}
	w.tree, w.roles = &hierarchy.Service{DB: db, Dependents: atNodes}, &rbac.Service{DB: db, Dependents: ofRoles}
	w.Service = dump.New(dump.Config{DB: db, Applications: w.applications, AtNodes: atNodes, OfRoles: ofRoles})
	w.treeIn(w.dev)
	w.quiet()
	return w
}

func schema() hierarchy.Schema {
	return hierarchy.Schema{
		NodeTypes: []string{"company", "region", "team"}, MaxDepth: 6, RootNodeType: "company",
		AllowedChildren: map[string][]string{"company": {"region", "team"}, "region": {"region", "team"}},
	}
}

// treeIn makes an Environment a hierarchy.
func (w *world) treeIn(in scope.Environment) {
	w.t.Helper()
	_, err := (&environment.Service{DB: w.db}).SetModel(w.t.Context(), alex, in, environment.Hierarchy)
	w.must(err)
	_, err = w.tree.SetSchema(w.t.Context(), alex, in, schema(), 0, func(e environment.Environment) any { return e })
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// quiet forgets the events so far.
func (w *world) quiet() { _ = eventtest.Take(w.t, w.db) }

// recorded are the events since they were last forgotten, with what they tell.
func (w *world) recorded() string {
	w.t.Helper()
	var list []string
	for _, row := range eventtest.Take(w.t, w.db) {
		list = append(list, row.Action+" "+row.Metadata)
	}
	return strings.Join(list, " ")
}

func (w *world) root(in scope.Environment) hierarchy.ID {
	w.t.Helper()
	return w.nodes(in)[0].ID
}

// nodes are those of a dump.
func (w *world) nodes(in scope.Environment) (list []hierarchy.Node) {
	w.t.Helper()
	w.must(database.View(w.t.Context(), w.db, func(tx *database.Tx) error {
		return hierarchy.Dump(w.t.Context(), tx, in, func(n hierarchy.Node, _ int) error {
			list = append(list, n)
			return nil
		})
	}))
	return list
}

// node makes a node below another.
func (w *world) node(in scope.Environment, parent hierarchy.ID, nodeType, name string) hierarchy.ID {
	w.t.Helper()
	above := parent.String()
	n, err := w.tree.Create(w.t.Context(), alex, in, hierarchy.Draft{ParentID: &above, Type: nodeType, Name: name})
	w.must(err)
	return n.ID
}

func (w *world) update(in scope.Environment, of hierarchy.ID, c hierarchy.Change) error {
	_, err := w.tree.Update(w.t.Context(), alex, in, of, c, 0, func(n hierarchy.Node) any { return n })
	return err
}

func (w *world) remove(in scope.Environment, of hierarchy.ID) error {
	return w.tree.Delete(w.t.Context(), alex, in, of, 0, func(n hierarchy.Node) any { return n })
}

func (w *world) permission(in scope.Environment, keys ...string) {
	w.t.Helper()
	var list []rbac.NewPermission
	for _, key := range keys {
		list = append(list, rbac.NewPermission{Key: key, Name: "May " + key, Category: "things"})
	}
	_, err := w.roles.AddPermissions(w.t.Context(), alex, in, list)
	w.must(err)
}

// role makes a role that holds some keys.
func (w *world) role(in scope.Environment, name string, keys ...string) rbac.RoleID {
	w.t.Helper()
	r, err := w.roles.AddRole(w.t.Context(), alex, in, rbac.NewRole{Name: name})
	w.must(err)
	w.must(w.roles.SetRoleKeys(w.t.Context(), alex, in, r.ID, keys, 0, func(r rbac.Role) any { return r }))
	return r.ID
}

func (w *world) change(in scope.Environment, of rbac.RoleID, c rbac.RoleChange) {
	w.t.Helper()
	_, err := w.roles.UpdateRole(w.t.Context(), alex, in, of, c, 0, func(r rbac.Role) any { return r })
	w.must(err)
}

// person is a new identity with a membership in an Environment.
func (w *world) person(in scope.Environment, name string) principal.IdentityID {
	w.t.Helper()
	email := text.Fold(name) + "@acme.com"
	return dbtest.Write(w.t, w.db, func(tx *database.Tx) (of principal.IdentityID, err error) {
		of = id.New[principal.IdentityID](tx.Now)
		_, err = tx.Exec(w.t.Context(), `INSERT INTO identity (id, account_id, email, first_name, last_name, name_fold,
			search, is_active, wrong_passwords, created_at, updated_at) VALUES ($1, $2, $3, $4, 'Doe', $3, $3, 1, 0, $5, $5)`,
			of, w.app.Account.ID, email, name, tx.Now)
		if err != nil {
			return of, err
		}
		_, err = tx.Exec(w.t.Context(), `INSERT INTO membership (id, account_id, application_id, environment_id,
			identity_id, status, email, name_fold, search, is_active, assignment_count, activated_at, created_at)
			VALUES ($1, $2, $3, $4, $1, 'active', $5, $5, $5, 1, 0, $6, $6)`, of, w.app.Account.ID, w.app.ID, in.ID, email,
			tx.Now)
		return of, err
	})
}

// give gives a role; a second time it changes nothing.
func (w *world) give(
	in scope.Environment, of principal.IdentityID, at hierarchy.ID, r rbac.RoleID, window ...assignment.Window,
) {
	w.t.Helper()
	if err := w.tryGive(in, of, at, r, window...); err != nil && dbtest.Outcome(err) != "rbac.assignment_conflict" {
		w.t.Fatal(err)
	}
}

func (w *world) tryGive(
	in scope.Environment, of principal.IdentityID, at hierarchy.ID, r rbac.RoleID, window ...assignment.Window,
) error {
	n := assignment.New{Identity: of, Node: at, Role: r, Window: assignment.Always}
	for _, one := range window {
		n.Window = one
	}
	_, err := environment.Write(w.t.Context(), w.db, in,
		func(tx *database.Tx, _ environment.Environment) (assignment.Assignment, error) {
			return assignment.Give(w.t.Context(), tx, alex, in, n)
		})
	return err
}

// held is an assignment as the store has it.
type held struct {
	id             string
	identity       string
	node, role     string
	from, to, born int64
}

func (w *world) assignments(in scope.Environment) []held {
	w.t.Helper()
	return dbtest.Write(w.t, w.db, func(tx *database.Tx) ([]held, error) {
		return database.All(w.t.Context(), tx, func(row database.Scanner) (h held, err error) {
			return h, row.Scan(&h.id, &h.identity, &h.node, &h.role, &h.from, &h.to, &h.born)
		}, `SELECT id, identity_id, node_id, role_id, effective_from, effective_to, created_at FROM assignment
			WHERE environment_id = $1 ORDER BY identity_id, role_id, node_id`, in.ID)
	})
}

// export is a dump.
func (w *world) export(in scope.Environment) []byte {
	w.t.Helper()
	var b bytes.Buffer
	w.must(w.Export(w.t.Context(), alex, in, &b))
	return b.Bytes()
}

type m = map[string]any

// parsed is a dump to be changed.
func (w *world) parsed(in scope.Environment) m {
	w.t.Helper()
	var d m
	w.must(json.Unmarshal(w.export(in), &d))
	return d
}

func (w *world) encoded(d any) []byte {
	w.t.Helper()
	raw, err := json.Marshal(d)
	w.must(err)
	return raw
}

// placeless is a dump but for ids and where it comes from: nodes are named by their refs,
// and stand in their order, since siblings of one name are in that of their ids.
func (w *world) placeless(in scope.Environment) m {
	w.t.Helper()
	d := w.parsed(in)
	delete(d, "source_env")
	refs := map[any]any{}
	nodes := d["nodes"].([]any)
	for _, n := range nodes {
		refs[n.(m)["id"]] = n.(m)["ref"]
		n.(m)["parent_node_id"] = refs[n.(m)["parent_node_id"]]
		delete(n.(m), "id")
	}
	slices.SortFunc(nodes, func(a, b any) int { return strings.Compare(a.(m)["ref"].(string), b.(m)["ref"].(string)) })
	return d
}

func (w *world) revision(in scope.Environment) int {
	w.t.Helper()
	return dbtest.Number(w.t, w.db, `SELECT revision FROM revision WHERE scope_id = $1`, in.ID)
}

// stored is everything of the Environments, byte for byte.
func (w *world) stored() string {
	w.t.Helper()
	var b strings.Builder
	for table, columns := range map[string]string{
		"environment": "id || name || access_model || COALESCE(hierarchy_schema, '') || version",
		"node": "id || COALESCE(parent_id, '') || node_type || name || slug || status || metadata || child_count ||" +
			" version || COALESCE(ref, '') || COALESCE(description, '') || COALESCE(deleted_at, 0)",
		"permission": "id || key || name || version", "role": "id || name || is_active || version || COALESCE(ref, '')",
		"role_permission": "role_id || permission_id", "assignment": "id || node_id || role_id",
		"revision": "scope_id || revision || stamp", "tally": "environment_id || kind || item || n",
		"audit_event": "id", "assignment_tally": "environment_id || kind || item || n",
	} {
		dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
			return tx.Query(w.t.Context(), func(row database.Scanner) error {
				var s string
				err := row.Scan(&s)
				b.WriteString(table + " " + s + "\n")
				return err
			}, `SELECT `+columns+` FROM `+table+` ORDER BY 1`)
		})
	}
	lines := strings.Split(b.String(), "\n")
	return strings.Join(sorted(lines), "\n")
}

// grow furnishes an Environment at random.
func (w *world) grow(r *rand.Rand, in scope.Environment, people []principal.IdentityID) {
	w.t.Helper()
	all := []hierarchy.ID{w.root(in)}
	types := map[hierarchy.ID]string{all[0]: "company"}
	depths := map[hierarchy.ID]int{all[0]: 1}
	for range 5 + r.IntN(20) {
		above := all[r.IntN(len(all))]
		if types[above] == "team" || depths[above] == 6 {
			continue
		}
		nodeType := []string{"region", "region", "team"}[r.IntN(3)]
		of := w.node(in, above, nodeType, fmt.Sprintf("Node %d", r.IntN(6)))
		types[of], depths[of] = nodeType, depths[above]+1
		all = append(all, of)
		if r.IntN(4) == 0 {
			status := hierarchy.Inactive
			w.must(w.update(in, of, hierarchy.Change{Status: &status, Metadata: []byte(`{"n":12345678901234567890}`)}))
		}
	}
	keys := []string{"a.a", "a.b", "a.c", "a.d"}[:1+r.IntN(4)]
	w.permission(in, keys...)
	var roles []rbac.RoleID
	for i := range 1 + r.IntN(4) {
		some := keys[:r.IntN(len(keys)+1)]
		roles = append(roles, w.role(in, fmt.Sprintf("Role %d", i), some...))
	}
	for range 10 {
		w.give(in, people[r.IntN(len(people))], all[r.IntN(len(all))], roles[r.IntN(len(roles))])
	}
}
