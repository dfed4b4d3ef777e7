package accessapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestDecisionsTakeWhatNamesNothing: an id that is none is unknown, and no mistake of the
// caller, in a body and in a query; one without characters is a mistake.
func TestDecisionsTakeWhatNamesNothing(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		held := "/identities/" + w.ann + "/permissions"
		body := m{"identity_id": w.ann, "permission": "lease.read", "scope": "node"}
		explain := m{"identity_id": w.ann, "permission": "lease.read"}
		for _, c := range []struct {
			node   string
			status int // of what is looked up
		}{
			{"x", 404},
			{strings.ToUpper(w.north), 404},
			{servertest.NoID, 404},
			{"00000000-0000-0000-0000-000000000000", 404},
			{"ffffffff-ffff-ffff-ffff-ffffffffffff", 404},
			{strings.Repeat("é", 255), 404},
			{strings.Repeat("é", 256), 400},
			{"", 400},
		} {
			at := w.Do("GET", w.at+held+"?node_id="+c.node, nil)
			why := w.Do("POST", w.at+"/permissions/evaluate/explain", with(explain, "node_id", c.node))
			if at.Status != c.status || why.Status != c.status {
				t.Errorf("%q: held there %d %s, explained %d %s", c.node, at.Status, at.Raw, why.Status, why.Raw)
			}
			one := w.Do("POST", w.at+"/permissions/evaluate", with(body, "node_id", c.node))
			if c.status == 400 {
				if one.Status != 400 || at.Code() != "validation" || why.Code() != "validation" {
					t.Errorf("%q: %d %s", c.node, one.Status, one.Raw)
				}
			} else if one.Status != 200 || one.At("data", "denial_reason") != "node_not_found" ||
				one.At("data", "effective_node_id") != c.node || at.Code() != "nodes.node_not_found" {
				t.Errorf("%q: %d %s, held there %s", c.node, one.Status, one.Raw, at.Raw)
			}
		}
		w.Must(200, "GET", w.at+held+"?node_id="+w.north, nil)
	})
}

// TestExplainOfAnotherInstant: any instant that there is stands in place of now, the first one
// too; null is now.
func TestExplainOfAnotherInstant(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		w.Must(200, "PATCH", w.at+"/assignments/"+w.id, m{
			"role_id": w.reader, "effective_from": "2020-01-01T00:00:00.000Z", "effective_to": "2099-01-01T00:00:00.000Z",
		})
		for _, c := range []struct{ at, reason any }{
			{nil, nil},
			{"2020-01-01T00:00:00.000Z", nil},
			{"2019-12-31T23:59:59.999Z", "assignment_not_active"},
			{"0001-01-01T00:00:00Z", "assignment_not_active"},
			{"0001-01-01T01:00:00+01:00", "assignment_not_active"},
			{"9999-12-31T23:59:59.999Z", "assignment_not_active"},
		} {
			a := w.Must(200, "POST", w.at+"/permissions/evaluate/explain",
				m{"identity_id": w.ann, "permission": "lease.read", "node_id": w.office, "at": c.at})
			if a.At("data", "denial_reason") != c.reason {
				t.Errorf("at %v: %s", c.at, a.Raw)
			}
		}
	})
}

// TestBulkNamesTheMalformedCheck: one of them refuses the call, and details say which and what.
func TestBulkNamesTheMalformedCheck(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		ask := func(more ...any) m {
			return with(m{"identity_id": w.ann, "permission": "lease.read", "scope": "app_wide"}, more...)
		}
		for _, c := range []struct {
			third m
			want  string
		}{
			{ask("scope", "node"), "checks[2].node_id is needed with the scope node"},
			{ask("scope", "node", "node_id", nil), "checks[2].node_id is needed with the scope node"},
			{ask("node_id", w.north), "checks[2].node_id must be absent with the scope app_wide"},
			{ask("scope", "any"), "checks[2].scope must be node or app_wide"},
			{ask("permission", ""), "checks[2].permission must be 1 to 255 characters"},
			{ask("identity_id", strings.Repeat("a", 256)), "checks[2].identity_id must be 1 to 255 characters"},
		} {
			a := w.Do("POST", w.at+"/permissions/evaluate/bulk", m{"checks": []m{ask(), ask("node_id", nil), c.third}})
			diff := cmp.Diff([]any{c.want}, a.At("error", "details"))
			if a.Status != 400 || a.Code() != "validation" || diff != "" {
				t.Errorf("%v: %d %s\n%s", c.third, a.Status, a.Raw, diff)
			}
		}
		w.Must(200, "POST", w.at+"/permissions/evaluate", ask("node_id", nil))
		for _, n := range []int{0, 1001} {
			checks := make([]m, n)
			for i := range checks {
				checks[i] = ask()
			}
			a := w.Do("POST", w.at+"/permissions/evaluate/bulk", m{"checks": checks})
			if a.Status != 400 || a.Code() != "validation" {
				t.Errorf("%d checks: %d %s", n, a.Status, a.Raw)
			}
		}
	})
}

// TestPermissionsInAnApplication are those of its default Environment, for whoever may use the
// Application: a member of another Environment alone holds nothing, and a stranger is nobody.
func TestPermissionsInAnApplication(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		app := strings.TrimSuffix(w.at, "/environments/development")
		account := strings.TrimSuffix(app, "/applications/desk")
		w.Must(201, "POST", w.at+"/permissions", permissions("lease.read"))
		w.Must(200, "PUT", w.at+"/roles/"+w.reader+"/permissions", m{"permission_keys": []string{"lease.read"}})
		beside := w.Must(201, "POST", app+"/environments/production/identities", m{
			"email": "ben@acme.example", "first_name": "Ben", "last_name": "Doe",
		}).Text("data", "id")
		outside := w.Must(201, "POST", account+"/identities", m{
			"email": "cat@acme.example", "first_name": "Cat", "last_name": "Doe",
		}).Text("data", "id")
		holds := func(who, query string) (int, any) {
			a := w.Do("GET", app+"/identities/"+who+"/permissions"+query, nil)
			if a.Status != 200 {
				return a.Status, a.Code()
			}
			return 200, a.At("items")
		}
		for _, c := range []struct {
			who, query string
			status     int
			want       any
		}{
			{w.ann, "", 200, []any{"lease.read"}},
			{w.ann, "?node_id=" + w.office, 200, []any{"lease.read"}},
			{w.ann, "?node_id=" + w.root, 200, []any{}},
			{w.ann, "?node_id=none", 404, "nodes.node_not_found"},
			{beside, "", 200, []any{}},
			{outside, "", 404, "identities.not_found"},
			{servertest.NoID, "", 404, "identities.not_found"},
		} {
			status, got := holds(c.who, c.query)
			if diff := cmp.Diff(c.want, got); status != c.status || diff != "" {
				t.Errorf("%s%s: %d\n%s", c.who, c.query, status, diff)
			}
		}
		w.Must(200, "PUT", app+"/default-environment", m{"slug": "production"})
		if status, got := holds(w.ann, ""); status != 200 || len(got.([]any)) > 0 {
			t.Errorf("in another default Environment: %d %v", status, got)
		}
		w.Must(204, "DELETE", app+"/identities/"+w.ann, nil)
		if status, got := holds(w.ann, ""); status != 404 || got != "identities.not_found" {
			t.Errorf("after a removal: %d %v", status, got)
		}
	})
}
