package peopleapi_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// acme is a new Account with the path of its Environment development.
func acme(s *servertest.Server) (c *servertest.Client, at string) {
	c, slug := s.SignUp("alex@acme.com", "Acme")
	return c, "/portal/v1/accounts/" + slug + development
}

// with calls the public API with a key.
func with(s *servertest.Server, key, method, path string, body any) servertest.Answer {
	return s.Client().Do(method, "/api/v1"+path, body, "X-API-Key", key)
}

// TestLifeOfAKey: it is shown once, and what ends it ends it for the next call.
func TestLifeOfAKey(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		made := c.Must(201, "POST", at+"/api-keys", m{
			"name": "Backend", "access_mode": "scoped", "scopes": []string{"rbac.view_roles", "hierarchy.view"},
			"expires_at": "2099-01-01T01:00:00.123456+01:00",
		})
		key, id := made.Text("data", "key"), made.Text("data", "id")
		if len(key) != 69 || !strings.HasPrefix(key, "cnpy_") || made.Text("data", "key_preview") != key[:12]+"****" ||
			made.Text("data", "expires_at") != "2099-01-01T00:00:00.123Z" ||
			!cmp.Equal(made.At("data", "scopes"), any([]any{"hierarchy.view", "rbac.view_roles"})) {
			t.Error(made.Raw)
		}
		works := func(key string, want int) {
			t.Helper()
			if a := with(s, key, "GET", "/roles", nil); a.Status != want {
				t.Errorf("%d %s, want %d", a.Status, a.Raw, want)
			}
		}
		works(key, 200)
		c.Must(200, "PATCH", at+"/api-keys/"+id, m{"is_active": false})
		works(key, 401)
		c.Must(200, "PATCH", at+"/api-keys/"+id, m{"is_active": true})
		works(key, 200)
		next := c.Must(200, "POST", at+"/api-keys/"+id+"/rotate-secret", nil).Text("data", "key")
		works(key, 401)
		works(next, 200)
		list := c.Must(200, "GET", at+"/api-keys?q=BACK", nil)
		if list.Text("items", "0", "key_preview") != next[:12]+"****" || list.At("items", "0", "last_used_at") != nil {
			t.Error(list.Raw)
		}
		if err := s.Sweep(t.Context()); err != nil { // writes the last uses, too
			t.Fatal(err)
		}
		if list = c.Must(200, "GET", at+"/api-keys", nil); list.At("items", "0", "last_used_at") == nil {
			t.Error("it was used", list.Raw)
		}
		c.Must(204, "DELETE", at+"/api-keys/"+id, nil)
		works(next, 401)
		for _, value := range []string{key, next, secret.Hash(key), secret.Hash(next)} {
			if strings.Contains(list.Raw+s.Log.String(), value) {
				t.Error("a list or the log has a key")
			}
			if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE metadata LIKE $1`, "%"+value+"%"); n != 0 {
				t.Error("an audit row has a key")
			}
		}
	})
}

// TestRefusalsTellNothing: whatever is wrong with a key, the answer is the same.
func TestRefusalsTellNothing(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		all := at[:strings.LastIndex(at, "/")]
		c.Must(201, "POST", all, m{"name": "Gone"})
		gone := c.Key(all + "/gone")
		c.Must(204, "DELETE", all+"/gone", nil)
		live := c.Key(at)
		off := c.Must(201, "POST", at+"/api-keys", scoped("audit.view"))
		c.Must(200, "PATCH", at+"/api-keys/"+off.Text("data", "id"), m{"is_active": false})
		dead := c.Must(201, "POST", at+"/api-keys", scoped("audit.view"))
		c.Must(204, "DELETE", at+"/api-keys/"+dead.Text("data", "id"), nil)
		told := map[string]string{}
		for what, key := range map[string]string{
			"of a deleted Environment": gone, "disabled": off.Text("data", "key"), "deleted": dead.Text("data", "key"),
			"empty": "", "short": "cnpy_1", "a prefix": live[:68], "an extension": live + "0",
			"upper case": strings.ToUpper(live), "another prefix": "cnpz_" + live[5:],
			"unknown": secret.NewAPIKey().Reveal(), "with spaces": " " + live + "  x",
		} {
			a := with(s, key, "GET", "/roles", nil)
			e, _ := a.At("error").(m)
			delete(e, "timestamp")
			told[fmt.Sprint(a.Status, a.Header.Get("WWW-Authenticate"), e)] += " " + what
		}
		if len(told) != 1 {
			t.Error(told)
		}
		if a := with(s, live, "GET", "/roles", nil); a.Status != 200 {
			t.Error(a.Raw)
		}
		two := c.Do("GET", "/api/v1/roles", nil, "X-API-Key", live)
		if two.Status != 400 || two.Code() != "auth.two_credentials" {
			t.Error(two.Raw)
		}
		for _, path := range []string{at + "/roles", "/v1/auth/me"} {
			if a := s.Client().Do("GET", path, nil, "X-API-Key", live); a.Code() != "auth.wrong_principal" {
				t.Error(path, a.Raw)
			}
		}
	})
}

// TestExpiry: to the millisecond.
func TestExpiry(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		ends := s.Clock.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
		body := scoped("rbac.view_roles")
		body["expires_at"] = ends.Format("2006-01-02T15:04:05.000Z")
		key := c.Must(201, "POST", at+"/api-keys", body).Text("data", "key")
		for at, want := range map[time.Duration]int{-time.Millisecond: 200, 0: 401, time.Millisecond: 401} {
			s.Clock.Stop(ends.Add(at))
			if a := with(s, key, "GET", "/roles", nil); a.Status != want {
				t.Errorf("%s: %d", at, a.Status)
			}
		}
	})
}

func TestBadKeys(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	c, at := acme(s)
	for what, body := range map[string]m{
		"an instant that has been":   {"expires_at": "2020-01-01T00:00:00Z"},
		"a zero time of Go":          {"expires_at": "0001-01-01T00:00:00Z"},
		"a date":                     {"expires_at": "2099-01-01"},
		"a leap second":              {"expires_at": "2099-06-30T23:59:60Z"},
		"no instant":                 {"expires_at": "tomorrow"},
		"no scope":                   {"scopes": []string{}},
		"a scope twice":              {"scopes": []string{"audit.view", "audit.view"}},
		"scopes with full access":    {"access_mode": "full_access"},
		"an empty list, full access": {"access_mode": "full_access", "scopes": []string{}},
		"a mode that is none":        {"access_mode": "admin"},
		"no name":                    {"name": " "},
		"a field that is none":       {"is_active": true},
	} {
		full := scoped("audit.view")
		maps.Copy(full, body)
		if a := c.Must(400, "POST", at+"/api-keys", full); a.Code() != "validation" {
			t.Errorf("%s: %s", what, a.Raw)
		}
	}
	if a := c.Must(400, "PATCH", at+"/api-keys/"+servertest.NoID, m{}); a.Code() != "validation" {
		t.Error(a.Raw)
	}
}

// TestNoKeyMakesAStrongerKey, by create, rotate or switching on, nor one that outlives it.
func TestNoKeyMakesAStrongerKey(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		now := s.Clock.Now().UTC()
		ends := func(h int) string { return now.Add(time.Duration(h) * time.Hour).Format(time.RFC3339) }
		own := scoped("api_key.manage", "rbac.view_roles")
		own["expires_at"] = ends(2)
		key := c.Must(201, "POST", at+"/api-keys", own).Text("data", "key")
		until := func(body m, h int) m { body["expires_at"] = ends(h); return body }
		for what, x := range map[string]struct {
			body m
			want string
		}{
			"its own scopes":   {until(scoped("api_key.manage", "rbac.view_roles"), 2), ""},
			"one of them":      {until(scoped("rbac.view_roles"), 1), ""},
			"another scope":    {until(scoped("rbac.manage_roles"), 1), "api_keys.scope_escalation"},
			"that never ends":  {scoped("rbac.view_roles"), "api_keys.scope_escalation"},
			"that ends later":  {until(scoped("rbac.view_roles"), 3), "api_keys.scope_escalation"},
			"with full access": {until(m{"name": "X", "access_mode": "full_access"}, 1), "api_keys.scope_escalation"},
		} {
			if a := with(s, key, "POST", "/api-keys", x.body); a.Code() != x.want {
				t.Errorf("%s: %s", what, a.Raw)
			}
		}
		stronger := c.Must(201, "POST", at+"/api-keys", m{"name": "Root", "access_mode": "full_access"})
		id := stronger.Text("data", "id")
		if a := with(s, key, "POST", "/api-keys/"+id+"/rotate-secret", nil); a.Code() != "api_keys.scope_escalation" {
			t.Error(a.Raw)
		}
		if a := with(s, key, "PATCH", "/api-keys/"+id, m{"is_active": false}); a.Status != 200 {
			t.Error("switching off is free", a.Raw)
		}
		if a := with(s, key, "PATCH", "/api-keys/"+id, m{"is_active": true}); a.Code() != "api_keys.scope_escalation" {
			t.Error(a.Raw)
		}
		full := c.Key(at)
		if a := with(s, full, "POST", "/api-keys/"+id+"/rotate-secret", nil); a.Status != 200 {
			t.Error("full access is free", a.Raw)
		}
	})
}

// TestAKeyMayEndItself: the call itself still succeeds.
func TestAKeyMayEndItself(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		made := c.Must(201, "POST", at+"/api-keys", m{"name": "Own", "access_mode": "full_access"})
		id, key := made.Text("data", "id"), made.Text("data", "key")
		next := with(s, key, "POST", "/api-keys/"+id+"/rotate-secret", nil).Text("data", "key")
		if a := with(s, next, "DELETE", "/api-keys/"+id, nil); a.Status != 204 {
			t.Error(a.Raw)
		}
		if a := with(s, next, "GET", "/roles", nil); a.Status != 401 {
			t.Error(a.Raw)
		}
	})
}

// TestOneKeyForFiftyCalls: fifty creations at once with one Idempotency-Key make one row,
// and show one value.
func TestOneKeyForFiftyCalls(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		got := servertest.AtOnce(50, func() string {
			for {
				a := c.Do("POST", at+"/api-keys", scoped("audit.view"), "Idempotency-Key", "one")
				if a.Code() != "idempotency.in_progress" {
					return a.Text("data", "key")
				}
			}
		})
		if len(got) != 1 {
			t.Errorf("%d values", len(got))
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM api_key`); n != 1 {
			t.Errorf("%d rows", n)
		}
	})
}

