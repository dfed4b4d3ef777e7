package portalapi_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestAttention: what is about to end and what has failed, with the Environment where it is;
// nothing of other Accounts, and nothing that is far away or over.
func TestAttention(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		c, account := p.Owner()
		_, elsewhere := p.Owner()
		list := func(at string) []any {
			return c.Must(200, "GET", at+"/attention", nil).At("items").([]any)
		}
		if found := list(account); len(found) != 0 {
			t.Errorf("of nothing: %v", found)
		}
		at := account + "/applications/desk/environments/development"
		in := func(days int) string {
			return s.Clock.Now().Add(time.Duration(days) * 24 * time.Hour).UTC().Format(time.RFC3339)
		}
		node := c.Must(200, "GET", at+"/nodes?depth=1", nil).Text("data", "tree", "0", "id")
		role := c.Must(201, "POST", at+"/roles", servertest.Map{"name": "Reader"}).Text("data", "id")
		for i, days := range []int{1, 6, 8, 400} {
			who := c.Person(at, string(rune('a'+i)))
			c.Must(201, "POST", at+"/assignments", servertest.Map{
				"identity_id": who, "node_id": node, "role_id": role, "effective_to": in(days),
			})
		}
		for _, days := range []int{13, 15} {
			c.Must(201, "POST", at+"/api-keys", servertest.Map{
				"name": in(days), "access_mode": "full_access", "expires_at": in(days),
			})
		}
		id := c.Must(201, "POST", account+"/user-invites", servertest.Map{
			"email": "lost@acme.test", "first_name": "L", "last_name": "T",
		}).Text("data", "id")
		p.Execute(`UPDATE user_invite SET delivery = 'failed' WHERE id = $1`, id)
		got := map[string]any{}
		for _, one := range list(account) {
			item := one.(servertest.Map)
			got[item["kind"].(string)] = item["count"]
			if slug := item["environment_slug"]; (slug == "development") != (item["kind"] != "invites_undelivered") {
				t.Errorf("%v", item)
			}
		}
		want := map[string]any{"assignments_ending": 2.0, "api_keys_ending": 1.0, "invites_undelivered": 1.0}
		if len(got) != len(want) {
			t.Errorf("%v", got)
		}
		for kind, n := range want {
			if got[kind] != n {
				t.Errorf("%s: %v, want %v", kind, got[kind], n)
			}
		}
		if a := c.Do("GET", elsewhere+"/attention", nil); a.Status != 404 && a.Status != 403 {
			t.Errorf("of another Account: %d %s", a.Status, a.Raw)
		}
	})
}
