package accessapi_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// staffed is a planted Environment where ann has the role Reader at North.
type staffed struct {
	*servertest.Client
	s                           *servertest.Server
	at, root, north, office     string
	ann, reader, writer, system string
	id                          string // of the assignment
}

func newStaffed(p provoker) staffed {
	w := staffed{s: p.Server}
	w.Client, w.at, w.root, w.north, w.office = planted(p)
	w.ann, w.reader, w.writer = w.Person(w.at, "ann"), w.Role(w.at, "Reader"), w.Role(w.at, "Writer")
	w.system = w.Must(200, "GET", w.at+"/roles?type=system", nil).Text("items", "0", "id")
	w.id = w.Assign(w.at, w.ann, w.north, w.reader)
	return w
}

// giving is the body that gives ann a role.
func (w staffed) giving(node, role string) m {
	return m{"identity_id": w.ann, "node_id": node, "role_id": role}
}

// with is a body with further members.
func with(body m, more ...any) m {
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return body
}

// held holds that nothing was written since.
func (w staffed) held(t *testing.T, before string) {
	t.Helper()
	if now := w.state(t); now != before {
		t.Errorf("it was %s and is %s", before, now)
	}
}

// state is what a refused call must not change: rows, events, revision.
func (w staffed) state(t *testing.T) string {
	t.Helper()
	return fmt.Sprint(dbtest.Number(t, w.s.DB, `SELECT count(*) FROM assignment`),
		dbtest.Number(t, w.s.DB, `SELECT COALESCE(sum(updated_at), 0) FROM assignment`),
		dbtest.Number(t, w.s.DB, `SELECT count(*) FROM audit_event`),
		dbtest.Number(t, w.s.DB, `SELECT sum(revision) FROM revision`))
}

// TestAssignments: made, changed, removed.
func TestAssignments(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		body := with(w.giving(w.office, w.reader), "effective_from", "2026-01-01T01:00:00.5+01:00", "effective_to", nil)
		made := w.Must(201, "POST", w.at+"/assignments", body)
		want := map[string]any{
			"id": made.At("data", "id"), "identity_id": w.ann, "application_node_id": w.office, "role_id": w.reader,
			"effective_from": "2026-01-01T00:00:00.500Z", "effective_to": nil,
			"created_at": made.At("data", "created_at"), "updated_at": made.At("data", "created_at"),
		}
		if diff := cmp.Diff(want, made.At("data")); diff != "" {
			t.Error(diff)
		}
		at := w.at + "/assignments/" + made.Text("data", "id")
		s.Clock.Advance(1e9)
		changed := w.Must(200, "PATCH", at, m{"role_id": w.writer, "effective_to": "2999-01-01T00:00:00Z"})
		want["role_id"], want["effective_to"] = w.writer, "2999-01-01T00:00:00.000Z"
		want["updated_at"] = changed.At("data", "updated_at")
		if diff := cmp.Diff(want, changed.At("data")); diff != "" || want["updated_at"] == want["created_at"] ||
			revision(changed) != revision(made)+1 {
			t.Error(diff, changed.Raw)
		}
		before := w.state(t)
		same := w.Must(200, "PATCH", at, m{"role_id": w.writer, "effective_to": "2999-01-01T00:00:00+00:00"})
		if same.Raw != changed.Raw || revision(same) != revision(changed) {
			t.Errorf("%s after %s", same.Raw, changed.Raw)
		}
		w.held(t, before)
		w.Must(200, "PATCH", at, m{"role_id": w.writer, "effective_from": nil, "effective_to": nil})
		w.Must(204, "DELETE", at, nil)
		if a := w.Must(404, "DELETE", at, nil); a.Code() != "rbac.assignment_not_found" {
			t.Error(a.Raw)
		}
	})
}

