package peopleapi_test

import (
	"fmt"
	"maps"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// person is the body that makes an identity.
func person(email string) m { return m{"email": email, "first_name": "Dana", "last_name": "Cole"} }

// TestIdentityIsAMember: who is created is found by every read, and by nobody elsewhere.
func TestIdentityIsAMember(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		c, account := p.Owner()
		in := account + development
		body := person("Dana@ACME.com ")
		body["metadata"], body["external_id"] = m{"level": 12345678901234567}, "hr-1"
		made := c.Must(201, "POST", in+"/identities", body)
		id := made.Text("data", "id")
		if made.Text("data", "email") != "dana@acme.com" || made.At("data", "external_id") != "hr-1" ||
			made.At("data", "is_active") != any(true) {
			t.Errorf("%s", made.Raw)
		}
		if got := c.Must(200, "GET", in+"/identities/"+id, nil); got.Raw != made.Raw {
			t.Errorf("%s, then %s", made.Raw, got.Raw)
		}
		list := c.Must(200, "GET", in+"/identities?q=COLE", nil)
		if list.Text("items", "0", "id") != id || list.At("pagination", "item_count") != 1. {
			t.Errorf("%s", list.Raw)
		}
		sum := c.Must(200, "GET", in+"/identities/summary", nil)
		if sum.At("data", "total_identities") != 1. || sum.At("data", "unassigned_count") != 1. ||
			sum.At("data", "assigned_count") != 0. {
			t.Errorf("%s", sum.Raw)
		}
		other := account + "/applications/desk/environments/production"
		if a := c.Do("GET", other+"/identities/"+id, nil); a.Code() != "identities.not_found" {
			t.Errorf("%s", a.Raw)
		}
		taken := c.Do("POST", in+"/identities", person("dana@acme.com"))
		if taken.Code() != "identities.email_taken" || taken.Text("error", "data", "identity_id") != id {
			t.Errorf("%s", taken.Raw)
		}
		if a := c.Do("POST", other+"/identities", person("dana@acme.com")); a.Code() != "identities.email_taken" ||
			a.At("error", "data") != nil {
			t.Errorf("%s", a.Raw)
		}
		body["email"] = "other@acme.com"
		if a := c.Do("POST", in+"/identities", body); a.Code() != "identities.external_id_taken" {
			t.Errorf("%s", a.Raw)
		}
	})
}

// TestRefusedIdentities: everything that a body can get wrong, by name.
func TestRefusedIdentities(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		for name, bad := range map[string]m{
			"no address":                  {"email": nil},
			"an address that is none":     {"email": "dana"},
			"an empty first name":         {"first_name": " "},
			"a last name of two lines":    {"last_name": "a\nb"},
			"a name that is too long":     {"last_name": strings.Repeat("x", 101)},
			"a short password":            {"password": "1234567"},
			"a password that is too long": {"password": strings.Repeat("y", 65)},
			"a password with a bell":      {"password": "ring\a the bell"},
			"null for a password":         {"password": nil},
			"the address as a password":   {"password": "Dana.Cole@acme.com"},
			"its local part":              {"password": "DANA.COLE"},
			"an empty external id":        {"external_id": ""},
			"a long external id":          {"external_id": strings.Repeat("x", 256)},
			"metadata that is a list":     {"metadata": []int{1}},
			"metadata that is deep":       {"metadata": m{"a": m{"a": m{"a": m{"a": m{"a": m{"a": m{"a": m{"a": m{}}}}}}}}}},
			"large metadata":              {"metadata": m{"a": strings.Repeat("x", 64<<10)}},
			"is_active":                   {"is_active": true},
			"an unknown field":            {"avatar_url": "https://a.test/b.png"},
		} {
			body := person("dana.cole@acme.com")
			maps.Copy(body, bad)
			if a := c.Do("POST", account+development+"/identities", body); a.Code() != "validation" {
				t.Errorf("%s: %d %s", name, a.Status, a.Raw)
			}
		}
		breached := person("dana.cole@acme.com")
		breached["password"] = "iloveyou"
		a := c.Do("POST", account+development+"/identities", breached)
		if a.Code() != "identities.password_breached" || strings.Contains(a.Raw, "iloveyou") {
			t.Errorf("%s", a.Raw)
		}
	})
}

