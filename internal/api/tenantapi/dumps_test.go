package tenantapi_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// furnished is the development Environment of a new Account, with a tree, permissions and a
// role.
func furnished(t *testing.T, s *servertest.Server) (c *servertest.Client, app, at string) {
	t.Helper()
	w := s.Acme()
	app = "/portal/v1/accounts/" + w.Slug + "/applications/desk"
	at = app + "/environments/development"
	root := w.Alex.Tree(at)
	north := w.Alex.Node(at, root, "region", "North")
	w.Alex.Node(at, north, "office", "Bremen")
	w.Alex.Node(at, root, "region", "North")
	w.Alex.Must(201, "POST", at+"/permissions", m{"permissions": []m{
		{"key": "lease.read", "name": "Read", "category": "lease"},
		{"key": "lease.approve", "name": "Approve", "category": "lease", "description": "Signs \"leases\""},
	}})
	role := w.Alex.Must(201, "POST", at+"/roles", m{"name": "Agent"}).Text("data", "id")
	both := m{"permission_keys": []string{"lease.read", "lease.approve"}}
	w.Alex.Must(200, "PUT", at+"/roles/"+role+"/permissions", both)
	w.Alex.Must(201, "POST", at+"/roles", m{"name": "agency"})
	return w.Alex, app, at
}

// undated is a dump without the instant at which it was made.
func undated(a servertest.Answer) string {
	return regexp.MustCompile(`"exported_at":"[^"]*"`).ReplaceAllString(a.Raw, "")
}

func TestExport(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, _, at := furnished(t, s)
		a := c.Must(200, "GET", at+"/export", nil)
		d := a.At("data").(m)
		if d["format_version"] != 1.0 || d["access_model"] != "hierarchy" ||
			a.Text("data", "source_env", "slug") != "development" {
			t.Error(a.Raw)
		}
		var keys, roles, nodes []string
		for _, p := range d["permissions"].([]any) {
			keys = append(keys, p.(m)["key"].(string))
		}
		for _, r := range d["roles"].([]any) {
			roles = append(roles, r.(m)["name"].(string))
		}
		for _, n := range d["nodes"].([]any) {
			nodes = append(nodes, n.(m)["slug"].(string))
			if n.(m)["ref"] != n.(m)["id"] {
				t.Errorf("the ref of an original: %v", n)
			}
		}
		want := [][]string{{"lease.approve", "lease.read"}, {"agency", "Agent"}, {"desk", "north", "bremen", "north-2"}}
		if diff := cmp.Diff(want, [][]string{keys, roles, nodes}); diff != "" {
			t.Error(diff)
		}
		if again := c.Must(200, "GET", at+"/export", nil); undated(again) != undated(a) {
			t.Error("two dumps of one state differ", again.Raw)
		}
	})
}

func TestExportOfAFlatEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, app, _ := furnished(t, s)
		d := c.Must(200, "GET", app+"/environments/production/export", nil).At("data").(m)
		if len(d["hierarchy_schema"].(m)) != 0 || d["access_model"] != "flat" || len(d["nodes"].([]any)) != 1 {
			t.Error(d)
		}
	})
}