// TestBadAssignments: every bad input of a single write is refused, and nothing is written.
func TestBadAssignments(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		w.Must(200, "PATCH", w.at+"/roles/"+w.writer, m{"is_active": false})
		other := w.Role(w.at, "Other")
		ok := func(more ...any) request { return request{"POST", "", with(w.giving(w.root, w.reader), more...)} }
		without := func(field string) request {
			r := ok()
			delete(r.body.(m), field)
			return r
		}
		patch := func(body m) request { return request{"PATCH", "/" + w.id, body} }
		window := func(from, to string) request { return ok("effective_from", from, "effective_to", to) }
		w.refuses(t, map[string]map[string]request{
			"validation": {
				"no identity_id": without("identity_id"), "no node_id": without("node_id"), "no role_id": without("role_id"),
				"a number for an id": ok("role_id", 7), "null for an id": ok("role_id", nil),
				"an unknown field": ok("scope", "all"), "a date alone": ok("effective_from", "2027-01-01"),
				"an empty date": ok("effective_to", ""), "a leap second": ok("effective_to", "2027-06-30T23:59:60Z"),
				"a window without width": window("2027-01-01T00:00:00Z", "2027-01-01T01:00:00+01:00"),
				"a window backwards":     window("2027-01-02T00:00:00Z", "2027-01-01T00:00:00Z"),
				"a window below 1 ms":    window("2027-01-01T00:00:00.0001Z", "2027-01-01T00:00:00.0009Z"),
				"a backwards window for nobody": ok("effective_from", "2027-01-02T00:00:00Z", "effective_to",
					"2027-01-01T00:00:00Z", "identity_id", "x"),
				"a change without role_id": patch(m{"effective_to": nil}),
				"a change of the node":     patch(m{"role_id": w.reader, "node_id": w.root}),
				"a change to an end that lies before the beginning": patch(m{
					"role_id": w.reader, "effective_from": "2027-01-02T00:00:00Z", "effective_to": "2027-01-01T00:00:00Z",
				}),
			},
			"identities.not_found":     {"a malformed identity": ok("identity_id", "x", "node_id", "x")},
			"nodes.node_not_found":     {"an empty node": ok("node_id", "", "role_id", "x")},
			"rbac.assignment_conflict": {"what is there": ok("node_id", w.north)},
			"rbac.role_inactive": {
				"an inactive role": ok("role_id", w.writer), "a change to one": patch(m{"role_id": w.writer}),
			},
			"rbac.assignment_not_found": {
				"a change of nothing there": {"PATCH", "/" + servertest.NoID, m{"role_id": other}},
				"a change of no id":         {"PATCH", "/x", m{"role_id": other}},
				"a removal of no id":        {"DELETE", "/x", nil},
			},
			"rbac.role_not_found": {
				"the zero role":   ok("role_id", "00000000-0000-0000-0000-000000000000"),
				"an unknown role": ok("role_id", servertest.NoID), "a change to no role": patch(m{"role_id": "x"}),
			},
			"rbac.role_system_not_assignable": {
				"the system role": ok("role_id", w.system), "a change to it": patch(m{"role_id": w.system}),
			},
		})
	})
}

// request is a call about assignments.
type request struct {
	method, path string
	body         any
}

// refuses makes calls of which each, by name, is refused with the code over it, and writes
// nothing.
func (w staffed) refuses(t *testing.T, all map[string]map[string]request) {
	t.Helper()
	for want, calls := range all {
		for name, c := range calls {
			before := w.state(t)
			if a := w.Do(c.method, w.at+"/assignments"+c.path, c.body); a.Code() != want {
				t.Errorf("%s: %d %s, want %s", name, a.Status, a.Raw, want)
			}
			if now := w.state(t); now != before {
				t.Errorf("%s: it was %s and is %s", name, before, now)
			}
		}
	}
}

