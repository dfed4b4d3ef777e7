package eventsapi_test

import (
	"strconv"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

const auditViews = "/portal/v1/me/audit-views"

func newView(name, surface string) m {
	return m{"name": name, "surface": surface, "filters": m{"outcome": "denied"}}
}

func TestViewsAreKept(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		c, _ := p.Owner()
		other, _ := p.Owner()
		filters := m{
			"from": "2026-01-01T01:00:00+01:00", "action": []string{"role.created", "role.deleted"}, "category": "rbac",
			"actor_id": servertest.NoID, "q": "Zoë",
		}
		a := c.Must(201, "POST", auditViews, m{"name": " Été_1 - b ", "surface": "admin", "filters": filters})
		if a.Text("data", "name") != "Été_1 - b" || a.Text("data", "filters", "from") != "2026-01-01T00:00:00.000Z" {
			t.Errorf("kept %s", a.Raw)
		}
		again := m{"name": "Été_1 - b", "surface": "admin", "filters": m{"severity": "warning"}}
		want := c.Must(201, "POST", auditViews, again).Raw
		c.Must(201, "POST", auditViews, newView("Été_1 - b", "identities"))
		if got := c.Must(200, "GET", auditViews+"?surface=admin", nil).Raw; got != `{"items":[`+
			strings.TrimSuffix(strings.TrimPrefix(want, `{"data":`), "}")+`]}` {
			t.Errorf("the list of a surface is %s, saved was %s", got, want)
		}
		if a := c.Must(200, "GET", auditViews, nil); len(a.At("items").([]any)) != 2 {
			t.Errorf("in all %s", a.Raw)
		}
		if a := other.Must(200, "GET", auditViews, nil); len(a.At("items").([]any)) != 0 {
			t.Errorf("another user has %s", a.Raw)
		}
		gone := auditViews + "?surface=admin&name=%C3%89t%C3%A9_1%20-%20b"
		other.Must(204, "DELETE", gone, nil)
		c.Must(204, "DELETE", gone, nil)
		if a := c.Must(200, "GET", auditViews, nil); len(a.At("items").([]any)) != 1 {
			t.Errorf("after one was deleted there are %s", a.Raw)
		}
	})
}

func TestViewsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, _ := s.Provoker().Owner()
		for why, v := range map[string]m{
			"no name":          {"name": " ", "surface": "admin", "filters": m{}},
			"a long name":      {"name": strings.Repeat("x", 61), "surface": "admin", "filters": m{}},
			"a name with a /":  {"name": "a/b", "surface": "admin", "filters": m{}},
			"no surface":       {"name": "a", "surface": "both", "filters": m{}},
			"no filters":       {"name": "a", "surface": "admin"},
			"an unknown key":   {"name": "a", "surface": "admin", "filters": m{"cursor": "x"}},
			"an odd id":        {"name": "a", "surface": "admin", "filters": m{"actor_id": "me"}},
			"an odd word":      {"name": "a", "surface": "admin", "filters": m{"severity": "loud"}},
			"an odd instant":   {"name": "a", "surface": "admin", "filters": m{"to": "today"}},
			"too many actions": {"name": "a", "surface": "admin", "filters": m{"action": make([]string, 51)}},
		} {
			if a := c.Do("POST", auditViews, v); a.Code() != "validation" {
				t.Errorf("%s: %d %s", why, a.Status, a.Raw)
			}
		}
	})
}

// Many who save at once keep no more than there may be.
func TestViewsAreLimitedAtOnce(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, _ := s.Provoker().Owner()
		for n := range 15 {
			c.Must(201, "POST", auditViews, newView(strconv.Itoa(n), "admin"))
		}
		names := make(chan string, 10)
		for n := range 10 {
			names <- "more " + strconv.Itoa(n)
		}
		got := servertest.AtOnce(10, func() string {
			return servertest.Outcome(c.Do("POST", auditViews, newView(<-names, "admin")))
		})
		if got["ok"] != 5 || got["audit.view_limit_exceeded"] != 5 {
			t.Errorf("%v", got)
		}
		c.Must(201, "POST", auditViews, newView("3", "admin")) // in the place of one
	})
}
