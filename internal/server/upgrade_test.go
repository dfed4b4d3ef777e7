package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// beforePlaces is the newest step of a version whose Environments had nothing in them.
const beforePlaces = 9

// contents are the rows of an Environment by table, without ids and instants: what the
// query shows is all that may differ.
var contents = map[string]string{
	"revision": `SELECT revision || ' ' || tree_revision || ' ' || stamp_before || length(stamp) || length(tree_stamp)
		FROM revision WHERE scope_id = $1`,
	"node": `SELECT COALESCE(parent_id, '-') || node_type || ' ' || name || ' ' || name_fold || ' ' || slug || ' ' ||
		COALESCE(description, '-') || status || metadata || child_count || ' ' || version || COALESCE(deleted_at, 0)
		FROM node WHERE environment_id = $1`,
	"tally": `SELECT kind || ' ' || item || ' ' || n FROM tally WHERE environment_id = $1 AND n > 0`,
	"permission": `SELECT key || ' ' || name || ' ' || category || ' ' || category_fold || COALESCE(description, '-') ||
		source || version FROM permission WHERE environment_id = $1`,
	"role": `SELECT name || ' ' || name_fold || COALESCE(description, '-') || is_active || system_key || version
		FROM role WHERE environment_id = $1`,
	"role_permission": `SELECT r.name || ' ' || p.key FROM role_permission rp JOIN role r ON r.id = rp.role_id
		JOIN permission p ON p.id = rp.permission_id WHERE rp.environment_id = $1`,
}

func contentsOf(t *testing.T, db *database.DB, environment string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for table, query := range contents {
		lines := dbtest.Write(t, db, func(tx *database.Tx) ([]string, error) {
			return database.All(t.Context(), tx, func(row database.Scanner) (s string, err error) {
				return s, row.Scan(&s)
			}, query, environment)
		})
		slices.Sort(lines)
		all[table] = strings.Join(lines, "\n")
	}
	return all
}

// TestUpgradedEnvironmentsAreLikeNewOnes: what the migration writes for Environments of an
// earlier version is what the rooms write for new ones.
func TestUpgradedEnvironmentsAreLikeNewOnes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		all := "/portal/v1/accounts/" + slug + "/applications"
		alex.Must(201, "POST", all, m{"name": " Déſk Straße ", "slug": "other"})
		alex.Must(201, "POST", all, m{"name": "デスク", "slug": "no-slug"})
		fresh := map[string]map[string]string{}
		for _, app := range []string{"desk", "other", "no-slug"} {
			for _, e := range alex.Must(200, "GET", all+"/"+app+"/environments", nil).At("items").([]any) {
				id, _ := e.(m)["id"].(string)
				fresh[id] = contentsOf(t, s.DB, id)
				for table, rows := range fresh[id] {
					if rows == "" {
						t.Errorf("a new Environment has nothing in %s", table)
					}
				}
			}
		}
		for _, step := range []func() error{
			func() error { return s.DB.MigrateTo(t.Context(), beforePlaces) },
			func() error { return s.DB.Migrate(t.Context()) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		if len(fresh) != 6 {
			t.Errorf("%d Environments", len(fresh))
		}
		for id, rows := range fresh {
			if diff := cmp.Diff(rows, contentsOf(t, s.DB, id)); diff != "" {
				t.Errorf("-new +upgraded:\n%s", diff)
			}
		}
		all += "/desk/environments"
		if got := alex.Must(200, "GET", all+"/production/permissions", nil); len(got.At("items").([]any)) != 16 {
			t.Error(got.Raw)
		}
		if got := alex.Must(200, "GET", all+"/production/roles", nil); len(got.At("items").([]any)) != 1 ||
			got.Text("items", "0", "system_key") != "platform_admin" {
			t.Error(got.Raw)
		}
		made := alex.Must(201, "POST", all+"/production/roles", m{"name": "Reader"})
		if made.Header.Get("Canopy-Revision") != "2" {
			t.Error(made.Header)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM revision r JOIN account a ON a.id = r.scope_id`); n != 1 {
			t.Errorf("%d revisions of Accounts", n)
		}
	})
}