// TestBulkAssignments: rows stand alone where they are made, and together where they are
// changed or removed.
func TestBulkAssignments(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		bob := w.Person(w.at, "bob")
		_ = eventtest.Take(t, s.DB)
		rows := []any{
			w.giving(w.root, w.reader), w.giving(w.root, w.reader), with(w.giving(w.root, w.writer), "identity_id", bob),
			m{"identity_id": 7, "node_id": w.root},
			w.giving(w.north, w.reader), w.giving(w.office, w.system),
			with(w.giving(w.root, w.writer), "effective_to", "soon"), "no row",
			with(w.giving(w.office, w.reader), "secret", "x"),
		}
		a := w.Must(207, "POST", w.at+"/assignments/bulk-create", m{"assignments": rows})
		var codes []string
		for i := range rows {
			at := strconv.Itoa(i)
			code, _ := a.At("results", at, "error", "code").(string)
			codes = append(codes, fmt.Sprint(a.At("results", at, "code"), code))
		}
		want := []string{
			"201", "409rbac.assignment_conflict", "201", "400validation", "409rbac.assignment_conflict",
			"400rbac.role_system_not_assignable", "400validation", "400validation", "400validation",
		}
		if diff := cmp.Diff(want, codes); diff != "" {
			t.Error(diff, a.Raw)
		}
		first, second := a.Text("results", "0", "data", "id"), a.Text("results", "2", "data", "id")
		if a.Text("results", "1", "error", "data", "assignment_id") != first ||
			a.Text("results", "4", "error", "data", "assignment_id") != w.id || strings.Contains(a.Raw, "secret\":") {
			t.Error(a.Raw)
		}
		events := eventtest.Take(t, s.DB)
		told := fmt.Sprintf(`{"assignment_ids":["%s","%s"],"succeeded":2,"failed":7}`, first, second)
		if len(events) != 1 || events[0].Action != "assignment.bulk_created" || events[0].Metadata != told ||
			events[0].Outcome != "success" || events[0].ResourceType != "role_assignment" {
			t.Errorf("%v, want %s", events, told)
		}
		before := dbtest.Number(t, s.DB, `SELECT sum(revision) FROM revision`)
		w.Must(207, "POST", w.at+"/assignments/bulk-create", m{"assignments": rows[:2]})
		events = eventtest.Take(t, s.DB)
		if len(events) != 1 || events[0].Outcome != "failure" ||
			events[0].Metadata != `{"assignment_ids":[],"succeeded":0,"failed":2}` {
			t.Error(events)
		}
		if now := dbtest.Number(t, s.DB, `SELECT sum(revision) FROM revision`); now != before {
			t.Errorf("a call that made nothing raised the revision from %d to %d", before, now)
		}
		all := m{"assignment_ids": []string{first, second, first}}
		w.Must(200, "POST", w.at+"/assignments/bulk-change-role", with(all, "role_id", w.reader))
		delete(all, "role_id")
		w.Must(200, "POST", w.at+"/assignments/bulk-change-window", with(all, "effective_to", "2999-01-01T00:00:00Z"))
		delete(all, "effective_to")
		w.Must(204, "POST", w.at+"/assignments/bulk-remove", all)
	})
}

// TestBadBulkAssignments: a call that is refused as a whole changes nothing.
func TestBadBulkAssignments(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		other := w.Assign(w.at, w.ann, w.office, w.reader)
		both, none, many := []string{w.id, other}, []string{}, make([]string, 1001)
		for i := range many {
			many[i] = other
		}
		bad := []string{w.id, servertest.NoID, "x"}
		w.Must(200, "PATCH", w.at+"/roles/"+w.writer, m{"is_active": false})
		start := "2027-01-01T00:00:00Z"
		create := func(rows any) request { return request{"POST", "/bulk-create", m{"assignments": rows}} }
		remove := func(ids any) request { return request{"POST", "/bulk-remove", m{"assignment_ids": ids}} }
		role := func(ids any, role string) request {
			return request{"POST", "/bulk-change-role", m{"assignment_ids": ids, "role_id": role}}
		}
		window := func(ids any, ends ...any) request {
			return request{"POST", "/bulk-change-window", with(m{"assignment_ids": ids}, ends...)}
		}
		w.refuses(t, map[string]map[string]request{
			"validation": {
				"no rows": create([]m{}), "1001 rows": create(make([]m, 1001)), "rows that are none": create(m{}),
				"no list of rows":  {"POST", "/bulk-create", m{}},
				"no ids to remove": remove(none), "1001 ids to remove": remove(many), "numbers to remove": remove([]int{1}),
				"no list to remove": {"POST", "/bulk-remove", m{}},
				"no ids for a role": role(none, w.reader), "no role": {"POST", "/bulk-change-role", m{"assignment_ids": both}},
				"no end of a window":     window(both),
				"a window without width": window(both, "effective_from", start, "effective_to", start),
				"a window of days":       window(both, "effective_from", "2027-01-01"),
				"no ids for a window":    window(none, "effective_to", nil),
			},
			"rbac.assignment_not_found": {
				"bad ids to remove": remove(bad), "bad ids for a role": role(bad, w.writer),
				"bad ids for a window": window(bad, "effective_to", nil),
			},
			"rbac.role_not_found":             {"an unknown role": role(both, "x")},
			"rbac.role_system_not_assignable": {"the system role": role(both, w.system)},
			"rbac.role_inactive":              {"an inactive role": role(both, w.writer)},
		})
		for _, c := range []request{remove(bad), role(bad, w.writer), window(bad, "effective_to", nil)} {
			a := w.Do(c.method, w.at+"/assignments"+c.path, c.body)
			if diff := cmp.Diff([]any{servertest.NoID, "x"}, a.At("error", "data", "ids")); diff != "" {
				t.Errorf("%s: %s", c.path, diff)
			}
		}
	})
}