// TestCreationsAreLimited, by Application, failed ones included.
func TestCreationsAreLimited(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "api_key_create=3/1m" }
	servertest.Each(t, limits, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		c.Must(400, "POST", at+"/api-keys", scoped("no.such"))
		c.Must(201, "POST", at+"/api-keys", scoped("audit.view"))
		c.Must(201, "POST", strings.Replace(at, "development", "production", 1)+"/api-keys", scoped("audit.view"))
		a := c.Must(429, "POST", at+"/api-keys", scoped("audit.view"))
		if a.Code() != "rate_limit.exceeded" || a.Header.Get("Retry-After") == "" {
			t.Error(a.Raw)
		}
	})
}

// TestRefusedPermissionsAreRecorded once for each key, permission and minute.
func TestRefusedPermissionsAreRecorded(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		key := c.Key(at, "audit.view")
		for range 3 {
			with(s, key, "GET", "/roles", nil)
			with(s, key, "GET", "/permissions", nil)
			with(s, key, "GET", "/nodes", nil)
		}
		rows := func() int {
			return dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE action = 'authorization.denied'
				AND outcome = 'denied' AND severity = 'warning' AND actor_type = 'api_key' AND actor_label = 'Backend'`)
		}
		if n := rows(); n != 2 {
			t.Errorf("%d rows", n)
		}
		s.Clock.Advance(time.Minute)
		with(s, key, "GET", "/roles", nil)
		if n := rows(); n != 3 {
			t.Errorf("%d rows a minute later", n)
		}
	})
}

// TestRefusalsOfOddPaths are recorded as they were asked, and are answered like others.
func TestRefusalsOfOddPaths(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		for _, id := range []string{"%00", "%ff%C3", "%ed%a0%80", strings.Repeat("%E2%82%AC", 900)} {
			path := "/roles/" + id
			a := with(s, c.Key(at, "audit.view"), "GET", path, nil)
			if a.Status != 403 || a.Code() != "auth.permission_denied" {
				t.Errorf("%s: %s", path, a.Raw)
			}
			told := "/api/v1" + path
			told = `%"path":"` + strings.ReplaceAll(told[:min(len(told), 1000)], "%", `\%`) + `"%`
			query := `SELECT count(*) FROM audit_event WHERE action = 'authorization.denied' AND metadata LIKE $1 ESCAPE '\'`
			if n := dbtest.Number(t, s.DB, query, told); n != 1 {
				t.Errorf("%s: %d rows", path, n)
			}
		}
	})
}

