package eventsapi_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type (
	m        = servertest.Map
	answer   = servertest.Answer
	provoker = servertest.Provoker
)

// TestEveryCodeIsProduced: each code that the door's routes declare comes from a real call.
func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("eventsapi"), map[string]servertest.Provocation{
		"changes.cursor_expired": func(_ *testing.T, p provoker) answer {
			c, at := owned(p)
			cursor := c.Must(200, "GET", at+"/changes", nil).Text("pagination", "next_cursor")
			id := c.Must(200, "GET", at, nil)
			p.Execute(`INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $2, 1000000)`,
				id.Text("data", "id"), id.Text("data", "account_id"))
			return c.Do("GET", at+"/changes?cursor="+cursor, nil)
		},
	})
}