// TestKeysThatMayNotAssign: a key without rbac.manage_assignments assigns nothing by any
// route, and one that may assign needs no other right.
func TestKeysThatMayNotAssign(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		w := newStaffed(p)
		key := w.Key(w.at, "identity.manage", "rbac.manage_roles", "rbac.view_assignments", "hierarchy.manage")
		ids := m{"assignment_ids": []string{w.id}}
		role := m{"assignment_ids": []string{w.id}, "role_id": w.writer}
		for _, c := range []struct {
			method, path string
			body         any
		}{
			{"POST", "", w.giving(w.root, w.reader)},
			{"PATCH", "/" + w.id, m{"role_id": w.writer}},
			{"DELETE", "/" + w.id, nil},
			{"POST", "/bulk-create", m{"assignments": []m{w.giving(w.root, w.reader)}}},
			{"POST", "/bulk-remove", ids},
			{"POST", "/bulk-change-role", role},
		} {
			a := s.Client().Do(c.method, "/api/v1/assignments"+c.path, c.body, "X-API-Key", key)
			if a.Status != 403 || a.Code() != "auth.permission_denied" {
				t.Errorf("%s %s: %d %s", c.method, c.path, a.Status, a.Raw)
			}
		}
		own := w.Key(w.at, "rbac.manage_assignments")
		s.Client().Must(201, "POST", "/api/v1/assignments", w.giving(w.root, w.reader), "X-API-Key", own)
		other, at := owned(p)
		if a := other.Do("DELETE", at+"/assignments/"+w.id, nil); a.Code() != "rbac.assignment_not_found" {
			t.Errorf("of another Account: %s", a.Raw)
		}
	})
}

// ofGrants are the provocations of assignments.
var ofGrants = map[string]servertest.Provocation{
	"identities.not_found": func(_ *testing.T, p provoker) answer {
		c, at, root, _, _ := planted(p)
		body := m{"identity_id": servertest.NoID, "node_id": root, "role_id": servertest.NoID}
		return c.Do("POST", at+"/assignments", body)
	},
	"rbac.assignment_not_found": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		return c.Do("DELETE", at+"/assignments/"+servertest.NoID, nil)
	},
	"rbac.assignment_conflict": func(_ *testing.T, p provoker) answer {
		w := newStaffed(p)
		return w.Do("POST", w.at+"/assignments", w.giving(w.north, w.reader))
	},
	"rbac.role_system_not_assignable": func(_ *testing.T, p provoker) answer {
		w := newStaffed(p)
		return w.Do("POST", w.at+"/assignments", w.giving(w.north, w.system))
	},
	"rbac.role_inactive": func(_ *testing.T, p provoker) answer {
		w := newStaffed(p)
		w.Must(200, "PATCH", w.at+"/roles/"+w.reader, m{"is_active": false})
		return w.Do("POST", w.at+"/assignments", w.giving(w.root, w.reader))
	},
}
