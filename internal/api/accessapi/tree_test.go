package accessapi_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

const inDevelopment = "/applications/desk/environments/development"

// world is a tree of a new Account: Acme ► North ► {Office ► Team, Other}, South.
type world struct {
	*servertest.Client
	at                                string // path of the Environment
	root, north, south, office, other string
	team                              string
}

func newWorld(s *servertest.Server) world {
	c, slug := s.SignUp("alex@acme.com", "Acme")
	w := world{Client: c, at: "/portal/v1/accounts/" + slug + inDevelopment}
	w.root = c.Tree(w.at)
	w.north = c.Node(w.at, w.root, "region", "North")
	w.south = c.Node(w.at, w.root, "region", "South")
	w.office = c.Node(w.at, w.north, "office", "Office")
	w.other = c.Node(w.at, w.north, "office", "Other")
	w.team = c.Node(w.at, w.office, "team", "Team")
	return w
}

// names are the names of a tree's nodes in their order, each with its level.
func names(level string, nodes any) (list []string) {
	all, _ := nodes.([]any)
	for _, n := range all {
		node, _ := n.(m)
		name, _ := node["name"].(string)
		list = append(list, level+name)
		list = append(list, names(level+"-", node["children"])...)
	}
	return list
}

func TestTree(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newWorld(s)
		for path, want := range map[string][]string{
			"/nodes":                 {"Desk", "-North", "--Office", "---Team", "--Other", "-South"},
			"/nodes?depth=2":         {"Desk", "-North", "-South"},
			"/nodes?root=" + w.north: {"North", "-Office", "--Team", "-Other"},
			"/nodes?root=" + w.at[:0] + servertest.NoID: nil,
		} {
			for _, door := range []string{w.at, "/api/v1"} {
				a := w.Must(200, "GET", door+path, nil)
				if diff := cmp.Diff(want, names("", a.At("data", "tree"))); diff != "" {
					t.Errorf("%s%s:\n%s", door, path, diff)
				}
				if a.Header.Get("Canopy-Revision") == "" || a.Header.Get("ETag") == "" {
					t.Errorf("%s%s: %v", door, path, a.Header)
				}
			}
		}
		whole := w.Must(200, "GET", w.at+"/nodes", nil)
		scope := m{
			"accessible_node_ids": []any{w.root, w.north, w.office, w.team, w.other, w.south},
			"scope_root_node_ids": []any{w.root}, "entry_node_ids": []any{w.root},
		}
		if diff := cmp.Diff(any(scope), whole.At("data", "scope")); diff != "" {
			t.Error(diff)
		}
		sub := w.Must(200, "GET", w.at+"/nodes/"+w.north+"/tree", nil)
		if diff := cmp.Diff([]string{"North", "-Office", "--Team", "-Other"}, names("", []any{sub.At("data")})); diff != "" {
			t.Error(diff)
		}
		edges := w.Must(200, "GET", w.at+"/nodes/parents", nil)
		if n := len(edges.At("items").([]any)); n != 6 {
			t.Errorf("%d edges", n)
		}
		w.Must(200, "PATCH", w.at+"/nodes/"+w.office, m{"status": "inactive"})
		edges = w.Must(200, "GET", w.at+"/nodes/parents", nil)
		if n := len(edges.At("items").([]any)); n != 4 {
			t.Errorf("%d edges of live nodes: %s", n, edges.Raw)
		}
	})
}

