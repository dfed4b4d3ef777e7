package accessapi_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// caller speaks through one of the doors to one Environment.
type caller struct {
	*servertest.Client
	at     string   // before a path
	header []string // of every call
}

func (c caller) do(method, path string, body any, header ...string) answer {
	return c.Do(method, c.at+path, body, slices.Concat(c.header, header)...)
}

func (c caller) must(status int, method, path string, body any, header ...string) answer {
	return c.Must(status, method, c.at+path, body, slices.Concat(c.header, header)...)
}

// through runs fn through each of the doors: the portal's, the public one with a token,
// with a token and the Environment's name, and with an API key.
func through(t *testing.T, fn func(t *testing.T, c caller, s *servertest.Server)) {
	t.Helper()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		for _, door := range []string{"portal", "default", "named", "key"} {
			t.Run(door, func(t *testing.T) {
				own := s.For(t)
				owner, slug := own.SignUp(door+"@acme.com", "Acme "+door)
				desk := "/portal/v1/accounts/" + slug + "/applications/desk"
				if door == "default" {
					owner.Must(200, "PUT", desk+"/default-environment", m{"slug": "production"})
				}
				body := m{"name": "K", "access_mode": "full_access"}
				key := owner.Must(201, "POST", desk+"/environments/production/api-keys", body).Text("data", "key")
				fn(t, map[string]caller{
					"portal":  {owner, desk + "/environments/production", nil},
					"default": {owner, "/api/v1", nil},
					"named":   {owner, "/api/v1", []string{"X-Canopy-Environment", "production"}},
					"key":     {own.Client(), "/api/v1", []string{"X-API-Key", key}},
				}[door], own)
			})
		}
	})
}

// TestPermissions: made, read, changed, deleted, whoever asks.
func TestPermissions(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, c caller, _ *servertest.Server) {
		body := permissions("lease.sign", "lease.approve")
		made := c.must(201, "POST", "/permissions", body)
		if diff := cmp.Diff(made.At("data"), made.At("items", "0")); diff != "" ||
			made.Text("items", "1", "key") != "lease.approve" || made.At("data", "description") != nil ||
			made.Text("data", "source") != "custom" {
			t.Error(diff, made.Raw)
		}
		at := "/permissions/" + made.Text("data", "id")
		got := c.must(200, "GET", at, nil)
		if diff := cmp.Diff(made.At("data"), got.At("data")); diff != "" || got.Header.Get("ETag") != `"1"` {
			t.Error(diff, got.Header)
		}
		taken := c.must(409, "POST", "/permissions", permissions("z.z", "lease.sign", "audit.view", "z.z"))
		if diff := cmp.Diff([]any{"audit.view", "lease.sign", "z.z"}, taken.At("error", "data", "keys")); diff != "" {
			t.Error(diff)
		}
		changed := c.must(200, "PATCH", at, m{"name": "Sign", "description": "D"}, "If-Match", `"1"`)
		if changed.Header.Get("ETag") != `"2"` || changed.Text("data", "description") != "D" ||
			revision(changed) != revision(made)+1 {
			t.Error(changed.Raw, changed.Header)
		}
		if same := c.must(200, "PATCH", at, m{"name": " Sign "}); same.Header.Get("ETag") != `"2"` ||
			revision(same) != revision(changed) {
			t.Error(same.Raw, same.Header)
		}
		stale := c.must(409, "PATCH", at, m{"name": "Sign"}, "If-Match", "1")
		diff := cmp.Diff(changed.At("data"), stale.At("error", "data"))
		if diff != "" || stale.Code() != "version_conflict" {
			t.Error(diff, stale.Raw)
		}
		for _, bad := range []string{"*", `W/"2"`, "0", "-1", "x"} {
			if a := c.must(400, "DELETE", at, nil, "If-Match", bad); a.Code() != "precondition.malformed" {
				t.Error(a.Raw)
			}
		}
		if a := c.must(200, "PATCH", at, m{"description": nil}); a.At("data", "description") != nil {
			t.Error(a.Raw)
		}
		for query, want := range map[string]int{"": 18, "?source=custom": 2, "?source=system": 16} {
			if list := c.must(200, "GET", "/permissions"+query, nil); len(list.At("items").([]any)) != want {
				t.Errorf("%s: %s", query, list.Raw)
			}
		}
		c.must(400, "GET", "/permissions?source=other", nil)
		c.must(204, "DELETE", at, nil, "If-Match", "3")
		for _, gone := range []string{at, at + "/usage", "/permissions/x"} {
			if a := c.must(404, "GET", gone, nil); a.Code() != "permissions.not_found" {
				t.Error(a.Raw)
			}
		}
	})
}

