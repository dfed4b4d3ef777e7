package tenantapi_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

type m = servertest.Map

// TestApplications: from the first to the last, as a client sees them.
func TestApplications(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		all := "/portal/v1/accounts/" + slug + "/applications"
		made := alex.Must(201, "POST", all, m{"name": "Desk"})
		if made.Text("data", "slug") != "desk-2" || made.Header.Get("ETag") != `"1"` {
			t.Errorf("%s %s", made.Raw, made.Header.Get("ETag"))
		}
		desk := all + "/desk-2"
		environments := alex.Must(200, "GET", desk+"/environments", nil)
		if environments.Text("items", "0", "id") != made.Text("data", "default_environment_id") ||
			environments.Text("items", "1", "slug") != "production" {
			t.Error(environments.Raw)
		}
		renamed := alex.Must(200, "PATCH", desk, m{"name": "Front Desk", "settings": m{"a": 1}}, "If-Match", `"1"`)
		if renamed.Text("data", "name") != "Front Desk" || renamed.Header.Get("ETag") != `"2"` {
			t.Error(renamed.Raw)
		}
		if same := alex.Must(200, "PATCH", desk, m{"name": "Front Desk"}); same.Header.Get("ETag") != `"2"` {
			t.Error("nothing was changed", same.Raw)
		}
		stale := alex.Must(409, "PATCH", desk, m{"name": "X"}, "If-Match", "1")
		if stale.Text("error", "data", "name") != "Front Desk" {
			t.Error(stale.Raw)
		}
		if d := alex.Must(200, "PUT", desk+"/default-environment", m{"slug": "production"}); d.Header.Get("ETag") != `"3"` {
			t.Error(d.Raw)
		}
		if d := alex.Must(200, "PUT", desk+"/default-environment", m{"slug": "production"}); d.Header.Get("ETag") != `"3"` {
			t.Error("the current one again", d.Raw)
		}
		alex.Must(204, "DELETE", desk, nil)
		if a := alex.Must(404, "GET", desk, nil); a.Code() != "applications.not_found" {
			t.Error(a.Raw)
		}
		if a := alex.Must(404, "GET", desk+"/environments/production", nil); a.Code() != "applications.not_found" {
			t.Error(a.Raw)
		}
		if a := alex.Must(400, "DELETE", all+"/desk", nil); a.Code() != "applications.last_application" {
			t.Error(a.Raw)
		}
	})
}

// TestResumeState: what is remembered is a hint, which a deletion makes void.
func TestResumeState(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		desk := "/portal/v1/accounts/" + slug + "/applications/desk"
		state := func() string {
			return alex.Must(200, "GET", desk+"/me/state", nil).Text("data", "environment_slug")
		}
		if got := state(); got != "development" {
			t.Error(got)
		}
		alex.Must(200, "PUT", desk+"/me/state", m{"environment_slug": "production"})
		if got := state(); got != "production" {
			t.Error(got)
		}
		alex.Must(200, "PATCH", desk+"/environments/production", m{"slug": "live"})
		if got := state(); got != "live" {
			t.Errorf("a renamed one is %s", got)
		}
		alex.Must(400, "PUT", desk+"/me/state", m{"environment_slug": "production"})
		alex.Must(204, "DELETE", desk+"/environments/live", nil)
		if got := state(); got != "development" {
			t.Errorf("a deleted one is %s", got)
		}
	})
}