// TestKeysHaveOneEnvironment: the header names it or nothing.
func TestKeysHaveOneEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, at := acme(s)
		production := strings.Replace(at, "development", "production", 1)
		key := c.Key(production)
		c.Must(201, "POST", production+"/roles", m{"name": "Only there"})
		names := func(a servertest.Answer) (list []string) {
			items, _ := a.At("items").([]any)
			for _, item := range items {
				list = append(list, item.(m)["name"].(string))
			}
			return list
		}
		there, here := []string{"Only there", "Platform Admin"}, []string{"Platform Admin"}
		// roles lists those of the Environment that the caller is let into, or asks for.
		roles := func(c *servertest.Client, header ...string) servertest.Answer {
			return c.Do("GET", "/api/v1/roles", nil, header...)
		}
		header, program := "X-Canopy-Environment", s.Client()
		for what, x := range map[string]struct {
			a    servertest.Answer
			want []string
			code string
		}{
			"a key":             {a: roles(program, "X-API-Key", key), want: there},
			"its own slug":      {a: roles(program, "X-API-Key", key, header, "production"), want: there},
			"another slug":      {a: roles(program, "X-API-Key", key, header, "development"), code: "environments.not_found"},
			"a user":            {a: roles(c), want: here},
			"a user, elsewhere": {a: roles(c, header, "production"), want: there},
			"a user, nowhere":   {a: roles(c, header, "No such"), code: "environments.not_found"},
		} {
			if diff := cmp.Diff(x.want, names(x.a)); diff != "" || x.a.Code() != x.code {
				t.Errorf("%s: %s", what, x.a.Raw)
			}
		}
	})
}
