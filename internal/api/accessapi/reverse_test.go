package accessapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

const (
	accessibleNodes = "/permissions/accessible-nodes"
	whoCan          = "/permissions/who-can"
)

// newReading is newStaffed where the role Reader, which ann has at North, holds lease.read.
func newReading(p provoker) staffed {
	w := newStaffed(p)
	w.Must(201, "POST", w.at+"/permissions", permissions("lease.read"))
	w.Must(200, "PUT", w.at+"/roles/"+w.reader+"/permissions", m{"permission_keys": []string{"lease.read"}})
	return w
}

// where asks where ann may read.
func (w staffed) where(more ...any) m {
	return with(m{"identity_id": w.ann, "permission": "lease.read"}, more...)
}

// who asks who may read in the office.
func (w staffed) who(more ...any) m {
	return with(m{"permission": "lease.read", "node_id": w.office}, more...)
}

// TestAccessibleNodes: the roots on every page, the nodes in their order, and why there are
// none.
func TestAccessibleNodes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		first := w.Must(200, "POST", w.at+accessibleNodes, w.where("limit", 1))
		next := first.At("pagination", "next_cursor")
		second := w.Must(200, "POST", w.at+accessibleNodes, w.where("cursor", next, "limit", nil))
		got := []any{first.At("items"), first.At("roots"), second.At("items"), second.At("roots")}
		want := []any{[]any{w.north}, []any{w.north}, []any{w.office}, []any{w.north}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if first.At("denial_reason") != nil || second.At("pagination", "next_cursor") != nil {
			t.Errorf("%s %s", first.Raw, second.Raw)
		}
		if first.Header.Get("Canopy-Revision") == "" {
			t.Error("no revision is told")
		}
		for _, c := range []struct{ identity, permission, reason string }{
			{"nobody", "lease.read", "identity_not_found"},
			{w.ann, "lease.none", "permission_unknown"},
			{w.ann, "audit.view", "permission_not_granted"},
		} {
			a := w.Must(200, "POST", w.at+accessibleNodes, m{"identity_id": c.identity, "permission": c.permission})
			none := m{
				"items": []any{}, "roots": []any{}, "denial_reason": c.reason, "pagination": m{"next_cursor": nil},
			}
			if diff := cmp.Diff(any(none), a.At()); diff != "" {
				t.Error(diff)
			}
		}
	})
}

// TestWhoCan: with their names, and everything that grants it, the root's first.
func TestWhoCan(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		second := w.Must(201, "POST", w.at+"/assignments", with(w.giving(w.root, w.reader),
			"effective_from", "2020-01-01T00:00:00.000Z", "effective_to", "2099-01-01T00:00:00.000Z")).Text("data", "id")
		ben := w.Person(w.at, "ben")
		w.Must(201, "POST", w.at+"/assignments", m{"identity_id": ben, "node_id": w.office, "role_id": w.writer})
		cat := w.Person(w.at, "cat")
		w.Assign(w.at, cat, w.office, w.reader)
		one := w.Must(200, "POST", w.at+whoCan, w.who("limit", 1))
		ann := w.Must(200, "GET", w.at+"/identities/"+w.ann, nil)
		want := m{
			"identity": m{
				"id": w.ann, "first_name": ann.At("data", "first_name"), "last_name": ann.At("data", "last_name"),
				"name":  ann.Text("data", "first_name") + " " + ann.Text("data", "last_name"),
				"email": ann.At("data", "email"), "avatar_url": nil,
			},
			"via": []any{
				m{
					"assignment_id": second, "role_id": w.reader, "role_name": "Reader", "node_id": w.root,
					"effective_from": "2020-01-01T00:00:00.000Z", "effective_to": "2099-01-01T00:00:00.000Z",
				},
				m{
					"assignment_id": w.id, "role_id": w.reader, "role_name": "Reader", "node_id": w.north,
					"effective_from": nil, "effective_to": nil,
				},
			},
		}
		if diff := cmp.Diff([]any{want}, one.At("items")); diff != "" {
			t.Error(diff)
		}
		rest := w.Must(200, "POST", w.at+whoCan, w.who("cursor", one.At("pagination", "next_cursor")))
		if rest.Text("items", "0", "identity", "id") != cat || rest.At("items", "1") != nil ||
			rest.At("pagination", "next_cursor") != nil || rest.At("denial_reason") != nil {
			t.Error(rest.Raw)
		}
		w.Must(200, "PATCH", w.at+"/identities/"+w.ann, m{"first_name": "Anna"})
		if a := w.Must(200, "POST", w.at+whoCan, w.who()); a.Text("items", "0", "identity", "first_name") != "Anna" {
			t.Error(a.Raw)
		}
		w.Must(200, "PATCH", w.at+"/nodes/"+w.north, m{"status": "inactive"})
		for reason, body := range map[string]m{
			"node_not_found": w.who("node_id", "nowhere"), "node_inactive": w.who(),
			"permission_unknown": w.who("node_id", w.root, "permission", "lease.none"),
		} {
			a := w.Must(200, "POST", w.at+whoCan, body)
			none := m{"items": []any{}, "denial_reason": reason, "pagination": m{"next_cursor": nil}}
			if diff := cmp.Diff(any(none), a.At()); diff != "" {
				t.Error(diff)
			}
		}
		nobody := w.Must(200, "POST", w.at+whoCan, w.who("node_id", w.root, "permission", "audit.view"))
		if nobody.At("denial_reason") != nil || len(nobody.At("items").([]any)) > 0 {
			t.Error(nobody.Raw)
		}
	})
}

