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
		body := m{"change": change("role.delete", "role_id", w.reader), "limit": 1}
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

func (w previewed) ask(what m) answer {
	return w.Must(200, "POST", w.at+"/access-preview", m{"change": what})
}

// change is one of a kind.
func change(kind string, fields ...any) m { return with(m{"kind": kind}, fields...) }

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

// seen is a change with what is told of it.
type seen struct {
	change m
	counts []int // gaining, losing, nodes, assignments, invites
	want   []string
}

// changes are one or more of each kind, whose real calls would do something.
func (w previewed) changes() []seen {
	permission := w.Must(200, "GET", w.at+"/permissions?source=custom", nil).Text("items", "0", "id")
	ann, ben := "ann Doe losses lease.read North", "ben Doe losses lease.read Office"
	return []seen{
		{
			change("node.move", "node_ids", []string{w.office}, "parent_node_id", w.south),
			[]int{0, 1, 1, 0, 0},
			[]string{"ann Doe losses lease.read Office"},
		},
		{
			change("node.status", "node_ids", []string{w.north}, "status", "inactive"),
			[]int{0, 2, 2, 0, 0},
			[]string{ann, ben},
		},
		{change("node.status", "node_ids", []string{w.north}, "status", "active"), []int{0, 0, 0, 0, 0}, nil},
		{change("node.delete", "node_ids", []string{w.north}), []int{0, 2, 2, 2, 0}, []string{ann, ben}},
		{change("role.status", "role_id", w.reader, "is_active", false), []int{0, 2, 0, 0, 0}, []string{ann, ben}},
		{
			change("role.permissions", "role_id", w.reader, "permission_keys", []string{"lease.sign"}),
			[]int{2, 2, 0, 0, 0},
			[]string{"ann Doe gains lease.sign North", ann, "ben Doe gains lease.sign Office", ben},
		},
		{
			change("role.permissions", "role_id", w.reader, "permission_keys", []string{}),
			[]int{0, 2, 0, 0, 0},
			[]string{ann, ben},
		},
		{change("role.delete", "role_id", w.reader), []int{0, 2, 0, 2, 0}, []string{ann, ben}},
		{change("permission.delete", "permission_id", permission), []int{0, 2, 0, 0, 0}, []string{ann, ben}},
		{
			change("assignment.create", "assignments", []m{with(w.giving(w.root, w.reader), "identity_id", w.ben)}),
			[]int{1, 0, 0, 0, 0},
			[]string{"ben Doe gains lease.read " + w.Must(200, "GET", w.at+"/nodes/"+w.root, nil).Text("data", "name")},
		},
		{
			change("assignment.change", "assignment_ids", []string{w.id}, "role_id", w.writer),
			[]int{0, 1, 0, 0, 0},
			[]string{ann},
		},
		{
			change("assignment.change", "assignment_ids", []string{w.id}, "effective_to", "2001-01-01T00:00:00Z"),
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
		{change("assignment.remove", "assignment_ids", []string{w.id, w.id}), []int{0, 1, 0, 1, 0}, []string{ann}},
		{change("identity.deactivate", "identity_ids", []string{w.ann}), []int{0, 1, 0, 0, 0}, []string{ann}},
		{
			change("identity.remove", "identity_ids", []string{w.ann, w.ben}),
			[]int{0, 2, 0, 2, 0},
			[]string{ann, ben},
		},
		{change("environment.promote", "source", "production"), []int{0, 2, 3, 2, 0}, []string{ann, ben}},
		{
			change("environment.promote", "source", "production", "parts", []string{"permissions"}),
			[]int{0, 2, 0, 0, 0},
			[]string{ann, ben},
		},
	}
}

// TestPreviews: one call of each kind, as it is answered; nothing is written by any.
func TestPreviews(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPreviewed(s.Provoker())
		before := w.state(t)
		for _, c := range w.changes() {
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
		a := w.ask(change("environment.revert_to_flat"))
		if number(a, "summary", "gaining") != 2 || number(a, "summary", "nodes") != 3 {
			t.Errorf("revert: %s", a.Raw)
		}
		w.held(t, before)
	})
}