// TestFiftyCreateOne: of fifty parallel creates of one address one wins.
func TestFiftyCreateOne(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		got := servertest.AtOnce(50, func() string {
			return servertest.Outcome(c.Do("POST", account+development+"/identities", person("dana@acme.com")))
		})
		if got["ok"] != 1 || got["identities.email_taken"] != 49 {
			t.Errorf("%v", got)
		}
	})
}

// TestBulkCreate: each row is judged by itself, and no answer holds a password.
func TestBulkCreate(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		c.Must(201, "POST", in+"/identities", person("there@acme.com"))
		secretive, breached, broken := person("b@acme.com"), person("c@acme.com"), person("d")
		secretive["password"], breached["password"] = "a long secret of B", "password1"
		broken["password"] = "a long secret of D"
		a := c.Must(207, "POST", in+"/identities/bulk-create", m{"identities": []any{
			person("z@acme.com"), person("there@acme.com"), secretive, breached, broken, person("Z@acme.com"), 7,
		}})
		var codes []string
		for i := range 7 {
			codes = append(codes, fmt.Sprint(a.At("results", strconv.Itoa(i), "code")))
		}
		if got := strings.Join(codes, " "); got != "201 409 201 400 400 409 400" {
			t.Errorf("%s: %s", got, a.Raw)
		}
		if strings.Contains(a.Raw, "secret") || strings.Contains(a.Raw, "password1") {
			t.Errorf("a password is told: %s", a.Raw)
		}
		if n := c.Must(200, "GET", in+"/identities", nil).At("pagination", "item_count"); n != 3. {
			t.Errorf("%v identities", n)
		}
		for _, list := range [][]any{{}, make([]any, 201)} {
			if a := c.Do("POST", in+"/identities/bulk-create", m{"identities": list}); a.Code() != "validation" {
				t.Errorf("%d rows: %s", len(list), a.Raw)
			}
		}
	})
}

// hashed is how many passwords the server has hashed, as its metrics tell.
func hashed(t *testing.T, s *servertest.Server) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if n, is := strings.CutPrefix(line, "canopy_password_hashes_total "); is {
			return n
		}
	}
	t.Fatal(w.Body)
	return ""
}

// TestDryRun: a batch that is only tried gets the answers of the real one, and leaves nothing.
func TestDryRun(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		created(c, in, "there@acme.com")
		withPassword, breached := person("new@acme.com"), person("c@acme.com")
		withPassword["password"], breached["password"] = "a long secret", "password1"
		for _, at := range []string{in, account} {
			rows := []any{withPassword, person("there@acme.com"), breached, person("NEW@acme.com"), m{}}
			before := hashed(t, s)
			try := c.Must(207, "POST", at+"/identities/bulk-create", m{"identities": rows, "dry_run": true})
			var codes []string
			for i := range rows {
				codes = append(codes, fmt.Sprint(try.At("results", strconv.Itoa(i), "code")))
			}
			if got := strings.Join(codes, " "); got != "201 409 400 409 400" {
				t.Errorf("%s: %s", got, try.Raw)
			}
			if data, _ := try.At("results", "0", "data").(m); len(data) != 1 || data["intent"] != "create" {
				t.Error(try.Raw)
			}
			if hashed(t, s) != before {
				t.Error("a password was hashed")
			}
			if n := c.Must(200, "GET", account+"/identities", nil).At("pagination", "item_count"); n != 1. {
				t.Errorf("%v identities", n)
			}
			good := m{"identities": []m{withPassword}, "dry_run": true}
			if a := c.Must(200, "POST", at+"/identities/bulk-create", good); a.At("summary", "succeeded") != 1. {
				t.Error(a.Raw)
			}
		}
		a := c.Must(200, "POST", in+"/identities/bulk-create", m{"identities": []m{withPassword}, "dry_run": false})
		if a.Text("results", "0", "data", "email") != "new@acme.com" {
			t.Error(a.Raw)
		}
	})
}
