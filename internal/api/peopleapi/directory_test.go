package peopleapi_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// desk is the id of the Account's Application.
func desk(c *servertest.Client, account string) string {
	return c.Must(200, "GET", account+"/applications/desk", nil).Text("data", "id")
}

// emails are those of a page, with a space between.
func emails(a servertest.Answer) string {
	var list []string
	items, _ := a.At("items").([]any)
	for _, item := range items {
		email, _ := item.(m)["email"].(string)
		list = append(list, strings.TrimSuffix(email, "@acme.com"))
	}
	return fmt.Sprintf("%s of %v", strings.Join(list, " "), a.At("pagination", "item_count"))
}

// TestDirectory: the Account sees everybody, whether and wherever they are members.
func TestDirectory(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in, list := account+development, account+"/identities"
		app := desk(c, account)
		root, role := c.Tree(in), reader(c, in)
		alone := c.Must(201, "POST", list, person("alone@acme.com"))
		body := person("member@acme.com")
		body["application_id"], body["password"] = app, "a good password"
		made := c.Must(201, "POST", list, body)
		holder := person("holder@acme.com")
		holder["role_id"], holder["node_id"] = role, root
		held := c.Must(201, "POST", in+"/identities", holder).Text("data", "id")
		c.Must(200, "POST", in+"/identities/"+held+"/deactivate", nil)

		if alone.At("data", "app_membership_count") != 0. || alone.At("data", "app_memberships", "0") != nil ||
			alone.At("data", "password_changed_at") != nil {
			t.Error(alone.Raw)
		}
		if made.At("data", "app_membership_count") != 1. ||
			made.At("data", "app_memberships", "0", "application_slug") != "desk" ||
			made.At("data", "app_memberships", "0", "status") != "active" || made.At("data", "password_changed_at") == nil {
			t.Error(made.Raw)
		}
		know := c.Must(200, "GET", list+"/"+held, nil)
		if know.At("data", "total_assignments") != 1. || know.At("data", "app_memberships", "0", "assignment_count") != 1. {
			t.Error(know.Raw)
		}
		production := c.Must(200, "GET", account+production, nil).Text("data", "id")
		for query, want := range map[string]string{
			"sort_by=email":                          "alone holder member of 3",
			"sort_by=email&order=desc&take=2":        "member holder of 3",
			"sort_by=email&take=2&page=2":            "member of 3",
			"sort_by=email&take=2&page=3":            " of 3",
			"q=HOLD":                                 "holder of 1",
			"q=%25":                                  " of 0",
			"status=inactive":                        "holder of 1",
			"status=active&sort_by=name&order=asc":   "alone member of 2",
			"has_any_assignment=true":                "holder of 1",
			"has_any_assignment=false&sort_by=email": "alone member of 2",
			"not_in_app=desk":                        "alone of 1",
			"not_in_environment=" + production + "&sort_by=email": "alone holder member of 3",
			"not_in_environment=" + servertest.NoID:               " of 0",
			"sort_by=created_at&order=asc":                        "alone member holder of 3",
		} {
			if got := emails(c.Must(200, "GET", list+"?"+query, nil)); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		for _, bad := range []string{"not_in_app=none", "not_in_environment=x", "has_any_assignment=maybe", "status=on"} {
			if a := c.Do("GET", list+"?"+bad, nil); a.Code() != "validation" {
				t.Errorf("%s: %s", bad, a.Raw)
			}
		}
		sum := c.Must(200, "GET", list+"/summary", nil)
		want := m{
			"total": 3., "active_count": 2., "inactive_count": 1., "email_unverified_count": 3., "no_memberships_count": 1.,
		}
		if diff := cmp.Diff(any(want), sum.At("data")); diff != "" {
			t.Error(diff)
		}
		places := c.Must(200, "GET", list+"/"+held+"/memberships", nil)
		if places.At("items", "1") != nil || places.Text("items", "0", "environment_slug") != "development" ||
			places.Text("items", "0", "environment_name") != "Development" ||
			places.At("items", "0", "assignment_count") != 1. ||
			places.Text("items", "0", "application_slug") != "desk" || places.Text("items", "0", "status") != "active" {
			t.Error(places.Raw)
		}
	})
}

