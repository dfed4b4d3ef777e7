package accessapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestSetup: an Account on its way from nothing to a complete set-up.
func TestSetup(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		account := "/portal/v1/accounts/" + slug
		at := account + "/applications/desk/environments/development"
		summary := func() m {
			all := alex.Must(200, "GET", account+"/setup-summaries", nil)
			if len(all.At("items").([]any)) != 2 || all.Text("items", "1", "environment_slug") != "production" ||
				is(all, "items", "1", "is_complete") || all.Text("items", "0", "application_slug") != "desk" {
				t.Error(all.Raw)
			}
			one, _ := all.At("items", "0").(m)
			delete(one, "application_id")
			delete(one, "environment_id")
			return one
		}
		want := m{
			"application_slug": "desk", "environment_slug": "development", "has_permissions": false, "has_roles": false,
			"has_role_permissions": false, "is_complete": false, "identities_count": 0.,
		}
		if diff := cmp.Diff(want, summary()); diff != "" {
			t.Error(diff)
		}
		body := m{
			"resources": []m{{"name": "notes", "actions": []string{"create", "read", "update", "delete"}}},
			"roles": []m{{"name": "Admin", "description": "Everything about notes", "permission_keys": []string{
				"notes.create", "notes.read", "notes.update", "notes.delete",
			}}},
		}
		first := alex.Must(201, "POST", at+"/setup/access-bootstrap", body)
		if diff := cmp.Diff(m{
			"permissions_created": 4., "roles_created": 1., "skipped_permissions": 0., "skipped_roles": 0.,
		}, first.At("data")); diff != "" || first.Header.Get("Canopy-Revision") != "2" {
			t.Error(diff, first.Header)
		}
		again := alex.Must(201, "POST", at+"/setup/access-bootstrap", body)
		if again.At("data", "skipped_roles") != 1. || again.Header.Get("Canopy-Revision") != "2" {
			t.Error(again.Raw, again.Header)
		}
		for _, done := range []string{"has_permissions", "has_roles", "has_role_permissions", "is_complete"} {
			want[done] = true
		}
		if diff := cmp.Diff(want, summary()); diff != "" {
			t.Error(diff)
		}
		role := alex.Must(200, "GET", at+"/roles?type=custom", nil).Text("items", "0", "id")
		added := alex.Must(201, "POST", at+"/setup/resource-permissions", m{
			"resources":        []m{{"name": "page", "actions": []string{"read", "write"}}},
			"role_permissions": []m{{"role_id": role, "permission_keys": []string{"page.read", "notes.read"}}},
		})
		if diff := cmp.Diff(m{
			"permissions_created": 2., "skipped_permissions": 0., "roles_updated": 1.,
		}, added.At("data")); diff != "" {
			t.Error(diff)
		}
		if got := alex.Must(200, "GET", at+"/roles/"+role+"/permissions", nil); len(got.At("items").([]any)) != 5 {
			t.Error(got.Raw)
		}
	})
}

// TestSetupBadBodies: every problem is told, by the name of its field.
func TestSetupBadBodies(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		at := "/portal/v1/accounts/" + slug + "/applications/desk/environments/development/setup/"
		none := []m{}
		for _, b := range []struct {
			path string
			body m
			want string
		}{
			{"access-bootstrap", m{}, "resources is required"},
			{"access-bootstrap", m{"resources": none}, "roles is required"},
			{"access-bootstrap", m{"resources": []m{{"name": "a"}}, "roles": none}, "resources[0].actions is required"},
			{
				"access-bootstrap",
				m{"resources": []m{{"name": "A", "actions": []string{"b"}}}, "roles": none},
				`resources[0] makes the key "A.b", which must be words`,
			},
			{
				"access-bootstrap",
				m{"resources": none, "roles": []m{{"name": "A", "permission_keys": []string{"no.key"}}}},
				`roles[0].permission_keys names "no.key", which is no permission`,
			},
			{"access-bootstrap", m{"resources": none, "roles": []m{{"name": "A"}}}, "roles[0].permission_keys is required"},
			{"access-bootstrap", m{"resources": none, "roles": []m{
				{"name": "A", "permission_keys": []string{}}, {"name": "a", "permission_keys": []string{}},
			}}, "roles[1].name must not come twice"},
			{"resource-permissions", m{"resources": none}, "role_permissions is required"},
			{
				"resource-permissions",
				m{"resources": none, "role_permissions": []m{{"role_id": servertest.NoID}}},
				"role_permissions[0].permission_keys is required",
			},
		} {
			a := alex.Do("POST", at+b.path, b.body)
			if a.Status != 400 || a.Code() != "validation" || !strings.HasPrefix(a.Text("error", "details", "0"), b.want) {
				t.Errorf("%s: %s, want %s", b.path, a.Raw, b.want)
			}
		}
	})
}
