package server_test

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

// documented is an operation of api/openapi.json: its successes, and the codes of its refusals.
type documented struct {
	ID        string         `json:"operationId"` //nolint:tagliatelle // OpenAPI's word
	Responses map[string]any `json:"responses"`
	Codes     []string       `json:"x-error-codes"` //nolint:tagliatelle // as above
}

func (d documented) successes() (list []int) {
	for status := range d.Responses {
		if n, err := strconv.Atoi(status); err == nil && n < 400 {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	return list
}

// document is the published one, by "METHOD /path".
func document(t *testing.T) map[string]documented {
	t.Helper()
	raw, err := os.ReadFile("../../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var of struct {
		Paths map[string]map[string]documented `json:"paths"`
	}
	if err := json.Unmarshal(raw, &of); err != nil {
		t.Fatal(err)
	}
	all := map[string]documented{}
	for path, item := range of.Paths {
		for method, op := range item {
			all[strings.ToUpper(method)+" "+path] = op
		}
	}
	return all
}

// walked are the codes of the checks before every handler, with the tests that walk all
// operations, or provoke them where one operation speaks for all.
var walked = map[string]string{
	"account.not_found":       "TestForeignTenantWalk",
	"auth.invalid_token":      "TestEveryUserRouteWantsAUsersToken",
	"auth.two_credentials":    "TestEveryUserRouteWantsAUsersToken",
	"auth.wrong_principal":    "TestEveryCodeIsProduced",
	"auth.permission_denied":  "TestScopesOpenWhatTheySay of peopleapi",
	"idempotency.key_reused":  "TestEveryCodeIsProduced",
	"idempotency.in_progress": "TestEveryCodeIsProduced",
	"idempotency.answer_lost": "TestEveryCodeIsProduced",
	"rate_limit.exceeded":     "TestEveryCodeIsProduced of portalapi",
	"server.busy":             "TestEveryCodeIsProduced of peopleapi",
	"server.internal":         "TestEveryCodeIsProduced",
	"server.unavailable":      "TestEveryCodeIsProduced",
}

// elsewhere are codes that need a server with other settings, with the tests that have one.
var elsewhere = map[string]string{
	"auth.sign_up_closed":    "TestEveryCodeIsProduced of portalapi",
	"auth.too_many_attempts": "TestEveryCodeIsProduced of portalapi",
}

// untimed are codes of an operation that only a call at just that moment gets.
var untimed = map[string]string{
	"changePassword users.not_found": "who is signed in was there when the call began",
	"me applications.not_found":      "the token of a deleted Application is good for nothing, so that it went meanwhile",
}

// TestTableOfOperations produces each success and each code of every operation in the
// published document; the client of the test holds the answers against it. An operation that
// lacks a row fails, and so does a row that nothing needs. Operations with two doors are
// called through the one on SQLite and through the other on PostgreSQL; their successes are
// those of TestContractTable and TestTwinsAreAlike.
func TestTableOfOperations(t *testing.T) {
	t.Parallel()
	all, contract := document(t), readContract(t)
	servertest.Each(t, locking, func(t *testing.T, s *servertest.Server) {
		table := operations{t: t, s: s, p: s.Provoker(), used: map[string]bool{}, all: all}
		table.door = byKey
		if s.DB.Engine == database.SQLite {
			table.door = byPortal
		}
		ours := 0
		for _, op := range s.Router.Operations() {
			name := op.Method + " " + op.Path
			row, is := all[name]
			if !is {
				t.Errorf("%s is not in the document", name)
				continue
			}
			ours++
			if base, twin := strings.CutSuffix(op.ID, "InPortal"); !twin || !table.has(base) {
				table.holdRow(op, row)
			}
		}
		if ours != len(all) {
			t.Errorf("%d of the document's %d operations are the server's", ours, len(all))
		}
		for op, codes := range codeCells {
			for code := range codes {
				if !table.used[op+" "+code] {
					t.Errorf("%s: nothing asks for the row of %s", op, code)
				}
			}
		}
		for id := range ownCalls {
			if !table.used[id] {
				t.Errorf("%s: nothing asks for its row", id)
			}
		}
		contract.holdEvents(t, s, func(action string) bool { return portals[action] })
		table.holdCatalogue(t)
		t.Logf("%d operations, %d cells", ours, table.cells)
	})
}

// operations is a walk of the table.
type operations struct {
	t     *testing.T
	s     *servertest.Server
	p     provoker
	door  door
	still *ground // on which nothing changes
	made  time.Time
	all   map[string]documented
	used  map[string]bool
	cells int
}

// has reports whether an operation has two doors.
func (o *operations) has(id string) bool {
	for name, op := range o.all {
		if op.ID == id {
			return strings.Contains(name, " /api/v1/")
		}
	}
	return false
}

func (o *operations) fresh() *ground {
	g := newGround(o.t, o.s, o.p)
	g.door = o.door
	return g
}

// calm is a ground on which nothing changes. Cells turn the clock, and its owner is signed in
// for a quarter of an hour.
func (o *operations) calm() *ground {
	if now := o.s.Clock.Now(); o.still == nil || now.Sub(o.made) > 10*time.Minute {
		o.still, o.made = o.fresh(), now
	}
	return o.still
}

func (o *operations) holdRow(op wire.Operation, row documented) {
	name := op.Method + " " + op.Path
	for _, status := range row.successes() {
		if strings.HasPrefix(op.Path, "/api/v1/") {
			if cellsOf(name)[status] == nil {
				o.t.Errorf("%s lacks a row for %d", name, status)
			}
			continue
		}
		o.cells++
		if a, is := o.succeed(op, status); !is {
			o.t.Errorf("%s lacks a row for %d", op.ID, status)
		} else if a.Status != status {
			o.t.Errorf("%s: %d %s, want %d", op.ID, a.Status, a.Raw, status)
		}
	}
	for _, code := range row.Codes {
		if walked[code] != "" || elsewhere[code] != "" || untimed[op.ID+" "+code] != "" {
			continue
		}
		o.cells++
		if a, is := o.refuse(op, code); !is {
			o.t.Errorf("%s lacks a row for %s", name, code)
		} else if a.Code() != code && !slices.Contains(rowCodes(a), code) {
			o.t.Errorf("%s: %d %s, want %s", name, a.Status, a.Raw, code)
		}
	}
}

// rowCodes are the codes of a bulk answer.
func rowCodes(a answer) (list []string) {
	results, _ := a.At("results").([]any)
	for i := range results {
		list = append(list, a.Text("results", strconv.Itoa(i), "error", "code"))
	}
	return list
}

// succeed calls an operation that has one door, so that it succeeds.
func (o *operations) succeed(op wire.Operation, status int) (answer, bool) {
	call, is := ownCalls[op.ID]
	o.used[op.ID] = true
	if mixed := mixedBodies[op.ID]; status == http.StatusMultiStatus {
		if mixed == nil {
			return answer{}, false
		}
		call.body = mixed
	} else if !is && (op.Method == http.MethodPost || op.Method == http.MethodPut || op.Method == http.MethodPatch) {
		return answer{}, false
	}
	return call.do(o.fresh(), op), true
}

// refuse calls an operation so that it answers with a code: by a row of its own, or as all of
// them are refused.
func (o *operations) refuse(op wire.Operation, code string, header ...string) (answer, bool) {
	name := op.ID
	if strings.HasPrefix(op.Path, "/api/v1/") {
		name = op.Method + " " + op.Path
	}
	if special := codeCells[name][code]; special != nil {
		o.used[name+" "+code] = true
		return special(o.fresh()), true
	}
	g := o.calm()
	path := g.place(op.Path, servertest.NoID)
	switch code {
	case "validation":
		if op.Method == http.MethodGet || op.Method == http.MethodDelete {
			path += "?" + badQuery
		}
		return g.owner.Do(op.Method, path, "[]", header...), true
	case "precondition.malformed":
		return g.owner.Do(op.Method, path, bodyFor(op), "If-Match", "x"), true
	case "version_conflict":
		if cell := cellsOf(name)[http.StatusConflict]; cell != nil {
			return cell(o.fresh()), true
		}
		call := ownCalls[op.ID]
		call.header = []string{"If-Match", `"77"`}
		return call.do(o.fresh(), op), true
	case "applications.not_found":
		return g.owner.Do(op.Method, strings.Replace(path, "/applications/desk", "/applications/none", 1), nil), true
	case "environments.not_found":
		if strings.HasPrefix(op.Path, "/api/v1/") || strings.HasPrefix(op.Path, "/access/v1/") {
			return g.owner.Do(op.Method, path, nil, "X-Canopy-Environment", "none"), true
		}
		return g.owner.Do(op.Method, strings.Replace(path, "/environments/development", "/environments/none", 1), nil), true
	case notFound(op.Path):
		body := bodyFor(op)
		if special := contractBodies[name]; special != nil {
			body = special
		}
		return g.owner.Do(op.Method, path, body, header...), true
	case "auth.origin_refused":
		return g.owner.Do(op.Method, path, nil, "Origin", "https://evil.example"), true
	}
	return answer{}, false
}

// badQuery breaks the rule of every parameter that has one.
var badQuery = "take=x&page=x&order=x&sort_by=x&depth=x&status=x&source=x&type=x&include_inactive=x&root=x&under=x&" +
	"ids=x&offset=x&limit=x&role_id=x&dry_run=x&has_any_assignment=x&not_in_environment=x&node_id=&q=" +
	strings.Repeat("x", 300)

// notFound is the code for the unknown thing that a path names.
func notFound(path string) string {
	for part, code := range map[string]string{
		"/identities/{id}": "identities.not_found", "/nodes/{id}": "nodes.node_not_found",
		"/roles/{id}": "rbac.role_not_found", "/permissions/{id}": "permissions.not_found",
		"/api-keys/{id}": "api_keys.not_found", "/assignments/{id}": "rbac.assignment_not_found",
		"/users/{id}": "users.not_found", "/members/{id}": "users.not_found",
		"/user-invites/{id}": "invites.not_found", "/identity-invites/{id}": "invites.not_found",
		"/auth/sessions/{id}": "auth.session_not_found", "/webhooks/{id}": "webhooks.not_found",
	} {
		if strings.Contains(path, part) {
			return code
		}
	}
	return ""
}

// place fills a path in the ground's Account.
func (g *ground) place(path, id string) string {
	account := strings.TrimPrefix(strings.TrimSuffix(g.at, inDesk), "/portal/v1/accounts/")
	return place(account, id).Replace(path)
}

// account is the path of the Account.
func (g *ground) account() string { return strings.TrimSuffix(g.at, inDesk) }

func (g *ground) application() string { return g.account() + "/applications/desk" }

func (g *ground) applicationID() string {
	return g.owner.Must(200, "GET", g.application(), nil).Text("data", "id")
}

// ownCall is how an operation with one door is called: what of it isn't said goes by itself.
type ownCall struct {
	body   any                     // a m, or a func(*ground) m
	path   func(g *ground) string  // else by the pattern, with the id of a new thing
	by     func(g *ground) *client // else the owner
	before func(g *ground, at string)
	header []string
}

type client = servertest.Client

func (c ownCall) do(g *ground, op wire.Operation) answer {
	at, thing := op.Path, ""
	switch {
	case c.path != nil:
		at = c.path(g)
	case strings.Contains(at, "{id}"):
		thing = g.thing(at)
	}
	at = g.place(at, thing)
	if c.before != nil {
		c.before(g, at)
	}
	by := g.owner
	if c.by != nil {
		by = c.by(g)
	}
	body := c.body
	if of, is := body.(func(*ground) m); is {
		body = of(g)
	}
	return by.Do(op.Method, at, body, c.header...)
}

// thing makes what a path names, and gives its id.
func (g *ground) thing(path string) string {
	switch {
	case strings.Contains(path, "/audit-log/"):
		g.identity()
		log := strings.TrimSuffix(g.place(path, ""), "/")
		return g.owner.Must(200, "GET", log, nil).Text("items", "0", "id")
	case strings.Contains(path, "/identities/"):
		return g.identity()
	case strings.Contains(path, "/nodes/"):
		return g.node
	case strings.Contains(path, "/webhooks/"):
		return g.accountWebhook()
	case strings.Contains(path, "/identity-invites/"):
		return g.invited()
	case strings.Contains(path, "/user-invites/"):
		invite := servertest.Invitation(g.p.Address())
		return g.owner.Must(201, "POST", g.account()+"/user-invites", invite).Text("data", "id")
	case strings.Contains(path, "/users/"), strings.Contains(path, "/members/"):
		_, _, id := g.p.Colleague(g.owner, g.account())
		return id
	case strings.Contains(path, "/sessions/"):
		return g.owner.Must(200, "GET", "/v1/auth/sessions", nil).Text("items", "0", "id")
	}
	g.t.Fatalf("nothing makes what %s names", path)
	return ""
}

// joinedCodes are those of several tables.
func joinedCodes(all ...map[string]map[string]produce) map[string]map[string]produce {
	joined := map[string]map[string]produce{}
	for _, some := range all {
		for op, codes := range some {
			if joined[op] == nil {
				joined[op] = map[string]produce{}
			}
			maps.Copy(joined[op], codes)
		}
	}
	return joined
}

// cooled lets the pause between two mails of an invite pass.
func cooled(g *ground, _ string) { g.s.Clock.Advance(6 * time.Minute) }
