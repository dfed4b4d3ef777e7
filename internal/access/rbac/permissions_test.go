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
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

type keys = map[string][]string

// A new Environment has the system permissions, and the role that holds them all.
func TestFound(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		all, err := w.Permissions(w.t.Context(), w.in, "")
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, p := range all {
			got = append(got, p.Key)
			if p.Source != rbac.System || p.Version != 1 || p.Description != nil || p.Name == "" ||
				p.Category+"." != strings.TrimPrefix(p.Key, "canopy:")[:len(p.Category)+1] {
				t.Errorf("%+v", p)
			}
		}
		for _, k := range permission.System() {
			want = append(want, string(k))
		}
		slices.SortFunc(want, func(a, b string) int {
			return strings.Compare(strings.TrimPrefix(a, "canopy:"), strings.TrimPrefix(b, "canopy:"))
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		admin := w.platformAdmin()
		if admin.Name != "Platform Admin" || *admin.SystemKey != "platform_admin" || !admin.Active || admin.Version != 1 ||
			admin.Permissions != 16 {
			t.Errorf("%+v", admin)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, w.keys(admin.ID)); diff != "" {
			t.Error(diff)
		}
	})
}

// What is left of a deleted Environment goes in pieces, and nothing of another one.
func TestSweep(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		var names []string
		for i := range 600 {
			names = append(names, fmt.Sprintf("a.b%d", i))
		}
		w.permit(names...)
		w.role("Wide", names...)
		pieces := 0
		for done := false; !done; pieces++ {
			var err error
			changed := dbtest.Changes(t, db, func(tx *database.Tx) error {
				done, err = rbac.Part{}.Sweep(t.Context(), tx, w.in.ID)
				return err
			})
			if changed > 600 {
				t.Errorf("one piece has %d rows", changed)
			}
		}
		if pieces < 6 {
			t.Errorf("it took %d pieces", pieces)
		}
		for table, want := range map[string]int{"permission": 16, "role": 1, "role_permission": 16} {
			if n := dbtest.Number(t, db, `SELECT count(*) FROM `+table); n != want {
				t.Errorf("%d rows of %s are left, want %d", n, table, want)
			}
		}
	})
}

func TestAddPermissions(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		list := []rbac.NewPermission{draft("lease.sign"), draft("lease.approve")}
		list[0].Description = said("Signs it")
		made, err := w.AddPermissions(w.t.Context(), alex, w.in, list)
		if err != nil {
			t.Fatal(err)
		}
		if len(made) != 2 || made[0].Key != "lease.sign" || *made[0].Description != "Signs it" || made[1].Version != 1 ||
			made[1].Source != rbac.Custom {
			t.Errorf("%+v", made)
		}
		got, err := w.Permission(w.t.Context(), w.in, made[0].ID)
		if diff := cmp.Diff(made[0], got); err != nil || diff != "" {
			t.Error(err, diff)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 2 || rows[0].Action != "permission.created" || rows[0].Category != "rbac" ||
			rows[0].Metadata != `{"key":"lease.approve"}` || rows[0].ResourceType != "permission" ||
			rows[0].ResourceID != made[1].ID.Any() || rows[0].Environment != w.in.ID.Any() || rows[0].Severity != "info" {
			t.Errorf("%+v", rows)
		}
		if w.revision() != 2 {
			t.Errorf("the revision is %d", w.revision())
		}

		// All or nothing; every taken key is told, those that come twice too.
		_, err = w.AddPermissions(w.t.Context(), alex, w.in, []rbac.NewPermission{
			draft("z.twice"), draft("lease.sign"), draft("a.new"), draft("z.twice"), draft("api_key.view"), draft("z.twice"),
		})
		refused(t, err, rbac.ErrKeyTaken, keys{"keys": {"api_key.view", "lease.sign", "z.twice"}})
		w.nothing(2)
		// Another Environment has a catalogue of its own.
		if _, err := w.AddPermissions(w.t.Context(), alex, w.other, list); err != nil {
			t.Error(err)
		}
		if _, err := w.Permission(w.t.Context(), w.other, made[0].ID); err == nil {
			t.Error("an id of another Environment is known")
		}
	})
}