// TestRoles: made, switched, given permissions and deleted, whoever asks.
func TestRoles(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, c caller, _ *servertest.Server) {
		c.must(201, "POST", "/permissions", permissions("lease.sign", "lease.approve"))
		made := c.must(201, "POST", "/roles", m{"name": " Re\u0301gional ", "description": "D"})
		if made.Text("data", "name") != "Régional" || made.Header.Get("ETag") != `"1"` || !is(made, "data", "is_active") ||
			made.At("data", "system_key") != nil || made.At("data", "permission_count") != nil {
			t.Error(made.Raw)
		}
		at := "/roles/" + made.Text("data", "id")
		if a := c.must(409, "POST", "/roles", m{"name": "RÉGIONAL"}); a.Code() != "rbac.role_name_taken" {
			t.Error(a.Raw)
		}
		keys := at + "/permissions"
		repeated := m{"permission_keys": []string{"lease.sign", "lease.approve", "lease.sign"}}
		set := c.must(200, "PUT", keys, repeated, "If-Match", "1")
		if set.Text("data", "message") == "" || revision(set) != revision(made)+1 {
			t.Error(set.Raw)
		}
		read := c.must(200, "GET", keys, nil)
		diff := cmp.Diff([]any{"lease.approve", "lease.sign"}, read.At("items"))
		if diff != "" || read.Header.Get("ETag") != `"2"` {
			t.Error(diff, read.Header)
		}
		again := c.must(200, "PUT", keys, m{"permission_keys": []string{"lease.approve", "lease.sign"}})
		if revision(again) != revision(set) {
			t.Error("the current set again", again.Header)
		}
		missing := c.must(404, "PUT", keys, m{"permission_keys": []string{"b.b", "lease.sign", "a.a"}})
		if diff := cmp.Diff([]any{"a.a", "b.b"}, missing.At("error", "data", "keys")); diff != "" {
			t.Error(diff)
		}
		off := c.must(200, "PATCH", at, m{"is_active": false}, "If-Match", "2")
		if is(off, "data", "is_active") || off.Header.Get("ETag") != `"3"` {
			t.Error(off.Raw)
		}
		for query, want := range map[string]string{
			"": "Platform Admin", "?include_inactive=true": "Platform Admin, Régional", "?type=custom": "",
			"?type=custom&include_inactive=true": "Régional", "?type=system&include_inactive=false": "Platform Admin",
		} {
			var names []string
			list := c.must(200, "GET", "/roles"+query, nil)
			for _, r := range list.At("items").([]any) {
				names = append(names, r.(m)["name"].(string))
			}
			if strings.Join(names, ", ") != want {
				t.Errorf("%q: %v", query, names)
			}
		}
		list := c.must(200, "GET", "/roles?type=custom&include_inactive=true", nil)
		if list.At("items", "0", "permission_count") != 2. || list.At("items", "0", "member_count") != 0. {
			t.Error(list.Raw)
		}
		for _, bad := range []string{"?type=x", "?include_inactive=yes", "?include_inactive="} {
			c.must(400, "GET", "/roles"+bad, nil)
		}
		c.must(204, "DELETE", at, nil, "If-Match", "3")
		if a := c.must(404, "GET", keys, nil); a.Code() != "rbac.role_not_found" {
			t.Error(a.Raw)
		}
	})
}