// TestDirectoryChanges: through the directory the whole Account is told which fields changed.
func TestDirectoryChanges(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		list, app := account+"/identities", desk(c, account)
		alone := c.Must(201, "POST", list, person("alone@acme.com")).Text("data", "id")
		want := `identity.created A {"email":"alone@acme.com","password_set":false,"environment_id":null}`
		if got := events(t, s, alone); got != want {
			t.Error(got)
		}
		joined := c.Must(201, "POST", list+"/"+alone+"/app-memberships", m{"application_id": app})
		if joined.Text("data", "status") != "active" || joined.At("data", "deactivated_at") != nil {
			t.Error(joined.Raw)
		}
		got := events(t, s, alone)
		if !strings.HasPrefix(got, `identity.app_membership.added P {"application_id":"`+app+"\"}\n"+
			`identity.env_membership.added E {"reactivated":false,"membership_id":"`) {
			t.Error(got)
		}
		into := func(app string) servertest.Answer {
			return c.Do("POST", list+"/"+alone+"/app-memberships", m{"application_id": app})
		}
		if a := into(app); a.Code() != "identities.already_member" {
			t.Error(a.Raw)
		}
		for name, bad := range map[string]string{"unknown": servertest.NoID, "no id": "desk"} {
			if a := into(bad); a.Code() != "applications.not_found" {
				t.Errorf("%s: %s", name, a.Raw)
			}
		}
		a := c.Must(200, "PATCH", list+"/"+alone, m{"last_name": "Reed", "metadata": m{"a": 1}})
		if a.Text("data", "last_name") != "Reed" || a.At("data", "metadata", "a") != 1. {
			t.Error(a.Raw)
		}
		told := `{"fields_updated":["last_name","metadata"]}`
		if diff := cmp.Diff("identity.updated A "+told+"\nidentity.updated E "+told, events(t, s, alone)); diff != "" {
			t.Error(diff)
		}
		for name, bad := range map[string]m{"is_active": {"is_active": false}, "the address": {"email": "b@acme.com"}} {
			if a := c.Do("PATCH", list+"/"+alone, bad); a.Code() != "validation" {
				t.Errorf("%s: %s", name, a.Raw)
			}
		}
		c.Must(200, "PATCH", list+"/"+alone+"/status", m{"is_active": false})
		if got := events(t, s, alone); strings.Count(got, "identity.status_set") != 2 {
			t.Error(got)
		}
		c.Must(204, "DELETE", list+"/"+alone+"/app-memberships/"+app, nil)
		want = `identity.app_membership.removed P {"application_id":"` + app + `"}` +
			"\nidentity.env_membership.removed E {\"revoked_pending_invites\":0}"
		if diff := cmp.Diff(want, events(t, s, alone)); diff != "" {
			t.Error(diff)
		}
		for name, id := range map[string]string{"again": app, "unknown": servertest.NoID, "no id": "desk"} {
			if a := c.Do("DELETE", list+"/"+alone+"/app-memberships/"+id, nil); a.Code() != "identities.not_found" {
				t.Errorf("%s: %s", name, a.Raw)
			}
		}
		again := c.Must(201, "POST", list+"/"+alone+"/app-memberships", m{"application_id": app})
		if again.At("data", "id") != joined.At("data", "id") ||
			!strings.Contains(events(t, s, alone), `"reactivated":true`) {
			t.Error(again.Raw)
		}
	})
}

// TestApplicationTier: an Application sees those who may use it, with what they hold in its
// default Environment.
func TestApplicationTier(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in, list := account+development, account+"/applications/desk/identities"
		root, role := c.Tree(in), reader(c, in)
		elsewhere := account + production
		far, farRole := c.Tree(elsewhere), reader(c, elsewhere)
		home := c.Must(201, "POST", list, person("home@acme.com")).Text("data", "id")
		body := person("holder@acme.com")
		body["role_id"], body["node_id"] = role, root
		holder := c.Must(201, "POST", list, body).Text("data", "id")
		body = person("far@acme.com")
		body["role_id"], body["node_id"] = farRole, far
		away := c.Must(201, "POST", list, body).Text("data", "id")
		if got := events(t, s, away); !strings.Contains(got, "identity.created E ") {
			t.Error(got)
		}
		if a := c.Must(200, "GET", elsewhere+"/identities", nil); emails(a) != "far of 1" {
			t.Error(a.Raw)
		}
		if a := c.Must(200, "GET", in+"/identities?sort_by=email", nil); emails(a) != "holder home of 2" {
			t.Error(a.Raw)
		}
		for query, want := range map[string]string{
			"?sort_by=email": "far holder home of 3",
			"/with-roles?role_id=no_assignment&sort_by=email": "far home of 2",
			"/with-roles?role_id=" + role:                     "holder of 1",
			"/with-roles?role_id=" + farRole:                  " of 0",
		} {
			if got := emails(c.Must(200, "GET", list+query, nil)); got != want {
				t.Errorf("%s: %s, want %s", query, got, want)
			}
		}
		sum := c.Must(200, "GET", list+"/summary", nil)
		counts := m{"total_identities": 3., "assigned_count": 1., "unassigned_count": 2.}
		if diff := cmp.Diff(any(counts), sum.At("data")); diff != "" {
			t.Error(diff)
		}
		if n := c.Must(200, "GET", list+"/"+holder+"/assignments", nil).At("pagination", "item_count"); n != 1. {
			t.Errorf("%v assignments", n)
		}
		if a := c.Must(200, "GET", list+"/"+away+"/detail", nil); a.At("data", "roles", "0") != nil {
			t.Error("it is of another Environment:", a.Raw)
		}
		leaveApplication(t, s, c, account, home, holder, away)
		bulk := c.Must(207, "POST", list+"/bulk-create", m{"identities": []m{
			person("one@acme.com"), body,
			{"email": "two@acme.com", "first_name": "T", "last_name": "O", "role_id": farRole, "node_id": far},
		}})
		if bulk.Text("results", "1", "error", "code") != "identities.email_taken" || bulk.At("summary", "succeeded") != 2. {
			t.Error(bulk.Raw)
		}
		if a := c.Must(200, "GET", elsewhere+"/identities?sort_by=email", nil); emails(a) != "far two of 2" {
			t.Error(a.Raw)
		}
	})
}

