package portalapi_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// badBodies are bodies of an invite and what is told of each.
var badBodies = map[string][]string{
	`{}`: {"email is required", "first_name is required", "last_name is required"},
	`{"email":"d@acme.com","first_name":"D","last_name":"C","role":"owner"}`: {
		"property role is not allowed",
	},
	`{"Email":"d@acme.com","first_name":"D","last_name":"C"}`: {
		"email is required", "property Email is not allowed",
	},
	`{"email":7,"first_name":"","last_name":"C"}`: {
		"email must be a string", "first_name must be 1 to 100 characters",
	},
	`{"email":"d@acme.com","email":"e@acme.com","first_name":"D"}`: {
		"property email must not be given twice",
	},
	`{"email":"d@acme.com","first_name":"D\r\nBcc: x@y.z","last_name":"C"}`: {
		"first_name must not hold control characters, line breaks or direction marks",
	},
	`{"email":"d@acme.com","first_name":"D","last_name":"\u202eC"}`: {
		"last_name must not hold control characters, line breaks or direction marks",
	},
	`{"email":"not an address","first_name":"D","last_name":"C"}`: {
		"email must be an e-mail address",
	},
	`[]`:                   {"body must be an object"},
	`{"email":`:            {"body must be complete JSON"},
	"{\"email\":\"\xff\"}": {"body must be valid JSON in UTF-8"},
}

// TestBadBodies: every problem of a body is told, each by its field.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		for body, want := range badBodies {
			a := alex.Do("POST", servertest.Invites(slug), body)
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
		form := alex.Do("POST", servertest.Invites(slug), "x=1", "Content-Type", "application/x-www-form-urlencoded")
		is(t, "a form", form, 415, "")
		huge := `{"email":"` + strings.Repeat("x", 1<<20) + `"}`
		is(t, "a huge body", alex.Do("POST", servertest.Invites(slug), huge), 413, "")
		a := alex.Do("PUT", servertest.Invites(slug), nil)
		if a.Status != 405 || a.Header.Get("Allow") != "GET, POST" || a.Code() != "" {
			t.Errorf("a wrong method: %d %s %s", a.Status, a.Header.Get("Allow"), a.Raw)
		}
		if a := alex.Must(200, "GET", servertest.Invites(slug), nil); a.At("pagination", "item_count") != 0. {
			t.Errorf("a bad body left something: %s", a.Raw)
		}
	})
}

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		first := alex.Must(201, "POST", servertest.Invites(slug), dana, "Idempotency-Key", "k1")
		again := alex.Must(201, "POST", servertest.Invites(slug), dana, "Idempotency-Key", "k1")
		replayed := func(a answer) string { return a.Header.Get("Idempotency-Replayed") }
		if again.Raw != first.Raw || replayed(again) != "true" || replayed(first) != "" {
			t.Errorf("%s\n%s", first.Raw, again.Raw)
		}
		kim := servertest.Invitation("kim@acme.com")
		other := alex.Do("POST", servertest.Invites(slug), kim, "Idempotency-Key", "k1")
		is(t, "another body", other, 422, "idempotency.key_reused")
		if a := alex.Do("POST", servertest.Invites(slug), dana, "Idempotency-Key", "k 2"); a.Status != 400 {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
	})
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		path := "/portal/v1/accounts/" + slug
		counts := servertest.AtOnce(20, func() string {
			name := "Acme " + time.Now().Format("150405.000000000")
			return servertest.Outcome(alex.Do("PATCH", path, m{"name": name}, "If-Match", `"1"`))
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
