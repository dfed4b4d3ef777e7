package peopleapi_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

const production = "/applications/desk/environments/production"

// created makes an identity in an Environment and gives its id.
func created(c *servertest.Client, at, email string) (id string) {
	return c.Must(201, "POST", at+"/identities", person(email)).Text("data", "id")
}

// events are those about an identity since the last look, with the tier of each: A for the
// Account, P for an Application, E for an Environment.
func events(t *testing.T, s *servertest.Server, id string) string {
	t.Helper()
	rows, err := s.DB.Pool().QueryContext(t.Context(), `SELECT action || CASE WHEN environment_id IS NOT NULL THEN ' E '
		WHEN application_id IS NOT NULL THEN ' P ' ELSE ' A ' END || metadata FROM audit_event
		WHERE resource_id = $1 ORDER BY 1`, id)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var list []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			t.Fatal(err)
		}
		list = append(list, one)
	}
	if rows.Err() != nil {
		t.Fatal(rows.Err())
	}
	dbtest.Exec(t, s.DB, `DELETE FROM audit_event WHERE resource_id = $1`, id)
	return strings.Join(list, "\n")
}

// held are the assignments of an identity in an Environment.
func held(c *servertest.Client, at, id string) any {
	return c.Must(200, "GET", at+"/identities/"+id+"/assignments", nil).At("pagination", "item_count")
}

// signedIn plants a session, as a sign-in leaves one.
func signedIn(t *testing.T, s *servertest.Server, id, environment string) (session string) {
	t.Helper()
	n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_session`)
	session = fmt.Sprintf("%08x", n) + id[8:]
	dbtest.Exec(t, s.DB, `INSERT INTO identity_session (id, account_id, application_id, environment_id, identity_id,
		ip_address, user_agent, created_at, expires_at)
		SELECT $1, m.account_id, m.application_id, m.environment_id, m.identity_id, '203.0.113.7', 'Mozilla/5.0', $2, $3
		FROM membership m JOIN environment e ON e.id = m.environment_id WHERE m.identity_id = $4 AND e.slug = $5`,
		session, s.Clock.Now(), s.Clock.Now().AddDate(0, 0, 1), id, environment)
	return session
}

// TestRemoveAndAttach: who is removed has nothing left here, and comes back without roles.
func TestRemoveAndAttach(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root, role := c.Tree(in), c.Must(201, "POST", in+"/roles", m{"name": "Reader"}).Text("data", "id")
		body := person("dana@acme.com")
		body["role_id"], body["node_id"] = role, root
		id := c.Must(201, "POST", in+"/identities", body).Text("data", "id")
		c.Must(200, "POST", account+production+"/memberships/bulk-attach", m{"identity_ids": []string{id}})
		here, there := signedIn(t, s, id, "development"), signedIn(t, s, id, "production")
		detail := c.Must(200, "GET", in+"/identities/"+id+"/detail", nil)
		if detail.Text("data", "roles", "0", "name") != "Reader" || detail.At("data", "role_count") != 1. ||
			detail.At("data", "can_manage") != any(true) || detail.At("data", "metadata") != nil {
			t.Error(detail.Raw)
		}
		_ = events(t, s, id)
		c.Must(204, "DELETE", in+"/identities/"+id, nil)
		if got := events(t, s, id); got != `identity.env_membership.removed E {"revoked_pending_invites":0}` {
			t.Error(got)
		}
		for path, method := range map[string]string{
			"": "GET", "/detail": "GET", "/assignments": "GET", "/sessions": "GET", "/activate": "POST",
		} {
			if a := c.Do(method, in+"/identities/"+id+path, nil); a.Code() != "identities.not_found" {
				t.Errorf("%s: %s", path, a.Raw)
			}
		}
		if a := c.Do("DELETE", in+"/identities/"+id, nil); a.Code() != "identities.not_found" {
			t.Error("a second time:", a.Raw)
		}
		live := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_session WHERE ended_at IS NULL AND id = $1`, there)
		dead := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_session WHERE ended_at IS NOT NULL AND id = $1`, here)
		if live != 1 || dead != 1 {
			t.Errorf("%d and %d sessions", live, dead)
		}
		if a := c.Must(200, "GET", account+production+"/identities/"+id, nil); a.Text("data", "id") != id {
			t.Error(a.Raw)
		}

		again := c.Must(207, "POST", in+"/memberships/bulk-attach", m{"identity_ids": []string{
			id, id, servertest.NoID, "none",
		}})
		if again.Text("results", "0", "data", "id") != id ||
			again.Text("results", "1", "error", "code") != "identities.already_member" ||
			again.Text("results", "2", "error", "code") != "identities.not_found" ||
			again.Text("results", "3", "error", "code") != "identities.not_found" {
			t.Error(again.Raw)
		}
		const added = `identity.env_membership.added E {"reactivated":true,"membership_id":"`
		if got := events(t, s, id); !strings.HasPrefix(got, added) || strings.Contains(got, "\n") {
			t.Error(got)
		}
		if n := held(c, in, id); n != 0. {
			t.Errorf("%v assignments", n)
		}
	})
}

