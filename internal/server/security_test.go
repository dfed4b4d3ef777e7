package server_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

type (
	m        = servertest.Map
	answer   = servertest.Answer
	provoker = servertest.Provoker
)

// TestForeignTenantWalk asks every registered route below an Account with
// another Account's slug. New routes join by being registered.
func TestForeignTenantWalk(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		mine, _ := s.SignUp("alex@acme.com", "Acme")
		_, theirs := s.SignUp("noa@northwind.com", "Northwind")
		walked := 0
		for _, r := range s.Router.Operations() {
			if !strings.Contains(r.Path, "{accountSlug}") {
				continue
			}
			walked++
			ask := func(slug string) answer {
				path := strings.NewReplacer("{accountSlug}", slug, "{id}", servertest.NoID).Replace(r.Path)
				return mine.Do(r.Method, path, nil)
			}
			foreign, unknown := ask(theirs), ask("no-such-account")
			if foreign.Status != 404 || foreign.Code() != "account.not_found" {
				t.Errorf("%s %s: %d %s", r.Method, r.Path, foreign.Status, foreign.Raw)
			}
			for _, a := range []answer{foreign, unknown} {
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
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	alex, _ := s.SignUp("alex@acme.com", "Acme")
	good := alex.Token
	for _, r := range s.Router.Operations() {
		if !slices.Contains(r.Callers, wire.SchemeUser) {
			continue
		}
		path := strings.NewReplacer("{accountSlug}", "acme", "{id}", "x").Replace(r.Path)
		for what, token := range map[string]string{
			"none": "", "prefix": good[:len(good)-1], "extension": good + "A", "junk": "x.y.z",
			"alg none": "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".",
		} {
			c := s.Client()
			c.Token = token
			a := c.Do(r.Method, path, nil)
			told := a.Code() + ": " + a.Text("error", "message")
			if a.Status != 401 || told != "auth.invalid_token: Invalid or expired token" {
				t.Errorf("%s %s with %s: %d %s", r.Method, r.Path, what, a.Status, a.Raw)
			}
		}
		if a := alex.Do(r.Method, path, nil, "X-API-Key", "cnpy_x"); a.Code() != "auth.two_credentials" {
			t.Errorf("%s %s with two credentials: %s", r.Method, r.Path, a.Raw)
		}
	}
}

// TestEveryRequestIsOneLogLine: what was asked by whom is logged, by the route's
// pattern; what was sent is not.
func TestEveryRequestIsOneLogLine(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	me := alex.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
	alex.Must(201, "POST", servertest.Invites(slug), servertest.Invitation("dana@acme.com"))
	var lines []string
	for line := range strings.Lines(s.Log.String()) {
		if strings.Contains(line, "user-invites") {
			lines = append(lines, line)
		}
	}
	if len(lines) != 1 {
		t.Fatalf("%d lines of one request: %q", len(lines), lines)
	}
	for _, want := range []string{
		`route="POST /portal/v1/accounts/{accountSlug}/user-invites"`, "status=201", "duration_ms=", "request_id=",
		"principal=user", "principal_id=" + me, "account=" + slug,
	} {
		if !strings.Contains(lines[0], want) {
			t.Errorf("no %s in %s", want, lines[0])
		}
	}
	for _, secret := range []string{alex.Token, servertest.Password, "dana@acme.com", s.MailedToken("dana@acme.com")} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
