package decision_test

import (
	"log/slog"
	"strconv"
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

const read = "lease.read"

// world is an Environment with a tree, a role that holds one permission, and one member.
type world struct {
	*decision.Service
	t     testing.TB
	db    *database.DB
	in    scope.Environment
	tree  *hierarchy.Service
	roles *rbac.Service

	root hierarchy.ID
	role rbac.RoleID
	ann  enduser.ID
}

func newWorld(t testing.TB, db *database.DB) *world {
	t.Helper()
	parts := environment.Parts{hierarchy.Part{}, rbac.Part{}, assignment.Part{}}
	var app scope.Application
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		app = scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		if err := account.Create(t.Context(), tx, alex, p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := (&application.Service{Parts: parts}).Create(t.Context(), tx, alex, p); err != nil {
			return nil, err
		}
		return environment.List(t.Context(), tx, app)
	})
	w := (&world{t: t, in: list[0].In(app)}).on(db)
	_, err := (&environment.Service{DB: db}).SetModel(t.Context(), alex, w.in, environment.Hierarchy)
	w.must(err)
	_, err = w.tree.SetSchema(t.Context(), alex, w.in, hierarchy.Schema{
		NodeTypes: []string{"company", "region"}, MaxDepth: 8, RootNodeType: "company",
		AllowedChildren: map[string][]string{"company": {"region"}, "region": {"region"}},
	}, 0, func(e environment.Environment) any { return e })
	w.must(err)
	hits, _, err := w.tree.Search(t.Context(), w.in,
		hierarchy.Query{Request: page.Request{Page: 1, Take: 1, Sort: hierarchy.Sorts[0]}})
	w.must(err)
	w.root = hits[0].ID
	reading := []rbac.NewPermission{{Key: read, Name: "Read", Category: "lease"}}
	_, err = w.roles.AddPermissions(t.Context(), alex, w.in, reading)
	w.must(err)
	w.role = w.newRole("Reader", read)
	w.ann = w.person("ann")
	return w
}

// on is the same world in a process that has this handle, and holds nothing yet.
func (w *world) on(db *database.DB) *world {
	other := *w
	other.db = db
	other.Service = &decision.Service{DB: db, Prover: &revision.Prover{DB: db}, Log: slog.New(slog.DiscardHandler)}
	other.tree = &hierarchy.Service{DB: db, Dependents: []hierarchy.Dependent{assignment.Part{}}}
	other.roles = &rbac.Service{DB: db, Dependents: []rbac.Dependent{assignment.Part{}}}
	return &other
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) node(parent hierarchy.ID, name string) hierarchy.ID {
	w.t.Helper()
	above := parent.String()
	n, err := w.tree.Create(w.t.Context(), alex, w.in, hierarchy.Draft{ParentID: &above, Type: "region", Name: name})
	w.must(err)
	return n.ID
}

func (w *world) newRole(name string, keys ...string) rbac.RoleID {
	w.t.Helper()
	r, err := w.roles.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: name})
	w.must(err)
	w.must(w.grant(r.ID, keys...))
	return r.ID
}

func (w *world) grant(of rbac.RoleID, keys ...string) error {
	return w.roles.SetRoleKeys(w.t.Context(), alex, w.in, of, keys, 0, func(r rbac.Role) any { return r })
}

// person is a new identity, with a membership.
func (w *world) person(name string) enduser.ID {
	w.t.Helper()
	return w.write(func(tx *database.Tx) (of id.ID, err error) {
		of = id.New[id.ID](tx.Now)
		account := w.in.Application.Account.ID
		_, err = tx.Exec(w.t.Context(), `INSERT INTO identity (id, account_id, email, first_name, last_name, name_fold,
			search, is_active, wrong_passwords, created_at, updated_at) VALUES ($1, $2, $3, $3, '', $3, $3, 1, 0, $4, $4)`,
			of, account, name, tx.Now)
		if err != nil {
			return of, err
		}
		_, err = tx.Exec(w.t.Context(), `INSERT INTO membership (id, account_id, application_id, environment_id, identity_id,
			status, email, name_fold, search, is_active, assignment_count, activated_at, created_at)
			VALUES ($1, $2, $3, $4, $1, 'active', $5, $5, $5, 1, 0, $6, $6)`,
			of, account, w.in.Application.ID, w.in.ID, name, tx.Now)
		revision.Append(tx, w.in, edits.PutMember(decide.Member{Identity: of, IdentityActive: true, MembershipActive: true}))
		return of, err
	})
}

func (w *world) write(fn func(tx *database.Tx) (id.ID, error)) enduser.ID {
	w.t.Helper()
	of, err := environment.Write(w.t.Context(), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (id.ID, error) { return fn(tx) })
	w.must(err)
	return enduser.ID(of)
}

// give gives the role at a node; false where that is not possible.
func (w *world) give(of enduser.ID, at hierarchy.ID, role rbac.RoleID, window assignment.Window) error {
	_, err := environment.Write(w.t.Context(), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (assignment.Assignment, error) {
			n := assignment.New{Identity: of, Node: at, Role: role, Window: window}
			return assignment.Give(w.t.Context(), tx, alex, w.in, n)
		})
	return err
}

// take takes all that somebody has.
func (w *world) take(of enduser.ID) {
	w.t.Helper()
	w.write(func(tx *database.Tx) (id.ID, error) {
		_, err := assignment.DropOfIdentity(w.t.Context(), tx, w.in, of)
		return id.ID{}, err
	})
}

// switchTo switches an identity on or off, as the Account does: without the Environment's
// lock.
func (w *world) switchTo(of enduser.ID, active bool) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		_, err := tx.Exec(w.t.Context(), `UPDATE membership SET is_active = $1 WHERE identity_id = $2`, active, of)
		revision.Append(tx, w.in, edits.PutMember(decide.Member{
			Identity: of.Any(), IdentityActive: active, MembershipActive: true,
		}))
		return err
	})
}

// may asks.
func (w *world) may(of enduser.ID, at hierarchy.ID) string {
	w.t.Helper()
	q := decide.Question{Identity: of.Any(), Permission: read, Node: at.Any()}
	d, err := w.Evaluate(w.t.Context(), principal.Actor{}, w.in, q)
	if err != nil {
		return err.Error()
	}
	if d.Allowed {
		return strconv.Itoa(len(d.GrantingRoles))
	}
	return d.Reason.String()
}

// newOther is another world in the same store.
func newOther(w *world) *world { return newWorld(w.t, w.db) }