func TestUsage(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, c caller, _ *servertest.Server) {
		id := c.must(201, "POST", "/permissions", permissions("lease.sign")).Text("data", "id")
		for _, name := range []string{"zoe", "Anna"} {
			role := c.must(201, "POST", "/roles", m{"name": name}).Text("data", "id")
			c.must(200, "PUT", "/roles/"+role+"/permissions", m{"permission_keys": []string{"lease.sign"}})
			c.must(200, "PATCH", "/roles/"+role, m{"is_active": name == "zoe"})
		}
		u := c.must(200, "GET", "/permissions/"+id+"/usage", nil)
		if u.Text("data", "permission_id") != id || u.At("data", "role_count") != 2. ||
			u.At("data", "identity_count") != 0. || u.Text("data", "roles", "0", "name") != "Anna" ||
			is(u, "data", "roles", "0", "is_active") ||
			u.At("data", "roles", "1", "member_count") != 0. || u.At("data", "roles", "1", "description") != nil {
			t.Error(u.Raw)
		}
	})
}

// TestBadBodies: every problem is told, by the name of its field.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	through(t, func(t *testing.T, c caller, _ *servertest.Server) {
		role := "/roles/" + c.must(201, "POST", "/roles", m{"name": "R"}).Text("data", "id")
		many := make([]string, 10_001)
		rows := make([]m, 501)
		for i := range rows {
			rows[i] = m{"key": fmt.Sprintf("a.k%d", i), "name": "N", "category": "c"}
		}
		for _, b := range []struct {
			method, path string
			body         any
			want         string
		}{
			{"POST", "/permissions", m{}, "permissions is required"},
			{"POST", "/permissions", m{"permissions": []m{}}, "permissions must hold 1 to 500 permissions"},
			{"POST", "/permissions", m{"permissions": rows}, "permissions must hold 1 to 500 permissions"},
			{"POST", "/permissions", permissions("a.a", "Bad"), "permissions[1].key must be words"},
			{"POST", "/permissions", permissions("canopy:a.b"), "permissions[0].key must be words"},
			{"POST", "/permissions", m{"permissions": []m{{"key": "a.a", "name": "N"}}}, "permissions[0].category is required"},
			{
				"POST", "/permissions",
				m{"permissions": []m{{"key": "a.a", "name": "N", "category": "c", "source": "system"}}},
				"property permissions[0].source is not allowed",
			},
			{"POST", "/roles", m{"name": "\u202e"}, "name must not hold control"},
			{"POST", "/roles", m{"name": "R2", "is_active": false}, "property is_active is not allowed"},
			{"POST", "/roles", m{"name": "R2", "description": strings.Repeat("d", 1001)}, "description must be at most 1000"},
			{"PATCH", role, m{"name": nil}, "name must not be null"},
			{"PATCH", role, m{"is_active": "yes"}, "is_active must be true or false"},
			{"PUT", role + "/permissions", m{}, "permission_keys is required"},
			{"PUT", role + "/permissions", m{"permission_keys": many}, "permission_keys must hold 0 to 10000 keys"},
			{"PUT", role + "/permissions", m{"permission_keys": nil}, "permission_keys must be an array"},
			{"PUT", role + "/permissions", m{"permission_keys": []any{1}}, "permission_keys[0] must be a string"},
		} {
			a := c.do(b.method, b.path, b.body)
			if a.Status != 400 || a.Code() != "validation" || !strings.HasPrefix(a.Text("error", "details", "0"), b.want) {
				t.Errorf("%s %s: %s, want %s", b.method, b.path, a.Raw[:min(500, len(a.Raw))], b.want)
			}
		}
		if a := c.must(200, "GET", role, nil); a.Header.Get("ETag") != `"1"` {
			t.Error(a.Raw)
		}
	})
}

var variable = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\dT[\d:.]+Z|"path":"[^"]*"`)