// malformed is a body with the broken rule.
type malformed struct {
	body m
	want string
}

// bad are bodies that are no previews, and cursors that are none of a change.
func (w previewed) bad(remove m, first string) []malformed {
	some := []string{w.north}
	return []malformed{
		{m{}, "change.kind must be one of"},
		{m{"change": change("node.rename")}, "change.kind must be one of"},
		{
			m{"change": change("node.move", "node_ids", some)},
			"change.parent_node_id is needed with the kind node.move",
		},
		{
			m{"change": change("node.delete", "node_ids", some, "status", "active")},
			"change.status must be absent with the kind node.delete",
		},
		{m{"change": change("node.delete", "node_ids", []string{})}, "change.node_ids must hold 1 to 100 ids"},
		{
			m{"change": change("node.delete", "node_ids", slices.Repeat(some, 101))},
			"change.node_ids must hold 1 to 100 ids",
		},
		{
			m{"change": change("node.delete", "node_ids", []string{strings.Repeat("a", 256)})},
			"change.node_ids must hold ids of at most 255 characters",
		},
		{
			m{"change": change("node.status", "node_ids", some, "status", "off")},
			"change.status must be active or inactive",
		},
		{m{"change": change("role.delete")}, "change.role_id is needed with the kind role.delete"},
		{
			m{"change": change("role.permissions", "role_id", w.reader)},
			"change.permission_keys is needed with the kind role.permissions",
		},
		{
			m{"change": m{"kind": "assignment.create", "assignments": []m{}}},
			"change.assignments must hold 1 to 1000 rows",
		},
		{
			m{"change": change("assignment.change", "assignment_ids", some)},
			"change.role_id or an end of the window must be given",
		},
		{
			m{"change": change("assignment.change", "assignment_ids", some, "effective_from", "2030-01-01T00:00:00Z",
				"effective_to", "2029-01-01T00:00:00Z")},
			"change.effective_to must be after effective_from",
		},
		{m{"change": change("environment.promote")}, "change.source is needed with the kind environment.promote"},
		{
			m{"change": change("environment.promote", "source", "production", "parts", []string{"people"})},
			"change.parts must be some of",
		},
		{
			m{"change": change("environment.revert_to_flat", "source", "production")},
			"change.source must be absent",
		},
		{m{"change": remove, "limit": 0}, "limit must be 1 to 200"},
		{m{"change": remove, "limit": 201}, "limit must be 1 to 200"},
		{m{"change": remove, "cursor": "x"}, "cursor must be the next_cursor of a page"},
		{m{"change": remove, "cursor": "?" + first[1:]}, "cursor must be the next_cursor of a page"},
		{
			m{"change": change("role.delete", "role_id", w.writer), "cursor": first},
			"cursor belongs to another question",
		},
	}
}

// TestBadPreviews: what is no change at all, and cursors of other questions.
func TestBadPreviews(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPreviewed(s.Provoker())
		remove := change("role.delete", "role_id", w.reader)
		page := w.Must(200, "POST", w.at+"/access-preview", m{"change": remove, "limit": 1})
		first := page.Text("pagination", "next_cursor")
		for _, c := range w.bad(remove, first) {
			a := w.Do("POST", w.at+"/access-preview", c.body)
			details, _ := a.At("error", "details").([]any)
			named := slices.ContainsFunc(details, func(d any) bool { return strings.HasPrefix(d.(string), c.want) })
			if a.Status != 400 || a.Code() != "validation" || !named {
				t.Errorf("%v: %d %s, want %q", c.body, a.Status, a.Raw, c.want)
			}
		}
		w.Must(200, "POST", w.at+"/access-preview", m{"change": remove, "cursor": nil})
		second := w.Must(200, "POST", w.at+"/access-preview", m{"change": remove, "cursor": first, "limit": 2})
		diff := cmp.Diff([]string{"ben Doe losses lease.read Office"}, says(second))
		if diff != "" || second.At("summary") != nil {
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
		change := m{"change": change("role.delete", "role_id", w.reader)}
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
