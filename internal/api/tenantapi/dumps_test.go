package tenantapi_test

import (
	"regexp"
	"testing"

	"github.com/go-json-experiment/json"
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

// inside is the dump in an answer of export, to be sent back.
func inside(a servertest.Answer) m { return a.At("data").(m) }

func TestImportOfAnExport(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, app, at := furnished(t, s)
		production := app + "/environments/production"
		a := c.Must(200, "GET", at+"/export", nil)
		dry := c.Must(200, "POST", production+"/import?dry_run=true", inside(a))
		if only := dry.At("data", "difference", "hierarchy", "only_from").([]any); len(only) != 3 {
			t.Error(dry.Raw)
		}
		r := c.Must(200, "POST", production+"/import", inside(a))
		if r.At("data", "environment", "version") != 2.0 || r.At("data", "removed", "nodes") != 0.0 {
			t.Error(r.Raw)
		}
		b := c.Must(200, "GET", production+"/export", nil)
		if diff := cmp.Diff(placeless(t, a), placeless(t, b)); diff != "" {
			t.Error(diff)
		}
		again := c.Must(200, "POST", production+"/import?dry_run=true", inside(a))
		d := again.At("data", "difference").(m)
		for _, part := range []string{"permissions", "roles", "hierarchy"} {
			one := d[part].(m)
			if len(one["only_from"].([]any))+len(one["only_to"].([]any))+len(one["changed"].([]any)) != 0 {
				t.Errorf("%s: %v", part, one)
			}
		}
	})
}

// placeless is a dump but for ids and where it comes from: parents are named by their place.
func placeless(t *testing.T, a servertest.Answer) m {
	t.Helper()
	var d m
	if err := json.Unmarshal([]byte(a.Raw), &d); err != nil {
		t.Fatal(err)
	}
	d = d["data"].(m)
	delete(d, "source_env")
	places := map[any]int{}
	for i, n := range d["nodes"].([]any) {
		places[n.(m)["id"]] = i
		n.(m)["parent_node_id"] = places[n.(m)["parent_node_id"]]
		delete(n.(m), "id")
	}
	return d
}

func TestCopyAndPromoteBack(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, app, at := furnished(t, s)
		made := c.Must(201, "POST", app+"/environments", m{"name": "Staging", "copy_from": "development"})
		if made.At("data", "environment", "version") != 1.0 ||
			made.At("data", "environment", "settings", "access_model") != "hierarchy" {
			t.Error(made.Raw)
		}
		staging := app + "/environments/staging"
		a, b := c.Must(200, "GET", at+"/export", nil), c.Must(200, "GET", staging+"/export", nil)
		if diff := cmp.Diff(placeless(t, a), placeless(t, b)); diff != "" {
			t.Error(diff)
		}
		nodes := c.Must(200, "GET", staging+"/nodes/search?sort_by=name&q=bremen", nil)
		bremen := nodes.Text("items", "0", "id")
		north := c.Must(200, "GET", staging+"/nodes/search?q=north-2", nil).Text("items", "0", "id")
		change := m{"name": "Free Bremen", "slug": "free-bremen", "parent_node_id": north}
		c.Must(200, "PATCH", staging+"/nodes/"+bremen, change)
		p := c.Must(200, "POST", at+"/promote", m{"source": "staging"})
		if p.At("data", "removed", "nodes") != 0.0 {
			t.Error(p.Raw)
		}
		x := c.Must(200, "GET", at+"/nodes/search?q=free-bremen", nil)
		y := a.At("data", "nodes", "2", "id")
		if x.At("items", "0", "id") != y {
			t.Error("a node that was renamed and moved is another one", x.Raw)
		}
	})
}