// TestKeysAttachWhomTheyKnow: an API key brings back only those who were members.
func TestKeysAttachWhomTheyKnow(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		key := c.Key(in, "identity.manage")
		known, stranger := created(c, in, "known@acme.com"), created(c, account+production, "stranger@acme.com")
		c.Must(204, "DELETE", in+"/identities/"+known, nil)
		a := with(s, key, "POST", "/memberships/bulk-attach", m{"identity_ids": []string{stranger, known}})
		if a.Status != 207 || a.Text("results", "0", "error", "code") != "identities.not_found" ||
			a.Text("results", "1", "data", "id") != known {
			t.Error(a.Raw)
		}
	})
}

// TestSwitch: on and off is the Account's, and is told everywhere.
func TestSwitch(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		c.Must(200, "POST", account+production+"/memberships/bulk-attach", m{"identity_ids": []string{id}})
		signedIn(t, s, id, "production")
		before := revision(t, s, "production")
		_ = events(t, s, id)
		c.Must(200, "POST", in+"/identities/"+id+"/deactivate", nil)
		places := `,"environment_ids":` + ids(t, s)
		want := `identity.status_set A {"previous_is_active":true,"new_is_active":false` + places + `}
identity.status_set E {"previous_is_active":true,"new_is_active":false}
identity.status_set E {"previous_is_active":true,"new_is_active":false}
session.all_revoked A {"revoked_count":1,"reason":"identity_deactivated"}
session.all_revoked E {"revoked_count":1,"reason":"identity_deactivated"}
session.all_revoked E {"revoked_count":1,"reason":"identity_deactivated"}`
		if diff := cmp.Diff(want, events(t, s, id)); diff != "" {
			t.Error(diff)
		}
		if after := revision(t, s, "production"); after != before+1 {
			t.Errorf("revision %d, then %d", before, after)
		}
		for _, at := range []string{in, account + production} {
			if a := c.Must(200, "GET", at+"/identities?status=inactive", nil); a.Text("items", "0", "id") != id {
				t.Error(a.Raw)
			}
		}
		c.Must(200, "POST", in+"/identities/"+id+"/deactivate", nil)
		if got := events(t, s, id); got != "" {
			t.Error("nothing was changed:", got)
		}
		c.Must(200, "PATCH", in+"/identities/"+id, m{"is_active": true, "first_name": "Donna", "metadata": m{"a": 1.50}})
		want = `identity.status_set A {"previous_is_active":false,"new_is_active":true` + places + `}
identity.status_set E {"previous_is_active":false,"new_is_active":true}
identity.status_set E {"previous_is_active":false,"new_is_active":true}
identity.updated E {"changes":{"first_name":"Donna","metadata":{"a":1.5}}}`
		if diff := cmp.Diff(want, events(t, s, id)); diff != "" {
			t.Error(diff)
		}
		if a := c.Must(200, "GET", account+production+"/identities?q=donna", nil); a.Text("items", "0", "id") != id {
			t.Error("its name is not followed:", a.Raw)
		}
		c.Must(200, "PATCH", in+"/identities/"+id, m{"first_name": "Donna", "metadata": m{"a": 1.5}, "is_active": true})
		c.Must(200, "PATCH", in+"/identities/"+id, m{})
		if got := events(t, s, id); got != "" {
			t.Error("nothing was changed:", got)
		}
		c.Must(200, "PATCH", in+"/identities/"+id, m{"metadata": nil})
		if got := events(t, s, id); got != `identity.updated E {"changes":{"metadata":null}}` {
			t.Error(got)
		}
	})
}

func revision(t *testing.T, s *servertest.Server, environment string) int {
	t.Helper()
	return dbtest.Number(t, s.DB, `SELECT revision FROM revision JOIN environment e ON e.id = scope_id WHERE e.slug = $1`,
		environment)
}