// TestCursorsAreOfTheirQuestion: another question's, another Environment's, another list's and
// what is none are refused by name.
func TestCursorsAreOfTheirQuestion(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		ben := w.Person(w.at, "ben")
		w.Assign(w.at, ben, w.north, w.reader)
		nodes := w.Must(200, "POST", w.at+accessibleNodes, w.where("limit", 1)).Text("pagination", "next_cursor")
		people := w.Must(200, "POST", w.at+whoCan, w.who("limit", 1)).Text("pagination", "next_cursor")
		production := strings.Replace(w.at, "development", "production", 1)
		for what, c := range map[string]struct {
			at, path string
			body     m
		}{
			"another identity":    {w.at, accessibleNodes, w.where("cursor", nodes, "identity_id", ben)},
			"another permission":  {w.at, accessibleNodes, w.where("cursor", nodes, "permission", "audit.view")},
			"of people":           {w.at, accessibleNodes, w.where("cursor", people)},
			"another Environment": {production, accessibleNodes, w.where("cursor", nodes)},
			"empty":               {w.at, accessibleNodes, w.where("cursor", "")},
			"made up":             {w.at, accessibleNodes, w.where("cursor", "x")},
			"too long":            {w.at, accessibleNodes, w.where("cursor", strings.Repeat("A", 5000))},
			"another node":        {w.at, whoCan, w.who("cursor", people, "node_id", w.north)},
			"of nodes":            {w.at, whoCan, w.who("cursor", nodes)},
			"people elsewhere":    {production, whoCan, w.who("cursor", people)},
		} {
			a := w.Do("POST", c.at+c.path, c.body)
			want := []any{"cursor must be the next_cursor of an answer to the same question"}
			if diff := cmp.Diff(want, a.At("error", "details")); a.Status != 400 || a.Code() != "validation" || diff != "" {
				t.Errorf("%s: %d %s", what, a.Status, a.Raw)
			}
		}
		for _, limit := range []any{0, -1, 1001, "5", 1.5} {
			a := w.Do("POST", w.at+accessibleNodes, w.where("limit", limit))
			told, _ := a.At("error", "details", "0").(string)
			if a.Status != 400 || !strings.HasPrefix(told, "limit must be ") {
				t.Errorf("limit %v: %d %s", limit, a.Status, a.Raw)
			}
		}
	})
}

// TestWhoCanShowsPeople, so that it needs the right to look at them; no reverse question
// leaves a trace.
func TestWhoCanShowsPeople(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		asks, both := w.Key(w.at, "permissions.evaluate"), w.Key(w.at, "permissions.evaluate", "identity.view")
		rows := func() int { return dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event`) }
		before := rows()
		for _, c := range []struct {
			key, path string
			body      m
			status    int
		}{
			{asks, accessibleNodes, w.where(), 200}, {both, whoCan, w.who(), 200}, {asks, whoCan, w.who(), 403},
		} {
			a := s.Client().Do("POST", "/api/v1"+c.path, c.body, "X-API-Key", c.key)
			if a.Status != c.status || c.status == 403 && a.Code() != "auth.permission_denied" {
				t.Errorf("%s: %d %s", c.path, a.Status, a.Raw)
			}
			if c.status == 200 && rows() != before {
				t.Errorf("%s leaves %d events", c.path, rows()-before)
			}
		}
	})
}
