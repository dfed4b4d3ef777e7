package accessapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

var ofPreviews = map[string]servertest.Provocation{
	"access.preview_outdated": func(_ *testing.T, p provoker) answer {
		w := newPreviewed(p)
		body := m{"change": m{"kind": "role.delete", "role_id": w.reader}, "limit": 1}
		body["cursor"] = w.Must(200, "POST", w.at+"/access-preview", body).Text("pagination", "next_cursor")
		w.Must(200, "POST", w.at+"/access-preview", body)
		w.Role(w.at, "Another")
		return w.Do("POST", w.at+"/access-preview", body)
	},
}

// newPreviewed is a staffed tree, whose reader may read, with ben who reads at the office, and
// a second region.
type previewed struct {
	staffed
	ben, south string
}

func newPreviewed(p provoker) previewed {
	w := previewed{staffed: newStaffed(p)}
	w.Must(201, "POST", w.at+"/permissions", permissions("lease.read", "lease.sign"))
	w.Must(200, "PUT", w.at+"/roles/"+w.reader+"/permissions", m{"permission_keys": []string{"lease.read"}})
	w.ben, w.south = w.Person(w.at, "ben"), w.Node(w.at, w.root, "region", "South")
	w.Assign(w.at, w.ben, w.office, w.reader)
	return w
}

func (w previewed) ask(change m) answer {
	return w.Must(200, "POST", w.at+"/access-preview", m{"change": change})
}

// says is an answer in short: problems, summary, and who gains and loses what where.
func says(a answer) (list []string) {
	for _, one := range a.At("problems").([]any) {
		p := one.(m)
		about := "null"
		if p["id"] != nil {
			about = p["id"].(string)
		}
		list = append(list, p["code"].(string)+" "+about)
	}
	for _, one := range a.At("items").([]any) {
		item := one.(m)
		for _, sign := range []string{"gains", "losses"} {
			for _, area := range item[sign].([]any) {
				of := area.(m)
				list = append(list, strings.Join([]string{
					item["identity"].(m)["name"].(string), sign, of["permission"].(string), of["node"].(m)["name"].(string),
				}, " "))
			}
		}
	}
	return list
}

