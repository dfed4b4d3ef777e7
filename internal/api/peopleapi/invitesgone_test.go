package peopleapi_test

import (
	"fmt"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// linked invites an address with further fields, and gives the invite's id and token.
func linked(c *servertest.Client, at, email string, fields m) (id, token string) {
	a := c.Must(201, "POST", invites(at), joinedBody(person(email), fields))
	_, token, _ = strings.Cut(a.Text("data", "accept_url"), "#token=")
	return a.Text("data", "id"), token
}

// standing is how an invite stands for whoever holds its token.
func standing(s *servertest.Server, token string) string {
	return servertest.Outcome(s.Client().Do("POST", "/v1/identity/auth/invite-info", m{"token": token}))
}

// withdrawals are the reasons of invites that were withdrawn.
func withdrawals(t *testing.T, s *servertest.Server) string {
	t.Helper()
	list := dbtest.Write(t, s.DB, func(tx *database.Tx) ([]string, error) {
		return database.All(t.Context(), tx, func(row database.Scanner) (text string, err error) {
			return text, row.Scan(&text)
		}, `DELETE FROM audit_event WHERE action = 'invite.revoked' RETURNING metadata`)
	})
	counts := map[string]int{}
	for _, text := range list {
		_, reason, _ := strings.Cut(text, `"reason":`)
		counts[strings.Trim(reason, `"}`)]++
	}
	return fmt.Sprint(counts)
}

// TestInvitesGoWithWhatTheyName: a node that is deleted, with what lies below it, a role, a
// membership.
func TestInvitesGoWithWhatTheyName(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root, role, other := c.Tree(in), reader(c, in), c.Role(in, "Writer")
		north := c.Node(in, root, "region", "North")
		office := c.Node(in, north, "office", "Kiel")
		_, plain := linked(c, in, "plain@acme.com", nil)
		_, atRoot := linked(c, in, "root@acme.com", roleAt(other, root))
		_, atNorth := linked(c, in, "north@acme.com", roleAt(other, north))
		_, atOffice := linked(c, in, "office@acme.com", roleAt(other, office))
		_, ofRole := linked(c, in, "role@acme.com", roleAt(role, root))
		late, expired := linked(c, in, "late@acme.com", roleAt(role, north))
		dbtest.Exec(t, s.DB, `UPDATE identity_invite SET expires_at = created_at + 1 WHERE id = $1`, late)
		c.Must(204, "DELETE", in+"/nodes/"+north, nil)
		if got := withdrawals(t, s); got != "map[node_deleted:2]" {
			t.Error(got)
		}
		c.Must(204, "DELETE", in+"/roles/"+role, nil)
		if got := withdrawals(t, s); got != "map[role_deleted:1]" {
			t.Error(got)
		}
		for token, want := range map[string]string{
			plain: "ok", atRoot: "ok", atNorth: "invites.revoked", atOffice: "invites.revoked", ofRole: "invites.revoked",
			expired: "invites.expired",
		} {
			if got := standing(s, token); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		sent := len(s.Mail.Messages())
		s.Deliver()
		if n := len(s.Mail.Messages()) - sent; n != 2 {
			t.Errorf("%d mails went out", n)
		}

		id := created(c, in, "mia@acme.com")
		_, password := linked(c, in, "mia@acme.com", m{"intent": "password_reset"})
		_, there := linked(c, account+production, "mia@acme.com", nil)
		c.Must(204, "DELETE", in+"/identities/"+id, nil)
		if got := withdrawals(t, s); got != "map[member_removed:1]" {
			t.Error(got)
		}
		n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event
			WHERE action = 'identity.env_membership.removed' AND metadata LIKE '%"revoked_pending_invites":1%'`)
		if a, b := standing(s, password), standing(s, there); a != "invites.revoked" || b != "ok" || n != 1 {
			t.Errorf("here %s, there %s, %d rows that count it", a, b, n)
		}
	})
}

// TestInvitesAndLargeTrees: a subtree that is not named node by node takes invites along, too.
func TestInvitesAndLargeTrees(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root, role := c.Tree(in), reader(c, in)
		north := c.Node(in, root, "region", "North")
		dbtest.Exec(t, s.DB, `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug, status,
			metadata, child_count, version, created_at, updated_at, ref)
			WITH RECURSIVE k (k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM k WHERE k < 1200)
			SELECT substr(n.id, 1, 30) || 'ef' || substr('0000' || k.k, length('0000' || k.k) - 3), n.environment_id, n.id,
				'office', 'Office', 'office', 'office-' || k.k, n.status, n.metadata, 0, 1, n.created_at, n.updated_at, n.ref
			FROM node n, k WHERE n.id = $1`, north)
		dbtest.Exec(t, s.DB, `UPDATE node SET child_count = 1200 WHERE id = $1`, north)
		last := north[:30] + "ef1200"
		_, token := linked(c, in, "dana@acme.com", roleAt(role, last))
		_, stays := linked(c, in, "kim@acme.com", roleAt(role, root))
		c.Must(204, "DELETE", in+"/nodes/"+north, nil)
		if a, b := standing(s, token), standing(s, stays); a != "invites.revoked" || b != "ok" {
			t.Errorf("below %s, beside %s", a, b)
		}
		if got := withdrawals(t, s); got != "map[node_deleted:1]" {
			t.Error(got)
		}
	})
}

// TestInvitesAndMovedEnvironments: an import takes along what names what it removes, and tells
// how many, in a dry run too; revert moves the rest to the root; a copy has none.
func TestInvitesAndMovedEnvironments(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root, role := c.Tree(in), reader(c, in)
		dump := c.Must(200, "GET", in+"/export", nil).At("data")
		writer := c.Role(in, "Writer")
		north := c.Node(in, root, "region", "North")
		south := c.Node(in, root, "region", "South")
		_, stays := linked(c, in, "stays@acme.com", roleAt(role, root))
		_, node := linked(c, in, "node@acme.com", roleAt(role, north))
		_, ofRole := linked(c, in, "role@acme.com", roleAt(writer, root))
		_, both := linked(c, in, "both@acme.com", roleAt(writer, south))
		for _, query := range []string{"?dry_run=true", ""} {
			a := c.Must(200, "POST", in+"/import"+query, dump)
			if a.At("data", "removed", "invites") != 3. {
				t.Error(a.Raw)
			}
		}
		if got := withdrawals(t, s); got != "map[node_deleted:1 role_deleted:2]" {
			t.Error(got)
		}
		for token, want := range map[string]string{
			stays: "ok", node: "invites.revoked", ofRole: "invites.revoked", both: "invites.revoked",
		} {
			if got := standing(s, token); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		c.Must(201, "POST", account+"/applications/desk/environments", m{"name": "Copy", "copy_from": "development"})
		if a := c.Must(200, "GET", invites(account+"/applications/desk/environments/copy"), nil); emails(a) != " of 0" {
			t.Error(a.Raw)
		}

		north = c.Node(in, root, "region", "North")
		south = c.Node(in, root, "region", "South")
		kiel := c.Node(in, south, "office", "Kiel")
		id, moves := linked(c, in, "moves@acme.com", roleAt(role, north))
		_, dead := linked(c, in, "dead@acme.com", roleAt(role, kiel))
		c.Must(200, "PATCH", in+"/nodes/"+south, m{"status": "inactive"})
		c.Must(200, "POST", in+"/revert-to-flat", nil)
		if got := withdrawals(t, s); got != "map[node_deleted:1]" {
			t.Error(got)
		}
		if a := c.Must(200, "GET", invites(in)+"/"+id, nil); a.Text("data", "node_id") != root {
			t.Error(a.Raw)
		}
		if a, b := standing(s, moves), standing(s, dead); a != "ok" || b != "invites.revoked" {
			t.Errorf("moved %s, dead %s", a, b)
		}
		body := m{"token": moves, "first_name": "Dana", "last_name": "Cole", "password": "correct horse battery"}
		s.Client().Must(200, "POST", "/v1/identity/auth/accept-invite", body)
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM assignment WHERE node_id = $1`, root); n != 1 {
			t.Errorf("%d assignments at the root", n)
		}
	})
}