// ids are those of the Environments, as an event lists them.
func ids(t *testing.T, s *servertest.Server) string {
	t.Helper()
	var list string
	row := s.DB.Pool().QueryRowContext(t.Context(),
		`SELECT '["' || min(id) || '","' || max(id) || '"]' FROM environment`)
	if err := row.Scan(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestRefusedChanges: everything that a change can get wrong, by name.
func TestRefusedChanges(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		for name, bad := range map[string]any{
			"the address":        m{"email": "other@acme.com"},
			"the external id":    m{"external_id": "hr-1"},
			"a password":         m{"password": "correct horse battery"},
			"null for a name":    m{"first_name": nil},
			"an empty name":      m{"last_name": ""},
			"null for is_active": m{"is_active": nil},
			"a word for it":      m{"is_active": "yes"},
			"a list":             []int{},
			"metadata as text":   m{"metadata": "a"},
		} {
			if a := c.Do("PATCH", in+"/identities/"+id, bad); a.Code() != "validation" {
				t.Errorf("%s: %d %s", name, a.Status, a.Raw)
			}
		}
		for name, bad := range map[string]any{
			"no ids": m{"identity_ids": []string{}}, "too many": m{"identity_ids": make([]string, 201)},
			"a number": m{"identity_ids": []int{7}}, "nothing": m{},
		} {
			if a := c.Do("POST", in+"/memberships/bulk-attach", bad); a.Code() != "validation" {
				t.Errorf("attach %s: %d %s", name, a.Status, a.Raw)
			}
		}
		for name, bad := range map[string]string{
			"a sort that there is not": "?sort_by=external_id", "a status": "?status=on", "an order": "?order=up",
			"a page": "?page=0", "a role": "/with-roles?role_id=x",
		} {
			path, query, _ := strings.Cut(bad, "?")
			if a := c.Do("GET", in+"/identities"+path+"?"+query, nil); a.Code() != "validation" {
				t.Errorf("%s: %d %s", name, a.Status, a.Raw)
			}
		}
	})
}

// with1 is a body with one more field.
func with1(body m, field string, v any) m {
	body[field] = v
	return body
}