// Listed by category without regard to case, alike on both engines, then by key.
func TestPermissionsAreListedByCategory(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		var list []rbac.NewPermission
		for i, category := range []string{"Ölfeld", "zebra", "Straße", "STRASSE", "a_b", "A-b", "strasse", "Zebra"} {
			list = append(list, rbac.NewPermission{Key: fmt.Sprintf("k.k%d", i), Name: "N", Category: category})
		}
		if _, err := w.AddPermissions(w.t.Context(), alex, w.in, list); err != nil {
			t.Fatal(err)
		}
		got, err := w.Permissions(w.t.Context(), w.in, rbac.Custom)
		if err != nil || len(got) != len(list) {
			t.Fatal(got, err)
		}
		if !slices.IsSortedFunc(got, func(a, b rbac.Permission) int {
			if c := text.Compare(a.Category, b.Category); c != 0 {
				return c
			}
			return strings.Compare(a.Key, b.Key)
		}) {
			t.Errorf("%+v", got)
		}
		renamed := "0"
		if _, err := w.UpdatePermission(w.t.Context(), alex, w.in, got[7].ID, rbac.PermissionChange{Category: &renamed}, 0,
			anyPermission); err != nil {
			t.Fatal(err)
		}
		again, err := w.Permissions(w.t.Context(), w.in, rbac.Custom)
		if err != nil || again[0].ID != got[7].ID {
			t.Errorf("%+v, %v", again, err)
		}
	})
}

func TestUpdatePermission(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		p := w.permit("lease.sign")[0]
		update := func(of rbac.PermissionID, c rbac.PermissionChange, ifVersion int) (rbac.Permission, error) {
			return w.UpdatePermission(w.t.Context(), alex, w.in, of, c, ifVersion, anyPermission)
		}
		_ = eventtest.Take(t, db)
		name := "Sign leases"
		got, err := update(p.ID, rbac.PermissionChange{Name: &name, Description: said("D")}, 1)
		if err != nil || got.Version != 2 || got.Name != name || *got.Description != "D" ||
			!got.UpdatedAt.After(p.UpdatedAt) {
			t.Fatal(got, err)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "permission.updated" ||
			rows[0].Metadata != `{"changes":{"description":"D","name":"Sign leases"}}` {
			t.Errorf("%+v", rows)
		}
		// The same again writes nothing, and is judged by its version first.
		at := w.revision()
		same, err := update(p.ID, rbac.PermissionChange{Name: &name, Description: said("D")}, 2)
		if err != nil || same.Version != 2 {
			t.Error(same, err)
		}
		_, err = update(p.ID, rbac.PermissionChange{Name: &name}, 1)
		refused(t, err, fault.VersionConflict, got)
		w.nothing(at)
		if got, err = update(p.ID, rbac.PermissionChange{Description: cleared()}, 0); err != nil || got.Description != nil {
			t.Error(got, err)
		}
		if rows := eventtest.Take(t, db); len(rows) != 1 || rows[0].Metadata != `{"changes":{"description":null}}` {
			t.Errorf("%+v", rows)
		}
		// A system permission is refused before its version is looked at.
		_, err = update(w.system("audit.view").ID, rbac.PermissionChange{Name: &name}, 9)
		refused(t, err, rbac.ErrPermissionProtected, nil)
		_, err = w.UpdatePermission(w.t.Context(), alex, w.other, p.ID, rbac.PermissionChange{Name: &name}, 9, anyPermission)
		refused(t, err, rbac.ErrPermissionNotFound, nil)
	})
}

