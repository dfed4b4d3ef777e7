package peopleapi_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestErase: of somebody who did and suffered everything nothing is found afterwards, and ids
// still lead through the log.
func TestErase(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in, directory := account+development, account+"/identities"
		root, role := c.Tree(in), reader(c, in)
		const email = "zoe.quill@acme.com"
		body := m{
			"email": email, "first_name": "Zoe", "last_name": "Quill", "role_id": role, "node_id": root,
			"password": "a long secret", "metadata": m{"desk": "Quill corner"}, "external_id": "hr-77",
		}
		id := c.Must(201, "POST", in+"/identities", body).Text("data", "id")
		c.Must(200, "POST", account+production+"/memberships/bulk-attach", m{"identity_ids": []string{id}})
		c.Must(200, "PATCH", in+"/identities/"+id, m{"first_name": "Zoë", "metadata": m{"seat": "Quill 4"}})
		c.Must(204, "POST", in+"/identities/"+id+"/verify-email", nil)
		c.Must(204, "POST", in+"/identities/"+id+"/password", m{"password": "another secret"})
		c.Must(204, "POST", in+"/identities/"+id+"/password/reset", nil)
		signedIn(t, s, id, "development")
		// What signing in will leave.
		dbtest.Exec(t, s.DB, `INSERT INTO audit_event (id, account_id, actor_id, actor_type, actor_label, action, category,
			resource_type, resource_id, resource_label, metadata, outcome, severity, customer_visible, identity_visible,
			created_at)
			SELECT id, account_id, id, 'identity', email, 'node.created', 'hierarchy', 'node', account_id, 'Quill Street',
				'{"name":"Quill Street","ip_address":"203.0.113.77","user_agent":"Zoebrowser/1"}', 'success', 'info', 1, 0,
				created_at
			FROM identity WHERE id = $1`, id)
		dbtest.Exec(t, s.DB, `INSERT INTO audit_unsealed (account_id, event_id) SELECT account_id, id FROM identity
			WHERE id = $1`, id)
		other := created(c, in, "other@acme.com")
		before := c.Must(200, "GET", directory+"/"+id+"/audit?take=100", nil)
		revisions := revision(t, s, "development") + revision(t, s, "production")

		c.Must(204, "DELETE", directory+"/"+id, nil)

		for _, text := range []string{
			email, "Zoë", "zoe.quill", "Quill corner", "Quill 4", "203.0.113.77", "Zoebrowser",
			"hr-77",
		} {
			for _, where := range s.Found(text) {
				t.Errorf("%q is found in %s", text, where)
			}
		}
		after := c.Must(200, "GET", directory+"/"+id+"/audit?take=100&order=asc", nil)
		if n := before.At("pagination", "item_count").(float64); after.At("pagination", "item_count") != n+3 {
			t.Errorf("%v rows, then %v", n, after.At("pagination", "item_count"))
		}
		if strings.Contains(after.Raw, "Quill") && !strings.Contains(after.Raw, "Quill Street") ||
			!strings.Contains(after.Raw, `"resource_label":"erased"`) || !strings.Contains(after.Raw, `"email":"erased"`) {
			t.Error(after.Raw)
		}
		if n := strings.Count(after.Raw, `"action":"identity.erased"`); n != 3 {
			t.Errorf("%d rows of the erasure", n)
		}
		if now := revision(t, s, "development") + revision(t, s, "production"); now != revisions+2 {
			t.Errorf("revisions %d, then %d", revisions, now)
		}
		for path, method := range map[string]string{"": "DELETE", "/memberships": "GET", "/reset-password": "POST"} {
			if a := c.Do(method, directory+"/"+id+path, nil); a.Code() != "identities.not_found" {
				t.Errorf("%s: %s", path, a.Raw)
			}
		}
		if a := c.Do("GET", directory+"/"+servertest.NoID+"/audit", nil); a.Code() != "identities.not_found" {
			t.Error(a.Raw)
		}
		if a := c.Must(200, "GET", in+"/identities/summary", nil); a.At("data", "total_identities") != 1. ||
			a.At("data", "assigned_count") != 0. {
			t.Error(a.Raw)
		}
		if a := c.Must(200, "GET", directory+"/"+other+"/audit", nil); strings.Contains(a.Raw, "erased") {
			t.Error("somebody else:", a.Raw)
		}
		body["first_name"] = "Zoe"
		if again := c.Must(201, "POST", in+"/identities", body).Text("data", "id"); again == id {
			t.Error("it is the same identity")
		}
		sent := len(s.Mail.Messages())
		s.Deliver()
		if len(s.Mail.Messages()) != sent {
			t.Error("a mail went out to who is erased")
		}
	})
}
