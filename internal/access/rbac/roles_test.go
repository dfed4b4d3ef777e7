package rbac_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func TestAddRole(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		r, err := w.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: "Straße", Description: said("D")})
		if err != nil || !r.Active || r.SystemKey != nil || r.Version != 1 || *r.Description != "D" {
			t.Fatal(r, err)
		}
		got, err := w.Role(w.t.Context(), w.in, r.ID)
		if diff := cmp.Diff(r, got); err != nil || diff != "" {
			t.Error(err, diff)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "role.created" || rows[0].Metadata != `{"name":"Straße"}` ||
			rows[0].ResourceType != "role" || rows[0].ResourceLabel != "Straße" {
			t.Errorf("%+v", rows)
		}
		at := w.revision()
		// A name is taken without regard to case, by the system role too.
		for _, name := range []string{"Straße", "STRASSE", "strasse", "PLATFORM admin"} {
			_, err := w.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: name})
			refused(t, err, rbac.ErrRoleNameTaken, nil)
		}
		w.nothing(at)
		if _, err := w.AddRole(w.t.Context(), alex, w.other, rbac.NewRole{Name: "STRASSE"}); err != nil {
			t.Error(err)
		}
		_, err = w.Role(w.t.Context(), w.other, r.ID)
		refused(t, err, rbac.ErrRoleNotFound, nil)
	})
}

func TestRolesAreListedByName(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.permit("a.a", "a.b")
		w.role("zoo", "a.a")
		w.role("Émile", "a.a", "a.b")
		off := w.role("éclair")
		w.role("Zebra")
		inactive := false
		w.change(off.ID, rbac.RoleChange{Active: &inactive})
		for _, c := range []struct {
			kind     rbac.Kind
			inactive bool
			want     string
		}{
			{"", false, "Platform Admin 16, Zebra 0, zoo 1, Émile 2"},
			{"", true, "Platform Admin 16, Zebra 0, zoo 1, éclair 0, Émile 2"},
			{rbac.CustomRole, false, "Zebra 0, zoo 1, Émile 2"},
			{rbac.CustomRole, true, "Zebra 0, zoo 1, éclair 0, Émile 2"},
			{rbac.SystemRole, true, "Platform Admin 16"},
		} {
			all, err := w.Roles(w.t.Context(), w.in, c.kind, c.inactive)
			var got []string
			for _, r := range all {
				got = append(got, fmt.Sprint(r.Name, " ", r.Permissions))
			}
			if err != nil || strings.Join(got, ", ") != c.want {
				t.Errorf("%q %v: %v, want %s", c.kind, c.inactive, got, c.want)
			}
		}
	})
}

func TestUpdateRole(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		r := w.role("Reader")
		w.role("Writer")
		update := func(of rbac.RoleID, c rbac.RoleChange, ifVersion int) (rbac.Role, error) {
			return w.UpdateRole(w.t.Context(), alex, w.in, of, c, ifVersion, anyRole)
		}
		_ = eventtest.Take(t, db)
		name, off := "READER", false
		got, err := update(r.ID, rbac.RoleChange{Name: &name, Active: &off, Description: said("D")}, 1)
		if err != nil || got.Name != "READER" || got.Active || *got.Description != "D" || got.Version != 2 {
			t.Fatal(got, err)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "role.updated" ||
			rows[0].Metadata != `{"changes":{"description":"D","is_active":false,"name":"READER"}}` {
			t.Errorf("%+v", rows)
		}
		at := w.revision()
		if same, err := update(r.ID, rbac.RoleChange{Name: &name, Active: &off}, 2); err != nil || same.Version != 2 {
			t.Error(same, err)
		}
		if same, err := update(r.ID, rbac.RoleChange{}, 0); err != nil || same.Version != 2 {
			t.Error(same, err)
		}
		_, err = update(r.ID, rbac.RoleChange{Name: &name}, 1)
		refused(t, err, fault.VersionConflict, got)
		for _, taken := range []string{"writer", "platform admin"} {
			_, err = update(r.ID, rbac.RoleChange{Name: &taken}, 0)
			refused(t, err, rbac.ErrRoleNameTaken, nil)
		}
		_, err = update(w.platformAdmin().ID, rbac.RoleChange{Name: &name}, 9)
		refused(t, err, rbac.ErrRoleProtected, nil)
		_, err = w.UpdateRole(w.t.Context(), alex, w.other, r.ID, rbac.RoleChange{Name: &name}, 0, anyRole)
		refused(t, err, rbac.ErrRoleNotFound, nil)
		w.nothing(at)
	})
}

