package rbac_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// roleDraft is a role of a set-up.
func roleDraft(name string, keys ...string) rbac.RoleDraft {
	return rbac.RoleDraft{NewRole: rbac.NewRole{Name: name}, PermissionKeys: keys}
}

func (w world) bootstrap(b rbac.Bootstrap) (rbac.Bootstrapped, error) {
	return w.Bootstrap(w.t.Context(), alex, w.in, b)
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.permit("notes.read")
		w.role("Reader")
		_ = eventtest.Take(t, db)
		b := rbac.Bootstrap{
			Resources: []rbac.Resource{
				{Name: "notes", Actions: []string{"read", "create", "create"}},
				{Name: "purchase_order", Actions: []string{"create"}},
				{Name: "audit", Actions: []string{"view"}},
			},
			Roles: []rbac.RoleDraft{
				roleDraft("Admin", "notes.create", "notes.read", "notes.read", "canopy:organization.manage"),
				roleDraft("READER", "notes.create"), roleDraft("Nobody"),
			},
		}
		n, err := w.bootstrap(b)
		if diff := cmp.Diff(rbac.Bootstrapped{
			PermissionsCreated: 2, RolesCreated: 2, SkippedPermissions: 2, SkippedRoles: 1,
		}, n); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
		var got []string
		for _, r := range eventtest.Take(t, db) {
			got = append(got, r.Action+" "+r.Metadata)
		}
		if diff := cmp.Diff([]string{
			`permission.created {"key":"notes.create"}`, `permission.created {"key":"purchase_order.create"}`,
			`role.created {"name":"Admin"}`, `role.created {"name":"Nobody"}`,
			`role.permissions.updated {"permission_keys":["canopy:organization.manage","notes.create","notes.read"]}`,
			`setup.access_bootstrapped {"permissions_created":2,"roles_created":2,"skipped_permissions":2,"skipped_roles":1}`,
		}, got); diff != "" {
			t.Error(diff)
		}
		all, err := w.Permissions(w.t.Context(), w.in, rbac.Custom)
		if err != nil || len(all) != 3 || all[1].Name != "Create purchase order" || all[1].Category != "purchase_order" {
			t.Errorf("%+v, %v", all, err)
		}
		roles, err := w.Roles(w.t.Context(), w.in, rbac.CustomRole, false)
		var held []string
		for _, r := range roles {
			held = append(held, fmt.Sprint(r.Name, w.keys(r.ID)))
		}
		want := "Admin[canopy:organization.manage notes.create notes.read] Nobody[] Reader[]"
		if err != nil || strings.Join(held, " ") != want {
			t.Errorf("%v, %v", held, err)
		}
		at := w.revision()
		again, err := w.bootstrap(b)
		if err != nil || again.PermissionsCreated+again.RolesCreated != 0 || again.SkippedPermissions != 4 ||
			again.SkippedRoles != 3 || w.revision() != at {
			t.Errorf("%+v, %v, revision %d", again, err, w.revision())
		}
	})
}

