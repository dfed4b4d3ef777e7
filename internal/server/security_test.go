package server_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

// acceptance is the body that accepts an invite.
func acceptance(token string) m {
	return m{"token": token, "first_name": "Dana", "last_name": "Cole", "password": servertest.Password}
}

// TestForeignTenantWalk asks every registered route below an Account with
// another Account's slug. New routes join by being registered.
func TestForeignTenantWalk(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		mine, _ := s.SignUp("alex@acme.com", "Acme")
		_, theirs := s.SignUp("noa@northwind.com", "Northwind")
		walked := 0
		for _, r := range s.Router.Routes() {
			if !strings.Contains(r.Path, "{accountSlug}") {
				continue
			}
			walked++
			ask := func(slug string) servertest.Answer {
				path := strings.NewReplacer("{accountSlug}", slug, "{id}", "019daac3-0200-7a4c-823b-1612dd272d13").Replace(r.Path)
				return mine.Do(r.Method, path, nil)
			}
			foreign, unknown := ask(theirs), ask("no-such-account")
			if foreign.Status != 404 || foreign.Code() != "account.not_found" {
				t.Errorf("%s %s: %d %s", r.Method, r.Path, foreign.Status, foreign.Raw)
			}
			for _, a := range []servertest.Answer{foreign, unknown} {
				e := a.At("error").(m)
				delete(e, "timestamp")
				delete(e, "path")
			}
			if diff := cmp.Diff(unknown.Body, foreign.Body); diff != "" {
				t.Errorf("%s %s: a foreign slug is told from an unknown one:\n%s", r.Method, r.Path, diff)
			}
		}
		if walked < 18 {
			t.Errorf("only %d routes were walked", walked)
		}
	})
}

// TestEveryUserRouteWantsAUsersToken walks the routes without and with wrong
// credentials.
func TestEveryUserRouteWantsAUsersToken(t *testing.T) {
	s := servertest.New(t, database.SQLite, nil)
	alex, _ := s.SignUp("alex@acme.com", "Acme")
	good := alex.Token
	for _, r := range s.Router.Routes() {
		if r.Access != wire.User {
			continue
		}
		path := strings.NewReplacer("{accountSlug}", "acme", "{id}", "x").Replace(r.Path)
		for what, token := range map[string]string{"none": "", "prefix": good[:len(good)-1], "extension": good + "A", "junk": "x.y.z",
			"alg none": "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + "."} {
			c := s.Client()
			c.Token = token
			if a := c.Do(r.Method, path, nil); a.Status != 401 || a.Code() != "auth.invalid_token" || a.Text("error", "message") != "Invalid or expired token" {
				t.Errorf("%s %s with %s: %d %s", r.Method, r.Path, what, a.Status, a.Raw)
			}
		}
		if a := alex.Do(r.Method, path, nil, "X-API-Key", "cnpy_x"); a.Code() != "auth.two_credentials" {
			t.Errorf("%s %s with two credentials: %s", r.Method, r.Path, a.Raw)
		}
	}
}