// TestValidators: what the caller has is not sent again, and what was changed is.
func TestValidators(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newWorld(s)
		all := []string{w.at + "/nodes", w.at + "/nodes/parents", w.at + "/nodes?depth=2", w.at + "/nodes?depth=3"}
		tags := map[string]bool{}
		for _, path := range all {
			tag := w.Must(200, "GET", path, nil).Header.Get("ETag")
			if tags[tag] {
				t.Errorf("%s shares its validator", path)
			}
			tags[tag] = true
			for _, match := range []string{tag, `"x", W/` + tag, "*"} {
				a := w.Must(304, "GET", path, nil, "If-None-Match", match)
				if a.Raw != "" || a.Header.Get("ETag") != tag || a.Header.Get("Canopy-Revision") == "" ||
					a.Header.Get("Cache-Control") != "private, no-cache" || a.Header.Get("Vary") == "" {
					t.Errorf("%s with %s: %q %v", path, match, a.Raw, a.Header)
				}
			}
			w.Must(200, "GET", path, nil, "If-None-Match", `"x"`)
		}
		tree := w.Must(200, "GET", all[0], nil).Header.Get("ETag")
		edges := w.Must(200, "GET", all[1], nil).Header.Get("ETag")
		w.Must(201, "POST", w.at+"/roles", m{"name": "Reader"})
		w.Must(304, "GET", all[1], nil, "If-None-Match", edges)
		w.Must(200, "PATCH", w.at+"/nodes/"+w.north, m{"name": "Far North"})
		w.Must(200, "GET", all[0], nil, "If-None-Match", tree)
		w.Must(200, "GET", all[1], nil, "If-None-Match", edges)
	})
}

func TestPiecesOfTheTree(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newWorld(s)
		ids := func(a servertest.Answer) (list []string) {
			for _, item := range a.At("items").([]any) {
				list = append(list, item.(m)["id"].(string))
			}
			return list
		}
		for path, want := range map[string][]string{
			"/nodes/root/branch":                                  {w.north, w.south},
			"/nodes/" + w.north + "/branch?offset=1&limit=1":      {w.other},
			"/nodes/" + w.north + "/branch?offset=9":              nil,
			"/nodes/" + w.team + "/path":                          {w.root, w.north, w.office, w.team},
			"/nodes/" + w.team + "/ancestors":                     {w.root, w.north, w.office, w.team},
			"/nodes/" + w.north + "/children":                     {w.office, w.other},
			"/nodes/" + w.north + "/children?take=1&page=2":       {w.other},
			"/nodes/" + w.north + "/children?page=1&q=OTH":        {w.other},
			"/nodes/search?q=o":                                   {w.north, w.office, w.other, w.south},
			"/nodes/search?q=o&take=2&page=2":                     {w.other, w.south},
			"/nodes/search?node_type=office&order=desc":           {w.other, w.office},
			"/nodes/search?under=" + w.north + "&node_type=team":  {w.team},
			"/nodes/search?ids=" + w.team + "," + servertest.NoID: {w.team},
			"/nodes/search?paths=desk/north/office,desk,desk/x":   {w.root, w.office},
			"/nodes/search?status=inactive":                       nil,
		} {
			if diff := cmp.Diff(want, ids(w.Must(200, "GET", w.at+path, nil))); diff != "" {
				t.Errorf("%s:\n%s", path, diff)
			}
		}
		found := w.Must(200, "GET", w.at+"/nodes/search?paths=desk/north/office", nil)
		if found.Text("items", "0", "matched_path") != "desk/north/office" ||
			found.Text("items", "0", "path", "1", "slug") != "north" {
			t.Error(found.Raw)
		}
		sum := w.Must(200, "GET", w.at+"/nodes/summary", nil)
		want := m{
			"total": 6., "active": 6., "inactive": 0., "deepest": 4.,
			"by_type": m{"company": 1., "region": 2., "office": 2., "team": 1.},
		}
		if diff := cmp.Diff(any(want), sum.At("data")); diff != "" {
			t.Error(diff)
		}
		for _, path := range []string{
			"/nodes/search?under=x", "/nodes/search?ids=x", "/nodes?depth=0", "/nodes?depth=17", "/nodes?root=x",
			"/nodes?root=00000000-0000-0000-0000-000000000000",
			"/nodes/root/branch?limit=201", "/nodes/search?node_type=" + string(slices.Repeat([]byte("x"), 101)),
		} {
			if a := w.Must(400, "GET", w.at+path, nil); a.Code() != "validation" {
				t.Error(path, a.Raw)
			}
		}
	})
}