// TestPreviews: one call of each kind, as it is answered; nothing is written by any.
func TestPreviews(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPreviewed(s.Provoker())
		before := w.state(t)
		permission := w.Must(200, "GET", w.at+"/permissions?source=custom", nil).Text("items", "0", "id")
		ann, ben := "ann Doe losses lease.read North", "ben Doe losses lease.read Office"
		for _, c := range []struct {
			change m
			counts []int // gaining, losing, nodes, assignments, invites
			want   []string
		}{
			{
				m{"kind": "node.move", "node_ids": []string{w.office}, "parent_node_id": w.south},
				[]int{0, 1, 1, 0, 0},
				[]string{"ann Doe losses lease.read Office"},
			},
			{m{"kind": "node.status", "node_ids": []string{w.north}, "status": "inactive"}, []int{0, 2, 2, 0, 0}, []string{ann, ben}},
			{m{"kind": "node.status", "node_ids": []string{w.north}, "status": "active"}, []int{0, 0, 0, 0, 0}, nil},
			{m{"kind": "node.delete", "node_ids": []string{w.north}}, []int{0, 2, 2, 2, 0}, []string{ann, ben}},
			{m{"kind": "role.status", "role_id": w.reader, "is_active": false}, []int{0, 2, 0, 0, 0}, []string{ann, ben}},
			{
				m{"kind": "role.permissions", "role_id": w.reader, "permission_keys": []string{"lease.sign"}},
				[]int{2, 2, 0, 0, 0},
				[]string{"ann Doe gains lease.sign North", ann, "ben Doe gains lease.sign Office", ben},
			},
			{m{"kind": "role.permissions", "role_id": w.reader, "permission_keys": []string{}}, []int{0, 2, 0, 0, 0}, []string{ann, ben}},
			{m{"kind": "role.delete", "role_id": w.reader}, []int{0, 2, 0, 2, 0}, []string{ann, ben}},
			{m{"kind": "permission.delete", "permission_id": permission}, []int{0, 2, 0, 0, 0}, []string{ann, ben}},
			{
				m{"kind": "assignment.create", "assignments": []m{{"identity_id": w.ben, "node_id": w.root, "role_id": w.reader}}},
				[]int{1, 0, 0, 0, 0},
				[]string{"ben Doe gains lease.read " + w.Must(200, "GET", w.at+"/nodes/"+w.root, nil).Text("data", "name")},
			},
			{m{"kind": "assignment.change", "assignment_ids": []string{w.id}, "role_id": w.writer}, []int{0, 1, 0, 0, 0}, []string{ann}},
			{
				m{"kind": "assignment.change", "assignment_ids": []string{w.id}, "effective_to": "2001-01-01T00:00:00Z"},
				[]int{0, 1, 0, 0, 0},
				[]string{ann},
			},
			{
				m{
					"kind": "assignment.change", "assignment_ids": []string{w.id}, "role_id": w.reader,
					"effective_from": "2999-01-01T00:00:00Z", "effective_to": nil,
				},
				[]int{0, 1, 0, 0, 0},
				[]string{ann},
			},
			{m{"kind": "assignment.remove", "assignment_ids": []string{w.id, w.id}}, []int{0, 1, 0, 1, 0}, []string{ann}},
			{m{"kind": "identity.deactivate", "identity_ids": []string{w.ann}}, []int{0, 1, 0, 0, 0}, []string{ann}},
			{m{"kind": "identity.remove", "identity_ids": []string{w.ann, w.ben}}, []int{0, 2, 0, 2, 0}, []string{ann, ben}},
			{m{"kind": "environment.promote", "source": "production"}, []int{0, 2, 3, 2, 0}, []string{ann, ben}},
			{
				m{"kind": "environment.promote", "source": "production", "parts": []string{"permissions"}},
				[]int{0, 2, 0, 0, 0},
				[]string{ann, ben},
			},
		} {
			a := w.ask(c.change)
			if diff := cmp.Diff(c.want, says(a)); diff != "" {
				t.Errorf("%v (-want +told):\n%s", c.change, diff)
			}
			counts := []int{}
			for _, name := range []string{"gaining", "losing", "nodes", "assignments_removed", "invites_revoked"} {
				counts = append(counts, number(a, "summary", name))
			}
			if diff := cmp.Diff(c.counts, counts); diff != "" || !is(a, "allowed") || !is(a, "summary", "complete") {
				t.Errorf("%v: %s\n%s", c.change, a.Raw, diff)
			}
			if a.Text("revision") != a.Header.Get("Canopy-Revision") || a.At("pagination", "next_cursor") != nil {
				t.Errorf("%v: %s at %s", c.change, a.Raw, a.Header.Get("Canopy-Revision"))
			}
		}
		w.held(t, before)

		// Everything below the root moves there, save what lay in what is switched off.
		a := w.ask(m{"kind": "environment.revert_to_flat"})
		if number(a, "summary", "gaining") != 2 || number(a, "summary", "nodes") != 3 {
			t.Errorf("revert: %s", a.Raw)
		}
		w.held(t, before)
	})
}