func TestDeleteRole(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.permit("a.a")
		r := w.role("Reader", "a.a")
		remove := func(of rbac.RoleID, ifVersion int) error {
			return w.DeleteRole(w.t.Context(), alex, w.in, of, ifVersion, anyRole)
		}
		_ = eventtest.Take(t, db)
		at := w.revision()
		refused(t, remove(r.ID, 1), fault.VersionConflict, nil)
		refused(t, remove(w.platformAdmin().ID, 9), rbac.ErrRoleProtected, nil)
		w.nothing(at)
		if err := remove(r.ID, 2); err != nil {
			t.Fatal(err)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "role.deleted" || rows[0].Metadata != `{"name":"Reader"}` ||
			rows[0].Severity != "notice" {
			t.Errorf("%+v", rows)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM role_permission WHERE role_id = $1`, r.ID); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		refused(t, remove(r.ID, 0), rbac.ErrRoleNotFound, nil)
		w.role("READER")
	})
}

func TestSetRoleKeys(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.permit("a.a", "a.b", "a.c")
		r := w.role("Reader", "a.c", "a.a", "a.c")
		if diff := cmp.Diff([]string{"a.a", "a.c"}, w.keys(r.ID)); diff != "" {
			t.Error(diff)
		}
		_ = eventtest.Take(t, db)
		if err := w.setKeys(r.ID, 2, "a.b", "a.c", "canopy:organization.manage"); err != nil {
			t.Fatal(err)
		}
		now, keysNow, err := w.RoleKeys(w.t.Context(), w.in, r.ID)
		want := []string{"a.b", "a.c", "canopy:organization.manage"}
		if diff := cmp.Diff(want, keysNow); err != nil || diff != "" || now.Version != 3 {
			t.Error(now, err, diff)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "role.permissions.updated" || rows[0].Severity != "notice" ||
			rows[0].Metadata != `{"permission_keys":["a.b","a.c","canopy:organization.manage"]}` {
			t.Errorf("%+v", rows)
		}
		at := w.revision()
		if err := w.setKeys(r.ID, 3, "a.c", "canopy:organization.manage", "a.b", "a.b"); err != nil {
			t.Error(err)
		}
		refused(t, w.setKeys(r.ID, 2, "a.b", "a.c", "canopy:organization.manage"), fault.VersionConflict, now)
		refused(t, w.setKeys(r.ID, 0, "z.z", "a.a", "b.b", "z.z", ""), rbac.ErrPermissionNotFound,
			keys{"keys": {"", "b.b", "z.z"}})
		refused(t, w.setKeys(r.ID, 0, "audit.view", "a.a", "api_key.view"), rbac.ErrNotGrantable,
			keys{"keys": {"api_key.view", "audit.view"}})
		// What is named comes first, then what is protected, the version, and what can't be.
		admin := w.platformAdmin().ID
		refused(t, w.setKeys(admin, 9, "b.b", "audit.view"), rbac.ErrPermissionNotFound, nil)
		refused(t, w.setKeys(admin, 9, "audit.view"), rbac.ErrRoleProtected, nil)
		refused(t, w.setKeys(r.ID, 2, "audit.view"), fault.VersionConflict, nil)
		refused(t, w.setKeys(id.New[rbac.RoleID](now.CreatedAt), 0, "b.b"), rbac.ErrRoleNotFound, nil)
		err = w.SetRoleKeys(w.t.Context(), alex, w.other, r.ID, nil, 0, anyRole)
		refused(t, err, rbac.ErrRoleNotFound, nil)
		w.nothing(at)
		if err := w.setKeys(r.ID, 3); err != nil || len(w.keys(r.ID)) != 0 {
			t.Error(err, w.keys(r.ID))
		}
		if rows := eventtest.Take(t, db); len(rows) != 1 || rows[0].Metadata != `{"permission_keys":[]}` {
			t.Errorf("%+v", rows)
		}
	})
}

// The largest sets are written and replaced whole, in few statements.
func TestLargeSets(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		var names []string
		for i := range 10_000 {
			names = append(names, fmt.Sprintf("a.k%05d", i))
		}
		for i := 0; i < len(names); i += 500 {
			w.permit(names[i : i+500]...)
		}
		_, err := w.AddPermissions(w.t.Context(), alex, w.in, []rbac.NewPermission{draft("a.more")})
		refused(t, err, rbac.ErrLimitReached, nil)
		r := w.role("Wide")
		for _, set := range [][]string{names[:9_000], names[1_000:], names[5_000:5_010], nil, names} {
			if err := w.setKeys(r.ID, 0, set...); err != nil {
				t.Fatal(err)
			}
			if got := w.keys(r.ID); !slices.Equal(got, set) {
				t.Errorf("%d keys, want %d", len(got), len(set))
			}
		}
	})
}

func TestRoleLimit(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.MaxRoles = 2
		r := w.role("A")
		w.role("B")
		_, err := w.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: "C"})
		refused(t, err, rbac.ErrLimitReached, nil)
		if err := w.DeleteRole(w.t.Context(), alex, w.in, r.ID, 0, anyRole); err != nil {
			t.Fatal(err)
		}
		w.role("C")
	})
}