// A deleted permission is gone from every role at once, whose version rises; there is one
// event, and API keys are left alone.
func TestDeletePermission(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		p := w.permit("lease.sign", "lease.read")[0]
		has, both := w.role("Has", "lease.sign"), w.role("Both", "lease.read", "lease.sign")
		none := w.role("None", "lease.read")
		_ = eventtest.Take(t, db)
		at := w.revision()
		remove := func(of rbac.PermissionID, ifVersion int) error {
			return w.DeletePermission(w.t.Context(), alex, w.in, of, ifVersion, anyPermission)
		}
		refused(t, remove(p.ID, 2), fault.VersionConflict, p)
		refused(t, remove(w.system("audit.view").ID, 2), rbac.ErrPermissionProtected, nil)
		w.nothing(at)
		if err := remove(p.ID, 1); err != nil {
			t.Fatal(err)
		}
		for _, r := range []rbac.Role{has, both, none} {
			now, err := w.Role(w.t.Context(), w.in, r.ID)
			want := r.Version + 1
			if r.ID == none.ID {
				want = r.Version
			}
			if err != nil || now.Version != want {
				t.Errorf("%+v was %+v, %v", now, r, err)
			}
		}
		if got := fmt.Sprint(w.keys(has.ID), w.keys(both.ID)); got != "[] [lease.read]" {
			t.Error(got)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "permission.deleted" || rows[0].Metadata != `{"key":"lease.sign"}` {
			t.Errorf("%v", rows)
		}
		if w.revision() != at+1 {
			t.Errorf("from %d to %d", at, w.revision())
		}
		refused(t, remove(p.ID, 1), rbac.ErrPermissionNotFound, nil)
		if again := w.permit("lease.sign")[0]; again.ID == p.ID || again.Version != 1 {
			t.Errorf("%+v", again)
		}
		if got := w.keys(has.ID); len(got) != 0 {
			t.Errorf("the new one of the key is held: %v", got)
		}
	})
}

func TestUsage(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		p := w.permit("lease.sign")[0]
		off := w.role("émile", "lease.sign")
		w.role("Zoe", "lease.sign")
		w.role("Anna", "lease.sign", string(permission.OrganizationManage))
		w.role("None")
		inactive := false
		w.change(off.ID, rbac.RoleChange{Active: &inactive})
		names := func(of rbac.PermissionID) string {
			u, err := w.UsageOf(w.t.Context(), w.in, of)
			if err != nil {
				t.Fatal(err)
			}
			var list []string
			for _, r := range u.Roles {
				list = append(list, r.Name)
			}
			return strings.Join(list, ", ")
		}
		if got := names(p.ID); got != "Anna, Zoe, émile" {
			t.Error(got)
		}
		if got := names(w.system("canopy:organization.manage").ID); got != "Anna, Platform Admin" {
			t.Error(got)
		}
		_, err := w.UsageOf(w.t.Context(), w.other, p.ID)
		refused(t, err, rbac.ErrPermissionNotFound, nil)
	})
}

func TestPermissionLimit(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.MaxPermissions = 3
		p := w.permit("a.a", "a.b")[0]
		_, err := w.AddPermissions(w.t.Context(), alex, w.in, []rbac.NewPermission{draft("a.c"), draft("a.d")})
		refused(t, err, rbac.ErrLimitReached, nil)
		w.permit("a.c")
		if err := w.DeletePermission(w.t.Context(), alex, w.in, p.ID, 0, anyPermission); err != nil {
			t.Fatal(err)
		}
		w.permit("a.d")
	})
}

func TestPermissionRules(t *testing.T) {
	t.Parallel()
	for key, good := range map[string]bool{
		"a.b": true, "lease.approve.all": true, "a-b_c.d9": true, "a": false, "A.b": false, "a.B": false, ".a": false,
		"a.": false, "a..b": false, "1.a": false, "a.1": false, "canopy:a.b": false, "a b.c": false, "": false,
		"é.a":                           false,
		"a." + strings.Repeat("b", 126): true, "a." + strings.Repeat("b", 127): false, "a.b\n": false,
	} {
		n := rbac.NewPermission{Key: key, Name: "N", Category: "c"}
		if problems := text.Normalize(&n); (len(problems) == 0) != good {
			t.Errorf("%q: %v", key, problems)
		}
	}
	n := rbac.NewPermission{Key: "A", Name: " ", Category: strings.Repeat("x", 101), Description: said("a\u202eb")}
	if problems := text.Normalize(&n); len(problems) != 4 {
		t.Error(problems)
	}
	n = rbac.NewPermission{Key: "a.b", Name: " e\u0301 ", Category: " c ", Description: said(" ")}
	if problems := text.Normalize(&n); len(problems) != 0 || n.Name != "é" || n.Category != "c" ||
		n.Description.Value != nil {
		t.Errorf("%+v, %v", n, problems)
	}
}