// TestRolesOnCreate: a role along the way takes a right of its own, and has to fit.
func TestRolesOnCreate(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		root := c.Tree(in)
		role := func(name string) string { return c.Must(201, "POST", in+"/roles", m{"name": name}).Text("data", "id") }
		reader, off := role("Reader"), role("Off")
		c.Must(200, "PATCH", in+"/roles/"+off, m{"is_active": false})
		system := c.Must(200, "GET", in+"/roles?type=system", nil).Text("items", "0", "id")
		there := created(c, in, "there@acme.com")
		body := func(email, role, node string) m {
			b := person(email)
			b["role_id"], b["node_id"] = role, node
			return b
		}
		rows := []struct {
			what string
			row  m
			want string
		}{
			{"an unknown node", body("a@acme.com", reader, servertest.NoID), "nodes.node_not_found"},
			{"no id for a node", body("b@acme.com", reader, "north"), "nodes.node_not_found"},
			{"an unknown role", body("c@acme.com", servertest.NoID, root), "rbac.role_not_found"},
			{"the system role", body("d@acme.com", system, root), "rbac.role_system_not_assignable"},
			{"an inactive role", body("e@acme.com", off, root), "rbac.role_inactive"},
			{"a taken address and an unknown node", body("there@acme.com", reader, servertest.NoID), "nodes.node_not_found"},
			{"a taken address", body("there@acme.com", reader, root), "identities.email_taken"},
			{"a role without a node", with1(person("f@acme.com"), "role_id", reader), "validation"},
			{"a node without a role", with1(person("f@acme.com"), "node_id", root), "validation"},
			{"what fits", body("g@acme.com", reader, root), ""},
		}
		var all []m
		for _, r := range rows[:len(rows)-1] {
			if a := c.Do("POST", in+"/identities", r.row); a.Code() != r.want {
				t.Errorf("%s: %s, want %s", r.what, a.Raw, r.want)
			}
		}
		for _, r := range rows {
			all = append(all, r.row)
		}
		scoped := c.Key(in, "identity.manage")
		refused := with(s, scoped, "POST", "/identities/bulk-create", m{"identities": all})

		for i, r := range rows {
			want := "auth.permission_denied"
			if r.want == "validation" {
				want = r.want
			}
			if got := refused.Text("results", strconv.Itoa(i), "error", "code"); got != want {
				t.Errorf("%s, without the right: %s", r.what, got)
			}
		}
		if a := with(s, scoped, "POST", "/identities", rows[len(rows)-1].row); a.Code() != "auth.permission_denied" {
			t.Error(a.Raw)
		}
		bulk := c.Must(207, "POST", in+"/identities/bulk-create", m{"identities": all})
		for i, r := range rows {
			if got := bulk.Text("results", strconv.Itoa(i), "error", "code"); got != r.want {
				t.Errorf("%s, in a batch: %s", r.what, got)
			}
		}
		list := c.Must(200, "GET", in+"/identities/with-roles?sort_by=email&role_id="+reader, nil)
		if list.At("pagination", "item_count") != 1. || list.Text("items", "0", "email") != "g@acme.com" ||
			list.Text("items", "0", "roles", "0", "name") != "Reader" {
			t.Error(list.Raw)
		}
		none := c.Must(200, "GET", in+"/identities/with-roles?role_id=no_assignment", nil)
		if none.At("pagination", "item_count") != 1. || none.Text("items", "0", "id") != there {
			t.Error(none.Raw)
		}
		sum := c.Must(200, "GET", in+"/identities/summary", nil)
		if sum.At("data", "assigned_count") != 1. || sum.At("data", "unassigned_count") != 1. {
			t.Error(sum.Raw)
		}
		left := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity`)
		if left != 2 {
			t.Errorf("%d identities are left", left)
		}
	})
}

// TestSessions: an administrator sees and ends those of the Environment, or all.
func TestSessions(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id, other := created(c, in, "dana@acme.com"), created(c, in, "other@acme.com")
		c.Must(200, "POST", account+production+"/memberships/bulk-attach", m{"identity_ids": []string{id}})
		first, second := signedIn(t, s, id, "development"), signedIn(t, s, id, "development")
		elsewhere, others := signedIn(t, s, id, "production"), signedIn(t, s, other, "development")
		path := in + "/identities/" + id + "/sessions"
		list := c.Must(200, "GET", path, nil)
		if list.Text("items", "0", "id") != second || list.Text("items", "1", "id") != first ||
			list.At("items", "2") != nil || list.Text("items", "0", "ip_address") != "203.0.113.7" {
			t.Error(list.Raw)
		}
		for what, session := range map[string]string{
			"another Environment's": elsewhere, "somebody else's": others, "unknown": servertest.NoID, "no id": "x",
		} {
			if a := c.Do("DELETE", path+"/"+session, nil); a.Code() != "auth.session_not_found" {
				t.Errorf("%s: %s", what, a.Raw)
			}
		}
		_ = events(t, s, id)
		c.Must(204, "DELETE", path+"/"+first, nil)
		if got := events(t, s, id); got != `identity.session.revoked E {"session_id":"`+first+`"}` {
			t.Error(got)
		}
		if a := c.Do("DELETE", path+"/"+first, nil); a.Code() != "auth.session_not_found" {
			t.Error("a second time:", a.Raw)
		}
		c.Must(204, "POST", path+"/revoke", nil)
		told := `{"revoked_count":2,"reason":"admin_request"}`
		want := "identity.sessions.admin_revoked E {\"revoked_count\":2}\nsession.all_revoked A " + told +
			"\nsession.all_revoked E " + told + "\nsession.all_revoked E " + told
		if diff := cmp.Diff(want, events(t, s, id)); diff != "" {
			t.Error(diff)
		}
		c.Must(204, "POST", path+"/revoke", nil)
		if got := events(t, s, id); got != "" {
			t.Error("there was none:", got)
		}
		key := c.Key(in, "identity.view")
		s.Clock.Advance(48 * time.Hour)
		if list := with(s, key, "GET", "/identities/"+other+"/sessions", nil); list.Status != 200 ||
			list.At("items", "0") != nil {
			t.Error("it is too old:", list.Raw)
		}
	})
}

// TestKeysSeeTheirEnvironment: for a key somebody who is a member elsewhere only is nobody, on
// every route, byte for byte.
func TestKeysSeeTheirEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		key, elsewhere := c.Key(account+development), created(c, account+production, "dana@acme.com")
		signedIn(t, s, elsewhere, "production")
		_ = events(t, s, elsewhere)
		walked := 0
		for _, op := range s.Router.Operations() {
			path, public := strings.CutPrefix(op.Path, "/api/v1")
			if !public || !strings.HasPrefix(path, "/identities/{id}") {
				continue
			}
			walked++
			ask := func(id string) servertest.Answer {
				var body any
				switch {
				case strings.HasSuffix(path, "/password"):
					body = m{"password": "correct horse battery"}
				case op.Method == http.MethodPatch:
					body = m{"is_active": false}
				}
				a := with(s, key, op.Method, strings.NewReplacer("{id}", id, "{sessionId}", id).Replace(path), body)
				if e, is := a.At("error").(m); is {
					delete(e, "timestamp")
					delete(e, "path")
				}
				return a
			}
			unknown, foreign := ask(servertest.NoID), ask(elsewhere)
			if foreign.Status != 404 || foreign.Code() != "identities.not_found" || !cmp.Equal(unknown.Body, foreign.Body) {
				t.Errorf("%s %s: %s", op.Method, path, foreign.Raw)
			}
		}
		if walked < 16 {
			t.Errorf("only %d routes were walked", walked)
		}
		if got := events(t, s, elsewhere); got != "" {
			t.Error(got)
		}
	})
}