// leaveApplication changes people through the Application, takes the one who holds something
// out of it, and brings the person back.
func leaveApplication(
	t *testing.T, s *servertest.Server, c *servertest.Client, account, home, holder, away string,
) {
	t.Helper()
	list, in := account+"/applications/desk/identities", account+development
	_, _ = events(t, s, home), events(t, s, away)
	c.Must(200, "PATCH", list+"/"+home, m{"first_name": "Hope"})
	c.Must(200, "PATCH", list+"/"+away, m{"first_name": "Fay"})
	if got := events(t, s, home); got != `identity.updated E {"changes":{"first_name":"Hope"}}` {
		t.Error(got)
	}
	if got := events(t, s, away); got != `identity.updated P {"changes":{"first_name":"Fay"}}` {
		t.Error(got)
	}
	c.Must(200, "POST", list+"/"+home+"/deactivate", nil)
	c.Must(200, "POST", list+"/"+home+"/activate", nil)

	c.Must(200, "POST", account+production+"/memberships/bulk-attach", m{"identity_ids": []string{holder}})
	_ = events(t, s, holder)
	c.Must(204, "DELETE", list+"/"+holder, nil)
	if got := events(t, s, holder); strings.Count(got, "identity.env_membership.removed E") != 2 ||
		strings.Count(got, "identity.app_membership.removed P") != 1 {
		t.Error(got)
	}
	if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM assignment WHERE identity_id = $1`, holder); n != 0 {
		t.Errorf("%d assignments are left", n)
	}
	for path, method := range map[string]string{"": "GET", "/detail": "GET", "/activate": "POST"} {
		if a := c.Do(method, list+"/"+holder+path, nil); a.Code() != "identities.not_found" {
			t.Error(a.Raw)
		}
	}
	back := c.Must(207, "POST", account+"/applications/desk/app-memberships/bulk-attach",
		m{"identity_ids": []string{holder, home, "x"}})
	if back.Text("results", "0", "data", "status") != "active" ||
		back.Text("results", "0", "data", "identity_id") != holder ||
		back.Text("results", "1", "error", "code") != "identities.already_member" ||
		back.Text("results", "2", "error", "code") != "identities.not_found" {
		t.Error(back.Raw)
	}
	if n := held(c, in, holder); n != 0. {
		t.Errorf("%v assignments", n)
	}
}

// TestImportReports: a report is one audit row, and adds up.
func TestImportReports(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		good := m{"mode": "create", "total": 3, "succeeded": 2, "failed": 1, "skipped": 0}
		for _, at := range []string{account, account + "/applications/desk"} {
			before := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event`)
			c.Must(204, "POST", at+"/identities/bulk-import-events", good)
			if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event`); n != before+1 {
				t.Errorf("%d rows", n-before)
			}
		}
		n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE action = 'identity.bulk_import.completed'
			AND metadata = '{"mode":"create","total":3,"succeeded":2,"failed":1,"skipped":0}' AND resource_id IS NULL`)
		if n != 2 {
			t.Errorf("%d rows", n)
		}
		for name, bad := range map[string]m{
			"another mode": {"mode": "delete"}, "no mode": {"mode": nil}, "less than nothing": {"failed": -1},
			"a fraction": {"total": 2.5}, "a wrong sum": {"total": 4}, "null": {"succeeded": nil},
			"a word": {"skipped": "none"}, "less skipped": {"skipped": -1}, "another field": {"lost": 1},
		} {
			body := m{}
			maps.Copy(body, good)
			maps.Copy(body, bad)
			if a := c.Do("POST", account+"/identities/bulk-import-events", body); a.Code() != "validation" {
				t.Errorf("%s: %s", name, a.Raw)
			}
		}
	})
}
