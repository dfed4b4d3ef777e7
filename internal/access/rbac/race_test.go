package rbac_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// Of those who make one key, or one name, at once, one does.
func TestOneOfManyCreatorsDoes(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		got := dbtest.AtOnce(12, func() string {
			_, err := w.AddPermissions(w.t.Context(), alex, w.in, []rbac.NewPermission{draft("a.a"), draft("a.b")})
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "permissions.key_taken": 11}, got); diff != "" {
			t.Error(diff)
		}
		var turn atomic.Int64
		got = dbtest.AtOnce(12, func() string {
			name := []string{"Straße", "STRASSE", "strasse"}[turn.Add(1)%3]
			_, err := w.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: name})
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "rbac.role_name_taken": 11}, got); diff != "" {
			t.Error(diff)
		}
		if w.revision() != 3 {
			t.Errorf("the revision is %d", w.revision())
		}
	})
}

// The limit holds however many come at once.
func TestLimitHoldsUnderRace(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.MaxRoles, w.MaxPermissions = 3, 3
		var turn atomic.Int64
		got := dbtest.AtOnce(10, func() string {
			_, err := w.AddRole(w.t.Context(), alex, w.in, rbac.NewRole{Name: fmt.Sprint("R", turn.Add(1))})
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 3, "rbac.limit_reached": 7}, got); diff != "" {
			t.Error(diff)
		}
		got = dbtest.AtOnce(10, func() string {
			key := fmt.Sprintf("a.k%d", turn.Add(1))
			_, err := w.AddPermissions(w.t.Context(), alex, w.in, []rbac.NewPermission{draft(key)})
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 3, "rbac.limit_reached": 7}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Of those who change one version, one does.
func TestOneOfManyWritersOfAVersionDoes(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		p, r := w.permit("a.a", "a.b")[0], w.role("Reader")
		var turn atomic.Int64
		want := map[string]int{"ok": 1, "version_conflict": 9}
		for what, write := range map[string]func(name string) error{
			"permission": func(name string) error {
				_, err := w.UpdatePermission(w.t.Context(), alex, w.in, p.ID, rbac.PermissionChange{Name: &name}, 1, anyPermission)
				return err
			},
			"role": func(name string) error {
				if len(name)%2 == 0 {
					return w.setKeys(r.ID, 1, "a.a", "a.b")
				}
				_, err := w.UpdateRole(w.t.Context(), alex, w.in, r.ID, rbac.RoleChange{Name: &name}, 1, anyRole)
				return err
			},
		} {
			got := dbtest.AtOnce(10, func() string {
				return dbtest.Outcome(write(strings.Repeat("x", int(turn.Add(1)))))
			})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", what, diff)
			}
		}
	})
}

// Sets that are replaced at once follow one another: one of them stands, whole, and each
// has raised the version. What is deleted meanwhile is in none.
func TestSetsUnderRace(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		gone := w.permit("a.a", "a.b", "b.a", "b.b", "b.c")[4]
		r := w.role("Reader")
		var turn atomic.Int64
		sets := [][]string{{"a.a", "a.b"}, {"b.a", "b.b"}}
		got := dbtest.AtOnce(12, func() string {
			n := turn.Add(1)
			if n == 6 {
				return "deleted: " + dbtest.Outcome(w.DeletePermission(w.t.Context(), alex, w.in, gone.ID, 0, anyPermission))
			}
			if n == 1 || n == 7 {
				return "three: " + dbtest.Outcome(w.setKeys(r.ID, 0, "b.a", "b.b", "b.c"))
			}
			return dbtest.Outcome(w.setKeys(r.ID, 0, sets[n%2]...))
		})
		if got["ok"] != 9 || got["deleted: ok"] != 1 || got["three: ok"]+got["three: permissions.not_found"] != 2 {
			t.Error(got)
		}
		now, held, err := w.RoleKeys(w.t.Context(), w.in, r.ID)
		if err != nil || !cmp.Equal(held, sets[0]) && !cmp.Equal(held, sets[1]) {
			t.Errorf("%v, %v", held, err)
		}
		changed := dbtest.Number(t, db, `SELECT count(*) FROM audit_event WHERE action = 'role.permissions.updated'`)
		deleted := dbtest.Number(t, db, `SELECT count(*) FROM audit_event WHERE action = 'permission.deleted'`)
		if now.Version < 1+changed || now.Version > 1+changed+deleted {
			t.Errorf("version %d after %d changes", now.Version, changed)
		}
	})
}

// Equal set-ups at once create everything once.
func TestBootstrapAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		got := dbtest.AtOnce(6, func() string {
			n, err := w.bootstrap(rbac.Bootstrap{
				Resources: []rbac.Resource{{Name: "notes", Actions: []string{"a", "b", "c"}}},
				Roles:     []rbac.RoleDraft{roleDraft("Admin", "notes.a", "notes.b"), roleDraft("Reader", "notes.a")},
			})
			return fmt.Sprint(n, err)
		})
		if diff := cmp.Diff(map[string]int{"{3 2 0 0} <nil>": 1, "{0 0 3 2} <nil>": 5}, got); diff != "" {
			t.Error(diff)
		}
		for query, want := range map[string]int{
			`SELECT count(*) FROM permission WHERE source = 'custom'`:                      3,
			`SELECT count(*) FROM role WHERE system_key IS NULL`:                           2,
			`SELECT count(*) FROM audit_event WHERE action = 'permission.created'`:         3,
			`SELECT count(*) FROM audit_event WHERE action = 'role.permissions.updated'`:   2,
			`SELECT count(*) FROM audit_event WHERE action = 'setup.access_bootstrapped'`:  6,
			`SELECT count(*) FROM revision WHERE revision = 2 AND scope_id <> account_id`:  1,
			`SELECT count(*) FROM audit_event WHERE action = 'role.created'`:               2,
			`SELECT count(*) FROM change WHERE kind = 'permission' AND subject_id IS NULL`: 0,
		} {
			if n := dbtest.Number(t, db, query); n != want {
				t.Errorf("%d, want %d: %s", n, want, query)
			}
		}
	})
}
