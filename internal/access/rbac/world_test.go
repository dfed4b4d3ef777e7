package rbac_test

import (
	"errors"
	"testing"

	"github.com/go-json-experiment/json"

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

// world is one Environment of an Application, which has another one.
type world struct {
	*rbac.Service
	t     *testing.T
	in    scope.Environment
	other scope.Environment // of the same Application
}

func newWorld(t *testing.T, db *database.DB) world {
	t.Helper()
	parts := environment.Parts{rbac.Part{}}
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
	_ = eventtest.Take(t, db)
	return world{&rbac.Service{DB: db}, t, list[0].In(in), list[1].In(in)}
}

// draft is a permission to be made.
func draft(key string) rbac.NewPermission {
	return rbac.NewPermission{Key: key, Name: "Do " + key, Category: "things"}
}

// permit makes permissions.
func (w world) permit(keys ...string) []rbac.Permission {
	w.t.Helper()
	var list []rbac.NewPermission
	for _, key := range keys {
		list = append(list, draft(key))
	}
	made, err := w.AddPermissions(w.t.Context(), alex, w.in, list)
	if err != nil {
		w.t.Fatal(err)
	}
	return made
}

// role makes a role that holds keys.
func (w world) role(name string, keys ...string) rbac.Role {
	w.t.Helper()
	r, err := w.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: name})
	if err == nil && len(keys) > 0 {
		err = w.setKeys(r.ID, 0, keys...)
		r.Version++
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w world) setKeys(of rbac.RoleID, ifVersion int, keys ...string) error {
	return w.SetRoleKeys(w.t.Context(), alex, w.in, of, keys, ifVersion, anyRole)
}

// change changes a role.
func (w world) change(of rbac.RoleID, c rbac.RoleChange) {
	w.t.Helper()
	if _, err := w.UpdateRole(w.t.Context(), alex, w.in, of, c, 0, anyRole); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) keys(of rbac.RoleID) []string {
	w.t.Helper()
	_, keys, err := w.RoleKeys(w.t.Context(), w.in, of)
	if err != nil {
		w.t.Fatal(err)
	}
	return keys
}

// system finds a system permission.
func (w world) system(key string) rbac.Permission {
	w.t.Helper()
	all, err := w.Permissions(w.t.Context(), w.in, rbac.System)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range all {
		if p.Key == key {
			return p
		}
	}
	w.t.Fatalf("there is no %s", key)
	return rbac.Permission{}
}

// platformAdmin is the one system role.
func (w world) platformAdmin() rbac.Listed {
	w.t.Helper()
	all, err := w.Roles(w.t.Context(), w.in, rbac.SystemRole, true)
	if err != nil || len(all) != 1 {
		w.t.Fatal(all, err)
	}
	return all[0]
}

// revision is where the Environment stands.
func (w world) revision() int {
	w.t.Helper()
	return dbtest.Number(w.t, w.DB, `SELECT revision FROM revision WHERE scope_id = $1`, w.in.ID)
}

// nothing holds that a call wrote nothing: no event, and no revision.
func (w world) nothing(revision int) {
	w.t.Helper()
	if rows := eventtest.Take(w.t, w.DB); len(rows) > 0 {
		w.t.Errorf("it recorded %v", rows)
	}
	if now := w.revision(); now != revision {
		w.t.Errorf("the revision went from %d to %d", revision, now)
	}
}

func anyRole(r rbac.Role) any             { return r }
func anyPermission(p rbac.Permission) any { return p }

// refused holds that err is a fault, with the facts it carries.
func refused(t *testing.T, err error, want *fault.Error, data any) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, want %s", err, want.Code)
		return
	}
	if data == nil {
		return
	}
	raw := map[bool]string{}
	for ours, v := range map[bool]any{true: data, false: fault.As(err).Data} {
		text, err := json.Marshal(v, json.Deterministic(true))
		if err != nil {
			t.Fatal(err)
		}
		raw[ours] = string(text)
	}
	if raw[true] != raw[false] {
		t.Errorf("%s tells %s, want %s", want.Code, raw[false], raw[true])
	}
}

// cleared clears a text.
func cleared() text.Clearable { return text.Clearable{Given: true} }

// said is a text for a field that may be cleared.
func said(s string) text.Clearable { return text.Clearable{Given: true, Value: &s} }
