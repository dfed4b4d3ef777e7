package hierarchy_test

import (
	"fmt"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// world is one Environment with a tree of regions, areas and teams.
type world struct {
	*hierarchy.Service
	t  testing.TB
	in scope.Environment
}

var (
	by      = principal.System()
	manager = hierarchy.Everywhere(true)
)

func asIs(n hierarchy.Node) any { return n }

// schema is that of a world: a company of regions, which may hold regions, areas and teams;
// teams are leaf only.
func schema() hierarchy.Schema {
	return hierarchy.Schema{
		NodeTypes: []string{"company", "region", "area", "team"},
		AllowedChildren: map[string][]string{
			"company": {"region", "team"}, "region": {"region", "area", "team"}, "area": {"team"},
		},
		MaxDepth: 6, RootNodeType: "company",
	}
}

// flat is a new Environment, as it is from its first moment.
func flat(t testing.TB, db *database.DB) *world {
	t.Helper()
	parts := environment.Parts{hierarchy.Part{}}
	apps := &application.Service{DB: db, Parts: parts}
	in := dbtest.Write(t, db, func(tx *database.Tx) (in scope.Environment, err error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Lease Desk", Slug: "desk",
		}
		if err := account.Create(t.Context(), tx, by, p.Account, "Acme"); err != nil {
			return in, err
		}
		if err := apps.Create(t.Context(), tx, by, p); err != nil {
			return in, err
		}
		app := scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		e, err := environment.BySlug(t.Context(), tx, app, "development")
		return e.In(app), err
	})
	return &world{&hierarchy.Service{DB: db}, t, in}
}

// grown is an Environment in which nodes may be added.
func grown(t testing.TB, db *database.DB) *world {
	t.Helper()
	w := flat(t, db)
	environments := &environment.Service{DB: db}
	if _, err := environments.SetModel(t.Context(), by, w.in, environment.Hierarchy); err != nil {
		t.Fatal(err)
	}
	if err := w.setSchema(schema()); err != nil {
		t.Fatal(err)
	}
	return w
}

// on is the same Environment through another handle of the store, as another process has it.
func (w *world) on(db *database.DB) *world { return &world{&hierarchy.Service{DB: db}, w.t, w.in} }

func (w *world) setSchema(d hierarchy.Schema) error {
	_, err := w.SetSchema(w.t.Context(), by, w.in, d, 0, func(e environment.Environment) any { return e })
	return err
}

func (w *world) root() hierarchy.ID {
	w.t.Helper()
	return w.edges()[0].ID
}

// tryAdd makes a node below another.
func (w *world) tryAdd(parent hierarchy.ID, nodeType, name string) (hierarchy.Node, error) {
	above := parent.String()
	return w.Create(w.t.Context(), by, w.in, hierarchy.Draft{ParentID: &above, Type: nodeType, Name: name})
}

func (w *world) add(parent hierarchy.ID, nodeType, name string) hierarchy.ID {
	w.t.Helper()
	n, err := w.tryAdd(parent, nodeType, name)
	if err != nil {
		w.t.Fatal(err)
	}
	return n.ID
}

func (w *world) change(of hierarchy.ID, c hierarchy.Change) (hierarchy.Node, error) {
	return w.Update(w.t.Context(), by, w.in, of, c, 0, asIs)
}

func (w *world) move(of, to hierarchy.ID) error {
	parent := to.String()
	_, err := w.change(of, hierarchy.Change{ParentID: &parent})
	return err
}

func (w *world) remove(of hierarchy.ID) error { return w.Delete(w.t.Context(), by, w.in, of, 0, asIs) }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// edge is a line of a tree.
type edge struct{ ID, Parent hierarchy.ID }

// told gathers what a walk tells.
type told struct {
	t     testing.TB
	nodes []hierarchy.Node
	seen  []hierarchy.Seen
	text  string // names in their order, children in brackets
	stack []hierarchy.ID
}

func (w *told) Begin(string) (stop bool, err error) { return false, nil }

func (w *told) Enter(n hierarchy.Node, seen hierarchy.Seen, first bool) error {
	if len(w.stack) > 0 && w.stack[len(w.stack)-1] != n.Parent {
		w.t.Errorf("%s is told below another than its parent", n.Name)
	}
	if first != (w.text == "" || w.text[len(w.text)-1] == '(') {
		w.t.Errorf("%s is told to be first: %t, after %s", n.Name, first, w.text)
	}
	w.nodes, w.seen, w.stack = append(w.nodes, n), append(w.seen, seen), append(w.stack, n.ID)
	w.text += n.Name + "("
	return nil
}