// TestInvitesGoWithTheirEnvironment: at once they are nowhere, for the inviter and the invited;
// then their rows go.
func TestInvitesGoWithTheirEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		_, here := linked(c, account+development, "here@acme.com", nil)
		id, there := linked(c, account+production, "there@acme.com", nil)
		c.Must(204, "DELETE", account+production, nil)
		sent := len(s.Mail.Messages())
		s.Deliver()
		if n := len(s.Mail.Messages()) - sent; n != 1 {
			t.Errorf("%d mails went out", n)
		}
		if a, b := standing(s, here), standing(s, there); a != "ok" || b != "invites.not_found" {
			t.Errorf("here %s, there %s", a, b)
		}
		body := m{"token": there, "first_name": "Dana", "last_name": "Cole", "password": "correct horse battery"}
		if a := s.Client().Do("POST", "/v1/identity/auth/accept-invite", body); a.Code() != "invites.not_found" {
			t.Error(a.Raw)
		}
		if got := emails(c.Must(200, "GET", invites(account), nil)); got != "here of 1" {
			t.Error(got)
		}
		if a := c.Must(200, "GET", invites(account)+"/summary", nil); a.At("data", "total_invites") != 1. {
			t.Error(a.Raw)
		}
		for method, path := range map[string]string{"POST": "/resend", "DELETE": ""} {
			if a := c.Do(method, invites(account)+"/"+id+path, nil); a.Code() != "invites.not_found" {
				t.Error(a.Raw)
			}
		}
		if err := s.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
		if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite`); n != 1 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// TestErasingForgetsInvites: whatever their state, with their mails and what the log says.
func TestErasingForgetsInvites(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		_, accepted := linked(c, in, "zoe.quill@acme.com", m{"first_name": "Zoë", "last_name": "Quill"})
		s.Client().Must(200, "POST", "/v1/identity/auth/accept-invite", m{
			"token": accepted, "first_name": "Zoë", "last_name": "Quill", "password": "correct horse battery",
		})
		gone, _ := linked(c, account+production, "zoe.quill@acme.com", nil)
		c.Must(204, "DELETE", invites(account+production)+"/"+gone, nil)
		_, live := linked(c, account+production, "zoe.quill@acme.com", nil)
		s.Client().Do("POST", "/v1/identity/auth/accept-invite", m{"token": live, "password": "wrong"})
		id := c.Must(200, "GET", in+"/identities", nil).Text("items", "0", "id")
		sent := len(s.Mail.Messages())
		c.Must(204, "DELETE", account+"/identities/"+id, nil)
		s.Deliver()
		if n := len(s.Mail.Messages()) - sent; n != 0 {
			t.Errorf("%d mails went out", n)
		}
		for _, text := range []string{"zoe.quill", "Zoë", "Quill", "127.0.0.1"} {
			for _, where := range s.Found(text) {
				if text != "127.0.0.1" || where == "audit_event.metadata" && dbtest.Number(t, s.DB,
					`SELECT count(*) FROM audit_event WHERE metadata LIKE '%127.0.0.1%' AND action LIKE 'identity.%'`) > 0 {
					t.Errorf("%q is found in %s", text, where)
				}
			}
		}
		for _, token := range []string{accepted, live} {
			if got := standing(s, token); got != "invites.not_found" {
				t.Error(got)
			}
		}
		log := c.Must(200, "GET", account+"/identities/"+id+"/audit?take=100", nil)
		if !strings.Contains(log.Raw, `"action":"invite.accepted"`) || !strings.Contains(log.Raw, `"email":"erased"`) {
			t.Error(log.Raw)
		}
		linked(c, in, "zoe.quill@acme.com", nil)
	})
}
