package eventsapi_test

import (
	"strconv"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type (
	m        = servertest.Map
	answer   = servertest.Answer
	provoker = servertest.Provoker
)

const (
	inDesk = "/applications/desk/environments/development"
	// hookURL is public; nothing is sent there, as no test server sends by itself.
	hookURL = "https://93.184.215.14/hook"
)

func everything() m { return m{"url": hookURL, "event_types": []string{"*"}} }

// TestEveryCodeIsProduced: each code that the door's routes declare comes from a real call.
func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("eventsapi"), map[string]servertest.Provocation{
		"rate_limit.exceeded": func(t *testing.T, p provoker) answer {
			c, account := p.Owner()
			path := account + "/audit-log/identities/stream"
			for range 5 {
				listen(t, p.Server, c.Token, path)
			}
			return c.Do("GET", path, nil)
		},
		"audit.row_not_found": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			return c.Do("GET", account+"/audit-log/admin/"+servertest.NoID, nil)
		},
		"audit.export_not_found": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			return c.Do("GET", account+"/audit-log/admin/export/"+servertest.NoID, nil)
		},
		"audit.view_limit_exceeded": func(_ *testing.T, p provoker) answer {
			c, _ := p.Owner()
			for n := range 20 {
				c.Must(201, "POST", auditViews, newView(strconv.Itoa(n), "admin"))
			}
			return c.Do("POST", auditViews, newView("20", "identities"))
		},
		"changes.cursor_expired": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			at := account + "/applications/desk/environments/development"
			cursor := c.Must(200, "GET", at+"/changes", nil).Text("pagination", "next_cursor")
			environment := c.Must(200, "GET", at, nil).Text("data", "id")
			p.Execute(`INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $2, 1000000)`,
				environment, c.Must(200, "GET", account, nil).Text("data", "id"))
			return c.Do("GET", at+"/changes?cursor="+cursor, nil)
		},
		"webhooks.unsupported_event": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			return c.Do("POST", account+inDesk+"/webhooks", m{"url": hookURL, "event_types": []string{"account_member.added"}})
		},
		"webhooks.url_refused": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			return c.Do("POST", account+"/webhooks", m{"url": "https://169.254.169.254/", "event_types": []string{"*"}})
		},
		"webhooks.limit_reached": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			for range 50 {
				c.Must(201, "POST", account+"/webhooks", everything())
			}
			return c.Do("POST", account+"/webhooks", everything())
		},
		"webhooks.replay_running": func(_ *testing.T, p provoker) answer {
			c, account := p.Owner()
			c.Role(account+inDesk, "Reader")
			id := c.Must(201, "POST", account+"/webhooks", everything()).Text("data", "id")
			always := m{"from": "2020-01-01T00:00:00Z", "to": "2040-01-01T00:00:00Z"}
			c.Must(202, "POST", account+"/webhooks/"+id+"/replay", always)
			return c.Do("POST", account+"/webhooks/"+id+"/replay", always)
		},
	})
}