// A set-up that is refused leaves nothing behind.
func TestBootstrapIsRefused(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.MaxPermissions, w.MaxRoles = 3, 2
		w.role("Old")
		_ = eventtest.Take(t, db)
		notes := []rbac.Resource{{Name: "notes", Actions: []string{"a", "b"}}}
		at := w.revision()
		_, err := w.bootstrap(rbac.Bootstrap{Resources: notes, Roles: []rbac.RoleDraft{
			roleDraft("A", "notes.a", "audit.view"), roleDraft("old", "x.y", "notes.c"),
		}})
		if diff := cmp.Diff([]string{
			`roles[1].permission_keys names "x.y", which is no permission of the Environment`,
			`roles[1].permission_keys names "notes.c", which is no permission of the Environment`,
		}, fault.As(err).Details); !errors.Is(err, fault.Validation) || diff != "" {
			t.Error(err, diff)
		}
		_, err = w.bootstrap(rbac.Bootstrap{Resources: notes, Roles: []rbac.RoleDraft{
			roleDraft("A", "notes.a", "audit.view"), roleDraft("B", "api_key.view", "canopy:organization.manage"),
		}})
		refused(t, err, rbac.ErrNotGrantable, keys{"keys": {"api_key.view", "audit.view"}})
		_, err = w.bootstrap(rbac.Bootstrap{Resources: notes, Roles: []rbac.RoleDraft{roleDraft("A"), roleDraft("B")}})
		refused(t, err, rbac.ErrLimitReached, nil)
		_, err = w.bootstrap(rbac.Bootstrap{Resources: []rbac.Resource{{Name: "n", Actions: []string{"a", "b", "c", "d"}}}})
		refused(t, err, rbac.ErrLimitReached, nil)
		many := make([]string, 1000)
		for i := range many {
			many[i] = fmt.Sprintf("no.k%d", i)
		}
		_, err = w.bootstrap(rbac.Bootstrap{Roles: []rbac.RoleDraft{roleDraft("A", many...)}})
		if n := len(fault.As(err).Details); n != 50 {
			t.Errorf("%d problems are told", n)
		}
		w.nothing(at)
		if all, err := w.Permissions(w.t.Context(), w.in, rbac.Custom); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
		// As many as there may be; skipped ones take no room.
		n, err := w.bootstrap(rbac.Bootstrap{Resources: notes, Roles: []rbac.RoleDraft{roleDraft("OLD"), roleDraft("B")}})
		if err != nil || n.RolesCreated != 1 || n.SkippedRoles != 1 {
			t.Error(n, err)
		}
	})
}

func TestAddResources(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.permit("a.a")
		r, full := w.role("Reader", "a.a"), w.role("Full", "a.a")
		_ = eventtest.Take(t, db)
		add := func(a rbac.Addition) (rbac.Added, error) { return w.AddResources(w.t.Context(), alex, w.in, a) }
		to := func(of string, keys ...string) rbac.RolePermissions {
			return rbac.RolePermissions{RoleID: of, PermissionKeys: keys}
		}
		things := []rbac.Resource{{Name: "a", Actions: []string{"a", "b", "c"}}}
		n, err := add(rbac.Addition{Resources: things, RolePermissions: []rbac.RolePermissions{
			to(r.ID.String(), "a.b"), to(full.ID.String(), "a.a"), to(r.ID.String(), "a.c", "a.b"),
		}})
		if err != nil || n != (rbac.Added{PermissionsCreated: 2, SkippedPermissions: 1, RolesUpdated: 1}) {
			t.Fatal(n, err)
		}
		got := eventtest.Actions(t, db)
		if got != "permission.created permission.created role.permissions.updated setup.resource_permissions_added" {
			t.Error(got)
		}
		now, err := w.Role(w.t.Context(), w.in, r.ID)
		if err != nil || now.Version != r.Version+1 || fmt.Sprint(w.keys(r.ID)) != "[a.a a.b a.c]" {
			t.Error(now, err, w.keys(r.ID))
		}
		if same, err := w.Role(w.t.Context(), w.in, full.ID); err != nil || same.Version != full.Version {
			t.Error(same, err)
		}
		at := w.revision()
		other := []rbac.Resource{{Name: "z", Actions: []string{"z"}}}
		theirs, err := w.AddRole(w.t.Context(), alex, w.other, rbac.NewRole{Name: "Theirs"})
		if err != nil {
			t.Fatal(err)
		}
		_ = eventtest.Take(t, db)
		for _, of := range []string{"", "none", strings.ToUpper(r.ID.String()), theirs.ID.String()} {
			_, err := add(rbac.Addition{Resources: other, RolePermissions: []rbac.RolePermissions{to(of)}})
			refused(t, err, rbac.ErrRoleNotFound, nil)
		}
		admin := w.platformAdmin().ID.String()
		_, err = add(rbac.Addition{Resources: other, RolePermissions: []rbac.RolePermissions{to(admin), to("none")}})
		refused(t, err, rbac.ErrRoleNotFound, nil)
		_, err = add(rbac.Addition{Resources: other, RolePermissions: []rbac.RolePermissions{to(admin, "x.x")}})
		refused(t, err, rbac.ErrRoleProtected, nil)
		_, err = add(rbac.Addition{Resources: other, RolePermissions: []rbac.RolePermissions{to(r.ID.String(), "x.x")}})
		refused(t, err, fault.Validation, nil)
		system := []rbac.RolePermissions{to(r.ID.String(), "audit.view")}
		_, err = add(rbac.Addition{Resources: other, RolePermissions: system})
		refused(t, err, rbac.ErrNotGrantable, keys{"keys": {"audit.view"}})
		w.nothing(at)
	})
}