// TestBothDoorsAreOne: the same calls get the same answers through either door, and leave
// the same rows.
func TestBothDoorsAreOne(t *testing.T) {
	t.Parallel()
	seen := map[string][]string{}
	through(t, func(t *testing.T, c caller, s *servertest.Server) {
		var got []string
		say := func(a answer) answer {
			got = append(got, fmt.Sprint(a.Status, a.Header.Get("ETag"), a.Header.Get("Canopy-Revision"), " ",
				variable.ReplaceAllString(a.Raw, "…")))
			return a
		}
		p := say(c.do("POST", "/permissions", permissions("a.a", "a.b"))).Text("data", "id")
		say(c.do("POST", "/permissions", permissions("a.a")))
		r := say(c.do("POST", "/roles", m{"name": "R"})).Text("data", "id")
		say(c.do("PUT", "/roles/"+r+"/permissions", m{"permission_keys": []string{"a.a"}}))
		say(c.do("PUT", "/roles/"+r+"/permissions", m{"permission_keys": []string{"audit.view"}}))
		say(c.do("PATCH", "/permissions/"+p, m{"name": "X"}, "If-Match", "7"))
		say(c.do("GET", "/permissions/"+p+"/usage", nil))
		say(c.do("GET", "/roles?include_inactive=true", nil))
		say(c.do("DELETE", "/permissions/"+p, nil))
		say(c.do("GET", "/roles/"+r, nil))
		say(c.do("GET", "/roles/"+servertest.NoID, nil))
		say(c.do("DELETE", "/roles/"+r, nil))
		rows := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE resource_id IN ($1, $2)
			AND application_id IS NOT NULL AND environment_id IS NOT NULL AND account_id IS NOT NULL
			AND actor_id IS NOT NULL`, p, r)
		got = append(got, fmt.Sprint(rows, " rows"))
		engine := string(s.DB.Engine)
		if seen[engine] == nil {
			seen[engine] = got
		}
		if diff := cmp.Diff(seen[engine], got); diff != "" {
			t.Errorf("%s: -portal +this door:\n%s", engine, diff)
		}
	})
}

// TestScopedKeys: a key without the right is refused; one that may look may not change.
func TestScopedKeys(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		owner, slug := s.SignUp("alex@acme.com", "Acme")
		at := "/portal/v1/accounts/" + slug + "/applications/desk/environments/development"
		key := func(scope string) caller {
			body := m{"name": scope, "access_mode": "scoped", "scopes": []string{scope}}
			value := owner.Must(201, "POST", at+"/api-keys", body).Text("data", "key")
			return caller{s.Client(), "/api/v1", []string{"X-API-Key", value}}
		}
		viewer, stranger, manager := key("rbac.view_roles"), key("hierarchy.view"), key("rbac.manage_roles")
		if a := viewer.must(200, "GET", "/roles", nil); a.Text("items", "0", "system_key") != "platform_admin" {
			t.Error(a.Raw)
		}
		manager.must(201, "POST", "/roles", m{"name": "R"})
		for what, a := range map[string]answer{
			"view":        stranger.do("GET", "/permissions", nil),
			"change":      viewer.do("POST", "/roles", m{}),
			"only change": manager.do("GET", "/roles", nil),
		} {
			if a.Status != 403 || a.Code() != "auth.permission_denied" {
				t.Errorf("%s: %s", what, a.Raw)
			}
		}
		a := manager.Do("GET", at+"/roles", nil, manager.header...)
		if a.Status != 403 || a.Code() != "auth.wrong_principal" {
			t.Errorf("a key in the portal: %s", a.Raw)
		}
	})
}

// revision is the Environment's, as an answer tells it.
func revision(a answer) (n int) {
	_, _ = fmt.Sscan(a.Header.Get("Canopy-Revision"), &n)
	return n
}

// is tells whether a member of an answer is true.
func is(a answer, path ...string) bool { return a.At(path...) == any(true) }