// TestPreviewsTellWhatIsRefused: by the codes of the real call, each with what it is about.
func TestPreviewsTellWhatIsRefused(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPreviewed(s.Provoker())
		held := w.Assign(w.at, w.ann, w.north, w.writer)
		w.Must(200, "PATCH", w.at+"/roles/"+w.writer, m{"is_active": false})
		deep, same := w.north, w.Node(w.at, w.south, "region", "North")
		for range 3 {
			deep = w.Node(w.at, deep, "region", "Deep")
		}
		system := w.Must(200, "GET", w.at+"/permissions?source=system", nil).Text("items", "0", "id")
		apart := w.Node(w.at, w.root, "region", "Customers")
		given := w.Assign(w.at, w.ann, apart, w.reader)
		s.Provoker().Execute(`UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, apart)
		no := servertest.NoID
		draft := func(identity, node, role string) m {
			return m{"kind": "assignment.create", "assignments": []m{{"identity_id": identity, "node_id": node, "role_id": role}}}
		}
		before := w.state(t)
		for _, c := range []struct {
			change m
			want   []string
		}{
			{m{"kind": "node.move", "node_ids": []string{w.north, "x"}, "parent_node_id": w.office}, []string{"nodes.cycle " + w.north, "nodes.node_not_found x"}},
			{m{"kind": "node.move", "node_ids": []string{w.north, w.south}, "parent_node_id": no}, []string{"nodes.node_not_found " + no}},
			{m{"kind": "node.move", "node_ids": []string{w.root}, "parent_node_id": w.north}, []string{"nodes.root_protected " + w.root}},
			{m{"kind": "node.move", "node_ids": []string{w.office}, "parent_node_id": w.root}, []string{"nodes.invalid_parent " + w.office}},
			{m{"kind": "node.move", "node_ids": []string{w.south}, "parent_node_id": deep}, []string{"nodes.max_depth_exceeded " + w.south}},
			{m{"kind": "node.move", "node_ids": []string{same}, "parent_node_id": w.root}, []string{"nodes.slug_taken " + same}},
			{m{"kind": "node.move", "node_ids": []string{apart}, "parent_node_id": w.south}, []string{"nodes.reserved_type " + apart}},
			{m{"kind": "node.status", "node_ids": []string{w.root, apart}, "status": "inactive"}, []string{"nodes.root_protected " + w.root, "nodes.reserved_type " + apart}},
			{m{"kind": "node.delete", "node_ids": []string{w.root, apart, no}}, []string{"nodes.root_protected " + w.root, "nodes.reserved_type " + apart, "nodes.node_not_found " + no}},
			{m{"kind": "role.status", "role_id": no, "is_active": false}, []string{"rbac.role_not_found " + no}},
			{m{"kind": "role.status", "role_id": w.system, "is_active": false}, []string{"rbac.role_system_protected " + w.system}},
			{m{"kind": "role.permissions", "role_id": w.reader, "permission_keys": []string{"no.one", "no.two"}}, []string{"permissions.not_found no.one", "permissions.not_found no.two"}},
			{m{"kind": "role.permissions", "role_id": w.reader, "permission_keys": []string{"audit.view"}}, []string{"permissions.system_not_grantable audit.view"}},
			{m{"kind": "role.permissions", "role_id": w.system, "permission_keys": []string{}}, []string{"rbac.role_system_protected " + w.system}},
			{m{"kind": "role.delete", "role_id": w.system}, []string{"rbac.role_system_protected " + w.system}},
			{m{"kind": "permission.delete", "permission_id": no}, []string{"permissions.not_found " + no}},
			{m{"kind": "permission.delete", "permission_id": system}, []string{"permissions.system_protected " + system}},
			{draft("x", w.north, w.reader), []string{"identities.not_found x"}},
			{draft(w.ann, no, w.reader), []string{"nodes.node_not_found " + no}},
			{draft(w.ann, w.north, no), []string{"rbac.role_not_found " + no}},
			{draft(w.ann, apart, w.reader), []string{"nodes.reserved_type " + apart}},
			{draft(w.ann, w.root, w.writer), []string{"rbac.role_inactive " + w.writer}},
			{draft(w.ann, w.root, w.system), []string{"rbac.role_system_not_assignable " + w.system}},
			{draft(w.ann, w.north, w.reader), []string{"rbac.assignment_conflict " + w.id}},
			{m{"kind": "assignment.remove", "assignment_ids": []string{"x", w.id, no}}, []string{"rbac.assignment_not_found x", "rbac.assignment_not_found " + no}},
			{m{"kind": "assignment.remove", "assignment_ids": []string{given, w.id}}, []string{"nodes.reserved_type " + given}},
			{m{"kind": "assignment.change", "assignment_ids": []string{held, w.id}, "role_id": w.reader}, []string{"rbac.assignment_conflict " + held}},
			{m{"kind": "assignment.change", "assignment_ids": []string{held}, "role_id": w.reader, "effective_to": nil}, []string{"rbac.assignment_conflict " + held}},
			{m{"kind": "assignment.change", "assignment_ids": []string{w.id}, "role_id": w.writer}, []string{"rbac.role_inactive " + w.writer}},
			{m{"kind": "assignment.change", "assignment_ids": []string{no, w.id}, "role_id": w.system, "effective_to": nil}, []string{"rbac.assignment_not_found " + no, "rbac.role_system_not_assignable " + w.system}},
			{m{"kind": "identity.deactivate", "identity_ids": []string{"x"}}, []string{"identities.not_found x"}},
			{m{"kind": "identity.remove", "identity_ids": []string{no}}, []string{"identities.not_found " + no}},
			{m{"kind": "environment.promote", "source": "nowhere"}, []string{"environments.not_in_application null"}},
			{m{"kind": "environment.promote", "source": "development"}, []string{"environments.not_in_application null"}},
		} {
			a := w.ask(c.change)
			told := slices.DeleteFunc(says(a), func(s string) bool { return strings.Contains(s, " Doe ") })
			if diff := cmp.Diff(c.want, told); diff != "" || is(a, "allowed") {
				t.Errorf("%v: %s\n%s", c.change, a.Raw, diff)
			}
		}
		w.held(t, before)
		flat := strings.Replace(w.at, "/development", "/production", 1)
		a := w.Must(200, "POST", flat+"/access-preview", m{"change": m{"kind": "environment.revert_to_flat"}})
		if diff := cmp.Diff([]string{"environments.already_flat null"}, says(a)); diff != "" {
			t.Error(diff)
		}
		// A role that is to come holds a permission that the target lacks.
		w.Must(201, "POST", flat+"/permissions", permissions("lease.void"))
		role := w.Role(flat, "Voider")
		w.Must(200, "PUT", flat+"/roles/"+role+"/permissions", m{"permission_keys": []string{"lease.void"}})
		a = w.ask(m{"kind": "environment.promote", "source": "production", "parts": []string{"roles"}})
		want := `The dump contradicts itself, or does not fit the Environment: roles: "Voider" names the unknown permission lease.void`
		if a.At("problems", "0", "message") != want {
			t.Errorf("a role without its permission: %s", a.Raw)
		}
	})
}

// TestBadPreviews: what is no change at all, and cursors of other questions.
func TestBadPreviews(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPreviewed(s.Provoker())
		some := []string{w.north}
		remove := m{"kind": "role.delete", "role_id": w.reader}
		first := w.Must(200, "POST", w.at+"/access-preview", m{"change": remove, "limit": 1}).Text("pagination", "next_cursor")
		for _, c := range []struct {
			body m
			want string
		}{
			{m{}, "change.kind must be one of"},
			{m{"change": m{"kind": "node.rename"}}, "change.kind must be one of"},
			{m{"change": m{"kind": "node.move", "node_ids": some}}, "change.parent_node_id is needed with the kind node.move"},
			{m{"change": m{"kind": "node.delete", "node_ids": some, "status": "active"}}, "change.status must be absent with the kind node.delete"},
			{m{"change": m{"kind": "node.delete", "node_ids": []string{}}}, "change.node_ids must hold 1 to 100 ids"},
			{m{"change": m{"kind": "node.delete", "node_ids": slices.Repeat(some, 101)}}, "change.node_ids must hold 1 to 100 ids"},
			{m{"change": m{"kind": "node.delete", "node_ids": []string{strings.Repeat("a", 256)}}}, "change.node_ids must hold ids of at most 255 characters"},
			{m{"change": m{"kind": "node.status", "node_ids": some, "status": "off"}}, "change.status must be active or inactive"},
			{m{"change": m{"kind": "role.delete"}}, "change.role_id is needed with the kind role.delete"},
			{m{"change": m{"kind": "role.permissions", "role_id": w.reader}}, "change.permission_keys is needed with the kind role.permissions"},
			{m{"change": m{"kind": "assignment.create", "assignments": []m{}}}, "change.assignments must hold 1 to 1000 rows"},
			{m{"change": m{"kind": "assignment.change", "assignment_ids": some}}, "change.role_id or an end of the window must be given"},
			{m{"change": m{"kind": "assignment.change", "assignment_ids": some, "effective_from": "2030-01-01T00:00:00Z", "effective_to": "2029-01-01T00:00:00Z"}}, "change.effective_to must be after effective_from"},
			{m{"change": m{"kind": "environment.promote"}}, "change.source is needed with the kind environment.promote"},
			{m{"change": m{"kind": "environment.promote", "source": "production", "parts": []string{"people"}}}, "change.parts must be some of"},
			{m{"change": m{"kind": "environment.revert_to_flat", "source": "production"}}, "change.source must be absent"},
			{m{"change": remove, "limit": 0}, "limit must be 1 to 200"},
			{m{"change": remove, "limit": 201}, "limit must be 1 to 200"},
			{m{"change": remove, "cursor": "x"}, "cursor must be the next_cursor of a page"},
			{m{"change": remove, "cursor": "?" + first[1:]}, "cursor must be the next_cursor of a page"},
			{m{"change": m{"kind": "role.delete", "role_id": w.writer}, "cursor": first}, "cursor belongs to another question"},
		} {
			a := w.Do("POST", w.at+"/access-preview", c.body)
			details, _ := a.At("error", "details").([]any)
			named := slices.ContainsFunc(details, func(d any) bool { return strings.HasPrefix(d.(string), c.want) })
			if a.Status != 400 || a.Code() != "validation" || !named {
				t.Errorf("%v: %d %s, want %q", c.body, a.Status, a.Raw, c.want)
			}
		}
		w.Must(200, "POST", w.at+"/access-preview", m{"change": remove, "cursor": nil})
		second := w.Must(200, "POST", w.at+"/access-preview", m{"change": remove, "cursor": first, "limit": 2})
		if diff := cmp.Diff([]string{"ben Doe losses lease.read Office"}, says(second)); diff != "" || second.At("summary") != nil {
			t.Errorf("the second page: %s\n%s", second.Raw, diff)
		}
		elsewhere := strings.Replace(w.at, "/development", "/production", 1)
		a := w.Do("POST", elsewhere+"/access-preview", m{"change": remove, "cursor": first})
		if a.Status != 400 {
			t.Errorf("the cursor of another Environment: %d %s", a.Status, a.Raw)
		}
	})
}

// TestPreviewLimit: each user has so many a minute.
func TestPreviewLimit(t *testing.T) {
	t.Parallel()
	limited := func(s *config.Settings) { s.RateLimits = "access_preview=2/1m" }
	servertest.Each(t, limited, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		w := newPreviewed(p)
		change := m{"change": m{"kind": "role.delete", "role_id": w.reader}}
		for range 2 {
			w.Must(200, "POST", w.at+"/access-preview", change)
		}
		if a := w.Do("POST", w.at+"/access-preview", change); a.Status != 429 || a.Header.Get("Retry-After") == "" {
			t.Errorf("the third: %d %s", a.Status, a.Raw)
		}
		account := strings.TrimSuffix(w.at, inDevelopment)
		colleague, _, _ := p.Colleague(w.Client, account)
		colleague.Must(200, "POST", w.at+"/access-preview", change)
		key := s.Client().Do("POST", w.at+"/access-preview", change, "X-API-Key", w.Key(w.at))
		if key.Status != 403 {
			t.Errorf("by a key: %d %s", key.Status, key.Raw)
		}
	})
}