func (w *told) Leave(n hierarchy.Node) error {
	if w.stack[len(w.stack)-1] != n.ID {
		w.t.Errorf("%s is left, and another was entered", n.Name)
	}
	w.stack = w.stack[:len(w.stack)-1]
	w.text += ")"
	return nil
}

func (w *world) walk(walk hierarchy.Walk) *told {
	w.t.Helper()
	to := &told{t: w.t}
	w.must(w.Walk(w.t.Context(), w.in, walk, to))
	return to
}

// edges are the live nodes, in tree order.
func (w *world) edges() (list []edge) {
	w.t.Helper()
	for _, n := range w.walk(hierarchy.Walk{View: manager, Live: true}).nodes {
		list = append(list, edge{n.ID, n.Parent})
	}
	return list
}

// drawn is the tree as a text.
func (w *world) drawn() string {
	w.t.Helper()
	return w.walk(hierarchy.Walk{View: manager}).text
}

// sound holds all that must be true of a tree, whatever has happened to it.
func (w *world) sound() {
	w.t.Helper()
	in, root := w.in.ID, w.root()
	for what, query := range map[string]string{
		"roots": `SELECT count(*) - 1 FROM node WHERE environment_id = $1 AND parent_id IS NULL AND deleted_at IS NULL`,
		"parents that are gone": `SELECT count(*) FROM node n JOIN node p ON p.id = n.parent_id
			WHERE n.environment_id = $1 AND n.deleted_at IS NULL
				AND (p.deleted_at IS NOT NULL OR p.environment_id <> n.environment_id)`,
		"slugs that siblings share": `SELECT count(*) FROM (SELECT 1 FROM node
			WHERE environment_id = $1 AND deleted_at IS NULL GROUP BY parent_id, slug HAVING count(*) > 1) s`,
		"wrong child counts": `SELECT count(*) FROM node p WHERE p.environment_id = $1 AND p.deleted_at IS NULL
			AND p.child_count <> (SELECT count(*) FROM node n WHERE n.parent_id = p.id AND n.deleted_at IS NULL)`,
		"pairs that the schema forbids": `SELECT count(*) FROM node n JOIN node p ON p.id = n.parent_id
			WHERE n.environment_id = $1 AND n.deleted_at IS NULL AND p.node_type || '>' || n.node_type NOT IN
			('company>region', 'company>team', 'region>region', 'region>area', 'region>team', 'area>team')`,
		"deleted nodes with a status": `SELECT count(*) FROM node
			WHERE environment_id = $1 AND (deleted_at IS NULL) = (status = 'deleted')`,
	} {
		if n := dbtest.Number(w.t, w.DB, query, in); n != 0 {
			w.t.Errorf("%s: %d", what, n)
		}
	}
	// Whoever is below the root: a cycle would not be.
	all := dbtest.Number(w.t, w.DB, `SELECT count(*) FROM node WHERE environment_id = $1 AND deleted_at IS NULL`, in)
	const tree = `WITH RECURSIVE t (id, depth) AS (SELECT n.id, 1 FROM node n WHERE n.id = $1
		UNION ALL SELECT n.id, t.depth + 1 FROM t JOIN node n ON n.parent_id = t.id WHERE n.deleted_at IS NULL)`
	if n := dbtest.Number(w.t, w.DB, tree+` SELECT count(*) FROM t`, root); n != all {
		w.t.Errorf("%d nodes are below the root, of %d", n, all)
	}
	if n := dbtest.Number(w.t, w.DB, tree+` SELECT max(depth) FROM t`, root); n > 6 {
		w.t.Errorf("the tree is %d deep", n)
	}
	w.counted(tree, root)
}

// counted holds the numbers that are kept against those that are counted.
func (w *world) counted(tree string, root hierarchy.ID) {
	w.t.Helper()
	want := map[string]int{}
	for _, by := range []string{"node_type", "status", "depth"} {
		w.numbers(want, tree+` SELECT '`+by+`', CAST(`+by+` AS TEXT), count(*)
			FROM t JOIN node m ON m.id = t.id GROUP BY 2`, root)
	}
	got := map[string]int{}
	w.numbers(got, `SELECT CASE kind WHEN 'type' THEN 'node_type' ELSE kind END, item, n FROM tally
		WHERE environment_id = $1 AND n <> 0`, w.in.ID)
	if fmt.Sprint(want) != fmt.Sprint(got) {
		w.t.Errorf("kept: %v\ncounted: %v", got, want)
	}
}

func (w *world) numbers(into map[string]int, query string, args ...any) {
	w.t.Helper()
	dbtest.Do(w.t, w.DB, func(tx *database.Tx) error {
		return tx.Query(w.t.Context(), func(row database.Scanner) error {
			var by, item string
			var n int
			err := row.Scan(&by, &item, &n)
			into[by+" "+item] = n
			return err
		}, query, args...)
	})
}
