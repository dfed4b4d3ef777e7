package server_test

import (
	"bytes"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/server/servertest"
)

// locking limits nothing but wrong passwords in a row, and keeps the audit log for a year.
func locking(c *config.Settings) {
	limits := []string{string(ratelimit.Lock) + "=10/15m"}
	for name := range ratelimit.Defaults() {
		if name != ratelimit.Lock {
			limits = append(limits, string(name)+"=off")
		}
	}
	c.RateLimits, c.AuditRetention = strings.Join(limits, ","), 365*24*time.Hour
}

// catalogue is the published list of what is ever recorded.
type catalogue struct {
	compiler   *jsonschema.Compiler
	operations map[string][]string // that can record an action
	places     map[string]string   // of the schema of what it adds
}

func readCatalogue(t *testing.T) *catalogue {
	t.Helper()
	raw, err := os.ReadFile("../../api/events.json")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := &catalogue{
		compiler: jsonschema.NewCompiler(), operations: map[string][]string{}, places: map[string]string{},
	}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	for _, e := range doc.([]any) {
		action, _ := e.(m)["action"].(string)
		c.places[action] = "https://canopy.test/" + action
		if err := c.compiler.AddResource(c.places[action], e.(m)["metadata"]); err != nil {
			t.Fatal(err)
		}
		operations, _ := e.(m)["operations"].([]any)
		for _, op := range operations {
			c.operations[action] = append(c.operations[action], op.(string))
		}
	}
	return c
}

// hold holds what was recorded against the schemas, and gives the actions.
func (c *catalogue) hold(t *testing.T, s *servertest.Server) map[string]bool {
	t.Helper()
	rows, err := s.DB.Pool().QueryContext(t.Context(), `SELECT DISTINCT action, metadata FROM audit_event`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	seen := map[string]bool{}
	for rows.Next() {
		var action, metadata string
		if err := rows.Scan(&action, &metadata); err != nil {
			t.Fatal(err)
		}
		seen[action] = true
		if c.places[action] == "" {
			t.Errorf("%s was recorded and is not in the catalogue", action)
			continue
		}
		schema, err := c.compiler.Compile(c.places[action])
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(metadata))
		if err == nil {
			err = schema.Validate(v)
		}
		if err != nil {
			t.Errorf("%s: %v\n%s", action, err, metadata)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return seen
}

// holdCatalogue has every event of the catalogue happen that the walk of the table has not
// brought about: by the successes of operations with two doors, which the walk leaves to others,
// else by a row of happenings. A row that nothing needs fails.
func (o *operations) holdCatalogue(t *testing.T) {
	t.Helper()
	c := readCatalogue(t)
	seen := c.hold(t, o.s)
	called := map[string]bool{}
	for _, action := range slices.Sorted(maps.Keys(c.places)) {
		for name, op := range o.all {
			if !seen[action] && !called[name] && slices.Contains(c.operations[action], op.ID) {
				called[name] = true
				for status, call := range cellsOf(name) {
					if status < http.StatusBadRequest {
						call(o.fresh())
					}
				}
			}
		}
	}
	seen = c.hold(t, o.s)
	for _, action := range slices.Sorted(maps.Keys(happenings)) {
		if seen[action] {
			t.Errorf("%s happens without its row", action)
		}
		happenings[action](o.fresh())
	}
	maps.Copy(seen, c.hold(t, o.s))
	o.s.Clock.Advance(366 * 24 * time.Hour)
	if err := o.s.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	maps.Copy(seen, c.hold(t, o.s))
	for _, action := range slices.Sorted(maps.Keys(c.places)) {
		if !seen[action] {
			t.Errorf("%s: nothing brings it about", action)
		}
	}
}

// happenings bring events about that no success of an operation does. Old rows are swept at last.
var happenings = map[string]func(g *ground){
	"api_key.enabled": func(g *ground) {
		key := "/api-keys/" + g.apiKey()
		for _, active := range []bool{false, true} {
			g.owner.Must(200, "PATCH", g.at+key, m{"is_active": active})
		}
	},
	"audit.export.failed": func(g *ground) {
		g.owner.Must(202, "POST", g.account()+"/audit-log/admin/export", m{})
		g.p.Execute(`UPDATE audit_export SET tries = 3 WHERE status = 'pending'`)
		if _, err := g.s.Exports.RunDue(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
	},
	"authorization.denied": func(g *ground) {
		weak := g.owner.Key(g.at, "audit.export")
		g.s.Client().Must(403, "GET", "/api/v1/roles", nil, "X-API-Key", weak)
	},
	"identity.email.verified": func(g *ground) { accept(g, m{"token": g.invitedAgain(), "password": known}) },
	"identity.locked": func(g *ground) {
		token := g.invitedAgain()
		guess(func() { accept(g, m{"token": token, "password": "wrong"}) })
	},
	"identity.password.reset": func(g *ground) {
		g.owner.Must(201, "POST", g.at+"/identities", newIdentity(""))
		_, token := g.offered(with(invitation(""), m{"intent": "password_reset"}))
		accept(g, accepting(token))
	},
	"user.locked": func(g *ground) {
		email := g.email()
		guess(func() { g.signingIn(email, "Wrong-Horse-7") })
	},
	"user.session.reuse_detected": func(g *ground) {
		old := g.owner.CookieValue("/v1/auth/refresh", "canopy_refresh")
		for range 2 {
			g.owner.Must(200, "POST", "/v1/auth/refresh", nil)
		}
		g.s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", "canopy_refresh="+old)
	},
	"webhook.delivery_failed": func(g *ground) { g.failing(0) },
	"webhook.disabled":        func(g *ground) { g.failing(9) },
}

// known is the password of who is invited again.
const known = "correct horse battery"

// invitedAgain is the token of an invite for a member of another Environment.
func (g *ground) invitedAgain() (token string) {
	elsewhere := strings.TrimSuffix(g.at, inDesk) + inProduction
	g.owner.Must(201, "POST", elsewhere+"/identities", with(newIdentity(""), m{"password": known}))
	_, token = g.offered(invitation(""))
	return token
}

// guess tries so many passwords that it is locked.
func guess(try func()) {
	for range 10 {
		try()
	}
}

// failing has the last attempt of a delivery fail, after so many deliveries that have failed for
// days. It leads nowhere.
func (g *ground) failing(before int) {
	hook := g.webhook()
	g.p.Execute(`DELETE FROM webhook_delivery`)
	g.owner.Must(202, "POST", g.at+"/webhooks/"+hook+"/test", nil)
	g.p.Execute(`UPDATE webhook SET url = 'https://127.0.0.1:9/', failures = $1, quiet_since = 0 WHERE id = $2`,
		before, hook)
	g.p.Execute(`UPDATE webhook_delivery SET attempts = 9`)
	if _, err := g.s.Webhooks.RunDue(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}