// TestBadBodies: every problem of a body is told, each by its field.
func TestBadBodies(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		for body, want := range map[string][]string{
			`{}`: {"email is required", "first_name is required", "last_name is required"},
			`{"email":"d@acme.com","first_name":"D","last_name":"C","role":"owner"}`: {"property role is not allowed"},
			`{"Email":"d@acme.com","first_name":"D","last_name":"C"}`:                {"email is required", "property Email is not allowed"},
			`{"email":7,"first_name":"","last_name":"C"}`:                            {"email must be a string", "first_name must be 1 to 100 characters"},
			`{"email":"d@acme.com","email":"e@acme.com","first_name":"D"}`:           {"property email must not be given twice"},
			`{"email":"d@acme.com","first_name":"D\r\nBcc: x@y.z","last_name":"C"}`:  {"first_name must not hold control characters, line breaks or direction marks"},
			`{"email":"d@acme.com","first_name":"D","last_name":"\u202eC"}`:          {"last_name must not hold control characters, line breaks or direction marks"},
			`{"email":"not an address","first_name":"D","last_name":"C"}`:            {"email must be an e-mail address"},
			`[]`:                   {"body must be an object"},
			`{"email":`:            {"body must be complete JSON"},
			"{\"email\":\"\xff\"}": {"body must be valid JSON in UTF-8"},
		} {
			a := alex.Do("POST", invites(slug), body)
			got := []string{}
			if list, ok := a.At("error", "details").([]any); ok {
				for _, d := range list {
					got = append(got, d.(string))
				}
			}
			if diff := cmp.Diff(want, got); a.Status != 400 || a.Code() != "validation" || diff != "" {
				t.Errorf("%s: %d\n%s", body, a.Status, diff)
			}
		}
		if a := alex.Do("POST", invites(slug), "x=1", "Content-Type", "application/x-www-form-urlencoded"); a.Status != 415 {
			t.Errorf("a form: %d", a.Status)
		}
		if a := alex.Do("POST", invites(slug), `{"email":"`+strings.Repeat("x", 1<<20)+`"}`); a.Status != 413 {
			t.Errorf("a huge body: %d", a.Status)
		}
		if a := alex.Do("PUT", invites(slug), nil); a.Status != 405 || a.Header.Get("Allow") != "GET, POST" || a.Code() != "" {
			t.Errorf("a wrong method: %d %s %s", a.Status, a.Header.Get("Allow"), a.Raw)
		}
		if a := alex.Must(200, "GET", invites(slug), nil); a.At("pagination", "item_count") != 0. {
			t.Errorf("a bad body left something: %s", a.Raw)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		first := alex.Must(201, "POST", invites(slug), dana, "Idempotency-Key", "k1")
		again := alex.Must(201, "POST", invites(slug), dana, "Idempotency-Key", "k1")
		if again.Raw != first.Raw || again.Header.Get("Idempotency-Replayed") != "true" || first.Header.Get("Idempotency-Replayed") != "" {
			t.Errorf("%s\n%s", first.Raw, again.Raw)
		}
		if a := alex.Do("POST", invites(slug), m{"email": "kim@acme.com", "first_name": "K", "last_name": "A"}, "Idempotency-Key", "k1"); a.Status != 422 || a.Code() != "idempotency.key_reused" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		if a := alex.Do("POST", invites(slug), dana, "Idempotency-Key", "k 2"); a.Status != 400 {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
	})
}

func TestIfMatch(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		path := "/portal/v1/accounts/" + slug
		counts := parallel(20, func() string {
			name := "Acme " + time.Now().Format("150405.000000000")
			return outcome(alex.Do("PATCH", path, m{"name": name}, "If-Match", `"1"`))
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "version_conflict": 19}, counts); diff != "" {
			t.Error(diff)
		}
		for _, bad := range []string{"*", `W/"2"`, "0", "x", `"02"`} {
			if a := alex.Do("PATCH", path, m{"name": "B"}, "If-Match", bad); a.Code() != "precondition.malformed" {
				t.Errorf("%s: %s", bad, a.Raw)
			}
		}
		if a := alex.Must(200, "PATCH", path, m{"name": "Beta"}); a.Header.Get("ETag") != `"3"` {
			t.Errorf("ETag %s", a.Header.Get("ETag"))
		}
	})
}

func TestSignInIsThrottledAndLocked(t *testing.T) {
	servertest.Each(t, func(c *config.Settings) { c.RateLimits = "sign_up=off,link=off,mail_recipient=off" }, func(t *testing.T, s *servertest.Server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		c := s.Client()
		wrong := func(want string) {
			t.Helper()
			if a := c.Do("POST", "/v1/auth/login", m{"email": "alex@acme.com", "password": "Wrong-Pass-9"}); a.Code() != want {
				t.Errorf("%d %s, want %s", a.Status, a.Raw, want)
			}
		}
		for range 5 {
			wrong("auth.invalid_credentials")
		}
		wrong("auth.too_many_attempts")
		if a := c.Do("POST", "/v1/auth/login", m{"email": "alex@acme.com", "password": servertest.Password}); a.Status != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("the right password passes a full window: %d", a.Status)
		}
		s.Clock.Advance(15 * time.Minute)
		for range 5 {
			wrong("auth.invalid_credentials")
		}
		s.Clock.Advance(15*time.Minute - time.Second) // the lock of the tenth is about to end, the window is over
		wrong("auth.too_many_attempts")
		s.Clock.Advance(2 * time.Second)
		c.Must(200, "POST", "/v1/auth/login", m{"email": "alex@acme.com", "password": servertest.Password})
	})
}