// TestEnvironments: made, changed and deleted, with their revision.
func TestEnvironments(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		all := "/portal/v1/accounts/" + slug + "/applications/desk/environments"
		made := alex.Must(201, "POST", all, m{"name": "Staging"})
		for _, list := range []string{"oauth_client_rotations", "webhook_subscription_rotations"} {
			if diff := cmp.Diff([]any{}, made.At("data", list)); diff != "" {
				t.Error(list, diff)
			}
		}
		staging := all + "/staging"
		first := alex.Must(200, "GET", staging, nil)
		if first.Header.Get("Canopy-Revision") != "1" || first.Header.Get("ETag") != `"1"` {
			t.Error(first.Header)
		}
		mfa := m{"mfa_required": true, "mfa_grace_period_days": 7, "mfa_factor_allowlist": []string{"totp"}}
		changed := alex.Must(200, "PATCH", staging, m{"slug": "test", "mfa": mfa}, "If-Match", "1")
		if changed.Header.Get("Canopy-Revision") != "2" || changed.At("data", "settings", "mfa_required") != any(true) ||
			changed.At("data", "settings", "mfa_trusted_device_days") != 0.0 {
			t.Error(changed.Raw, changed.Header)
		}
		alex.Must(404, "GET", staging, nil)
		if same := alex.Must(200, "PATCH", all+"/test", m{"slug": "test"}); same.Header.Get("Canopy-Revision") != "2" {
			t.Error("nothing was changed", same.Header)
		}
		for _, bad := range []m{
			{"mfa": m{"mfa_grace_period_days": 91}},
			{"mfa": m{"mfa_factor_allowlist": []string{}}},
			{"mfa": m{"mfa_factor_allowlist": []string{"sms"}}},
			{"mfa": m{"other": 1}},
			{"slug": "Test"},
			{"name": ""},
			{"mfa": m{"mfa_trusted_device_days": -1}},
			{"copy_from": "production"},
		} {
			if a := alex.Must(400, "PATCH", all+"/test", bad); a.Code() != "validation" {
				t.Error(a.Raw)
			}
		}
		model := all + "/test/access-model"
		if a := alex.Must(200, "PUT", model, m{"model": "hierarchy"}); a.Header.Get("ETag") != `"3"` {
			t.Error(a.Raw)
		}
		if a := alex.Must(200, "GET", model, nil); a.Text("data", "model") != "hierarchy" {
			t.Error(a.Raw)
		}
		alex.Must(204, "DELETE", all+"/test", nil)
		alex.Must(404, "GET", all+"/test", nil)
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, table := range []string{"environment_deleted", "node", "permission", "role", "role_permission", "tally"} {
			column := "environment_id"
			if table == "environment_deleted" {
				column = "id"
			}
			if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM `+table+` WHERE `+column+` = $1`,
				made.Text("data", "environment", "id")); n != 0 {
				t.Errorf("%d rows of %s are left", n, table)
			}
		}
	})
}

// TestTheLastOnesStay: of two deletions at once that together would leave none, one is
// refused.
func TestTheLastOnesStay(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		all := "/portal/v1/accounts/" + slug + "/applications"
		alex.Must(201, "POST", all, m{"name": "Other"})
		paths := make(chan string, 2)
		paths <- all + "/desk"
		paths <- all + "/other"
		got := servertest.AtOnce(2, func() string { return servertest.Outcome(alex.Do("DELETE", <-paths, nil)) })
		// The token is bound to one of them, so its own deletion may end it first.
		if got["ok"] != 1 || got["applications.last_application"]+got["auth.invalid_token"] != 1 {
			t.Error(got)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM application`); n != 1 {
			t.Errorf("%d Applications are left", n)
		}
	})
}

// TestDeletedApplicationLeavesItsRow: in the Account's log, which is all that is left.
func TestDeletedApplicationLeavesItsRow(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		all := "/portal/v1/accounts/" + slug + "/applications"
		id := alex.Must(201, "POST", all, m{"name": "Other"}).Text("data", "id")
		alex.Must(204, "DELETE", all+"/other", nil)
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		of := `SELECT count(*) FROM audit_event WHERE `
		if n := dbtest.Number(t, s.DB, of+`application_id = $1`, id); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		told := `action = 'application.deleted' AND resource_id = $1 AND severity = 'warning'`
		if n := dbtest.Number(t, s.DB, of+told, id); n != 1 {
			t.Errorf("%d rows of the deletion", n)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM application_deleted`); n != 0 {
			t.Errorf("%d Applications are still to be swept", n)
		}
	})
}