func TestSummaries(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, stranger := newWorld(t, db), newWorld(t, db)
		stranger.permit("a.a")
		show := func() string {
			all, err := w.Summaries(w.t.Context(), w.in.Application.Account)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, s := range all {
				if s.Application != w.in.Application.ID || s.Environment != w.in.ID && s.Environment != w.other.ID {
					t.Errorf("%+v", s)
				}
				list = append(list, fmt.Sprint(s.ApplicationSlug, "/", s.EnvironmentSlug, " ", s.HasPermissions, s.HasRoles,
					s.HasRolePermissions, s.Identities))
			}
			return strings.Join(list, ", ")
		}
		const production = ", desk/production false false false 0"
		if got := show(); got != "desk/development false false false 0"+production {
			t.Error(got)
		}
		w.permit("a.a")
		if got := show(); got != "desk/development true false false 0"+production {
			t.Error(got)
		}
		r := w.role("R")
		if got := show(); got != "desk/development true true false 0"+production {
			t.Error(got)
		}
		if err := w.setKeys(r.ID, 0, "a.a"); err != nil {
			t.Fatal(err)
		}
		if got := show(); got != "desk/development true true true 0"+production {
			t.Error(got)
		}
	})
}

func TestSetupRules(t *testing.T) {
	t.Parallel()
	one, none := []rbac.Resource{{Name: "a", Actions: []string{"b"}}}, []rbac.RolePermissions{}
	many := func(n int) []string { return make([]string, n) }
	for what, c := range map[string]struct {
		v    text.Ruled
		want string
	}{
		"good":         {&rbac.Bootstrap{Resources: one, Roles: []rbac.RoleDraft{roleDraft("A", many(1000)...)}}, ""},
		"empty":        {&rbac.Bootstrap{Resources: []rbac.Resource{}, Roles: []rbac.RoleDraft{}}, ""},
		"no resources": {&rbac.Bootstrap{Roles: []rbac.RoleDraft{}}, "resources must hold 0 to 100 resources"},
		"no roles":     {&rbac.Bootstrap{Resources: one}, "roles must hold 0 to 50 roles"},
		"many resources": {
			&rbac.Addition{Resources: make([]rbac.Resource, 101), RolePermissions: none},
			"resources must hold 0 to 100 resources",
		},
		"a name twice": {
			&rbac.Bootstrap{Resources: one, Roles: []rbac.RoleDraft{roleDraft("Straße", ""), roleDraft(" STRASSE", "")}},
			"roles[1].name must not come twice",
		},
		"a name that is none": {
			&rbac.Bootstrap{Resources: one, Roles: []rbac.RoleDraft{roleDraft("", "")}},
			"roles[0].name must be 1 to 100 characters",
		},
		"many keys": {
			&rbac.Bootstrap{Resources: one, Roles: []rbac.RoleDraft{roleDraft("A", many(1001)...)}},
			"roles[0].permission_keys must hold 0 to 1000 keys",
		},
		"no actions": {
			&rbac.Addition{Resources: []rbac.Resource{{Name: "a"}}, RolePermissions: none},
			"resources[0].actions must hold 1 to 50 actions",
		},
		"a key that is none": {
			&rbac.Addition{Resources: []rbac.Resource{{Name: "a", Actions: []string{"É"}}}, RolePermissions: none},
			`resources[0] makes the key "a.É", which must be words of a-z, 0-9, _ and -, joined by dots, ` +
				`at most 128 characters`,
		},
		"no binding": {&rbac.Addition{Resources: one}, "role_permissions must hold 0 to 50 roles"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			t.Parallel()
			problems := text.Normalize(c.v)
			if c.want == "" && len(problems) > 0 || c.want != "" && (len(problems) == 0 || problems[0] != c.want) {
				t.Errorf("%q, want %q", problems, c.want)
			}
		})
	}
}
