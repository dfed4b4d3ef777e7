package preview_test

import (
	"log/slog"
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/identity/profile"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

func whole[T any](v T) any { return v }

// world is an Application with two Environments, and the use cases that change the first.
type world struct {
	*preview.Service

	t        testing.TB
	db       *database.DB
	in, from scope.Environment
	tree     *hierarchy.Service
	roles    *rbac.Service
	grants   *assignment.Service
	dumps    *dump.Service
	people   *enrolment.Service
	profiles *profile.Service
}

func newWorld(t testing.TB, db *database.DB, config preview.Config) *world {
	t.Helper()
	parts := environment.Parts{
		hierarchy.Part{}, rbac.Part{}, membership.Part{}, assignment.Part{}, identityinvite.Part{},
	}
	atNodes := []hierarchy.Dependent{assignment.Part{}, identityinvite.Part{}}
	ofRoles := []rbac.Dependent{assignment.Part{}, identityinvite.Part{}}
	applications := &application.Service{DB: db, Parts: parts}
	w := &world{
		t: t, db: db,
		tree:     &hierarchy.Service{DB: db, Dependents: atNodes},
		roles:    &rbac.Service{DB: db, Dependents: ofRoles},
		grants:   &assignment.Service{DB: db},
		people:   &enrolment.Service{DB: db, RevokeInvites: identityinvite.RevokeOf},
		profiles: &profile.Service{DB: db},
		dumps: dump.New(dump.Config{
			DB: db, Applications: applications, AtNodes: atNodes, OfRoles: ofRoles, Invites: identityinvite.Part{},
		}),
	}
	config.Decisions = &decision.Service{
		DB: db, Prover: &revision.Prover{DB: db}, Log: slog.New(slog.DiscardHandler),
	}
	config.Dumps, config.Invites = w.dumps, identityinvite.Part{}
	w.Service = preview.New(config)
	var app scope.Application
	list := dbtest.Write(t, db, func(tx *database.Tx) ([]environment.Environment, error) {
		p := application.NewParams{
			ID: id.New[application.ID](tx.Now), Account: id.New[account.ID](tx.Now), Name: "Desk", Slug: "desk",
		}
		app = scope.Application{Account: scope.Account{ID: p.Account}, ID: p.ID, Slug: p.Slug}
		if err := account.Create(t.Context(), tx, alex, p.Account, "Acme"); err != nil {
			return nil, err
		}
		if err := applications.Create(t.Context(), tx, alex, p); err != nil {
			return nil, err
		}
		return environment.List(t.Context(), tx, app)
	})
	w.in, w.from = list[0].In(app), list[1].In(app)
	w.treeIn(w.in)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// treeIn makes an Environment a hierarchy, if it is none.
func (w *world) treeIn(in scope.Environment) {
	w.t.Helper()
	_, err := (&environment.Service{DB: w.db}).SetModel(w.t.Context(), alex, in, environment.Hierarchy)
	w.must(err)
	_, err = w.tree.SetSchema(w.t.Context(), alex, in, hierarchy.Schema{
		NodeTypes: []string{"company", "region", "team"}, MaxDepth: 5, RootNodeType: "company",
		AllowedChildren: map[string][]string{"company": {"region", "team"}, "region": {"region", "team"}},
	}, 0, whole[environment.Environment])
	w.must(err)
}

// rows is everything that decisions see of an Environment.
type rows struct {
	nodes       []decide.Node
	roles       []decide.Role
	keys        []string
	members     []decide.Member
	assignments []decide.Assignment
}

func (r *rows) Permission(key string)          { r.keys = append(r.keys, key) }
func (r *rows) Role(o decide.Role)             { r.roles = append(r.roles, o) }
func (r *rows) Node(n decide.Node)             { r.nodes = append(r.nodes, n) }
func (r *rows) Member(m decide.Member)         { r.members = append(r.members, m) }
func (r *rows) Assignment(a decide.Assignment) { r.assignments = append(r.assignments, a) }

// read reads an Environment anew.
func (w *world) read(in scope.Environment) *rows {
	w.t.Helper()
	r := &rows{}
	_, err := decision.Rows(w.t.Context(), w.db, in, r)
	w.must(err)
	return r
}

// snapshot decides by the rows.
func (r *rows) snapshot(t testing.TB) *decide.Snapshot {
	t.Helper()
	var b decide.Builder
	for _, key := range r.keys {
		b.Permission(key)
	}
	for _, o := range r.roles {
		b.Role(o)
	}
	for _, n := range r.nodes {
		b.Node(n)
	}
	for _, m := range r.members {
		b.Member(m)
	}
	for _, a := range r.assignments {
		b.Assignment(a)
	}
	s, problems := b.Build(1)
	if len(problems) > 0 {
		t.Fatal("rows contradict each other: ", problems)
	}
	return s
}

func (w *world) root(in scope.Environment) hierarchy.ID {
	w.t.Helper()
	for _, n := range w.read(in).nodes {
		if n.Parent.IsZero() {
			return hierarchy.ID(n.ID)
		}
	}
	w.t.Fatal("no root")
	return hierarchy.ID{}
}

func (w *world) node(in scope.Environment, parent hierarchy.ID, nodeType, name string) (hierarchy.Node, error) {
	above := parent.String()
	return w.tree.Create(w.t.Context(), alex, in, hierarchy.Draft{ParentID: &above, Type: nodeType, Name: name})
}

func (w *world) role(in scope.Environment, name string, keys ...string) rbac.RoleID {
	w.t.Helper()
	r, err := w.roles.AddRole(w.t.Context(), alex, in, rbac.NewRole{Name: name})
	w.must(err)
	w.must(w.roles.SetRoleKeys(w.t.Context(), alex, in, r.ID, keys, 0, whole[rbac.Role]))
	return r.ID
}

func (w *world) permissions(in scope.Environment, keys ...string) {
	w.t.Helper()
	var list []rbac.NewPermission
	for _, key := range keys {
		list = append(list, rbac.NewPermission{Key: key, Name: key, Category: "lease"})
	}
	_, err := w.roles.AddPermissions(w.t.Context(), alex, in, list)
	w.must(err)
}

// person is a new member.
func (w *world) person(name string) enduser.Identity {
	w.t.Helper()
	i, err := environment.Write(w.t.Context(), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (enduser.Identity, error) {
			d := enduser.Draft{Email: name + "@acme.com", FirstName: name, LastName: "Lee"}
			i, err := enduser.Create(w.t.Context(), tx, w.in.Application.Account.ID, d, "")
			if err != nil {
				return i, err
			}
			_, _, err = membership.Activate(w.t.Context(), tx, w.in, i)
			return i, err
		})
	w.must(err)
	return i
}

func (w *world) give(of enduser.ID, at hierarchy.ID, role rbac.RoleID) {
	w.t.Helper()
	_, err := w.grants.Create(w.t.Context(), alex, w.in,
		assignment.Draft{IdentityID: of.String(), NodeID: at.String(), RoleID: role.String()})
	w.must(err)
}

// invite is a pending invite of an address, to a role at a node.
func (w *world) invite(email string, role rbac.RoleID, at hierarchy.ID) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		of := id.New[id.ID](tx.Now)
		_, err := tx.Exec(w.t.Context(), `INSERT INTO identity_invite (id, account_id, application_id, environment_id,
			email, intent, first_name, last_name, name_fold, search, role_id, node_id, status, token_hash, invited_by,
			inviter_kind, created_at, expires_at, asked_at, delivery, send_count)
			VALUES ($1, $2, $3, $4, $5, 'create', '', '', '', '', $6, $7, 'pending', $1, $1, 'user', $8, $9, $8, 'queued',
				0)`, of, w.in.Application.Account.ID, w.in.Application.ID, w.in.ID, email, role, at, tx.Now,
			tx.Now.AddDate(0, 0, 7))
		return err
	})
}

// all asks for every page of a preview, and holds what pages have in common.
func (w *world) all(c preview.Change, limit int) (first preview.Page) {
	w.t.Helper()
	q := preview.Query{Change: c, Limit: limit}
	for {
		p, err := w.Preview(w.t.Context(), w.in, q)
		w.must(err)
		if len(p.Items) > limit {
			w.t.Errorf("%d items, of %d", len(p.Items), limit)
		}
		if (p.Summary != nil) != (q.Cursor == "") {
			w.t.Errorf("a summary on another page than the first: %+v", p.Summary)
		}
		if q.Cursor == "" {
			first = p
		} else {
			first.Items = append(first.Items, p.Items...)
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			return first
		}
	}
}
