package scenario_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/server/servertest"
)

type m = servertest.Map

// webEnvironment is an Environment in a running server, spoken to with an API key.
type webEnvironment struct {
	*web

	pure scenario.Environment // is told and asked what the server can't be
	in   scope.Environment
	path string // of the Environment in the portal
	key  string
	now  time.Time // of the last question
	seen uint64    // the revision of the last write

	ids    map[string]string // by kind and name; things that are gone keep theirs
	called map[string]string // names of nodes, by id

	// What is there now.
	nodes      map[string]scenario.Node
	roles      map[string]scenario.Role // by Ref
	off        map[string]bool          // roles that are switched off, likewise
	identities map[string]scenario.Identity
	given      map[string]scenario.Assignment // by Ref

	later []func() // what is to be done once all else of the edit is
}

// send calls with the API key. A question that could not be answered in time, on a machine that
// is busy, is asked again as its 503 says: that is no answer.
func (e *webEnvironment) send(now time.Time, method, path string, body any) (a servertest.Answer) {
	e.t.Helper()
	again := 5
	if method != http.MethodGet && !asks(path) {
		again = 0
	}
	for ; ; again-- {
		e.turns.during(now, func() {
			a = e.s.Client().Do(method, "/api/v1"+path, body, "X-API-Key", e.key)
		})
		if a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "1" || again == 0 {
			break
		}
	}
	if a.Status < 300 {
		at, err := strconv.ParseUint(a.Header.Get("Canopy-Revision"), 10, 64)
		if err != nil || at < e.seen {
			e.t.Errorf("%s %s is of revision %q, after %d", method, path, a.Header.Get("Canopy-Revision"), e.seen)
		}
		e.seen = max(e.seen, at)
	}
	return a
}

// asks reports whether a call with a body changes nothing.
func asks(path string) bool {
	return strings.HasPrefix(path, "/permissions/evaluate") || path == "/permissions/accessible-nodes" ||
		path == "/permissions/who-can"
}

// id is what a name stands for.
func (e *webEnvironment) id(kind, name string) string {
	e.t.Helper()
	if raw, quoted := strings.CutPrefix(name, `"`); quoted {
		return strings.TrimSuffix(raw, `"`)
	}
	if _, there := e.nodes[name]; there && kind == "node" {
		e.lookUp(name)
	}
	of := e.ids[kind+" "+name]
	if of == "" {
		e.t.Fatalf("nobody has made the %s %s", kind, name)
	}
	return of
}

func asked(q scenario.Question, identity, node string) m {
	body := m{"identity_id": identity, "permission": q.Permission, "scope": "node"}
	if q.Anywhere {
		body["scope"] = "app_wide"
	}
	if node != "" {
		body["node_id"] = node
	}
	return body
}

// Malformed implements scenario.Door.
func (e *webEnvironment) Malformed(q scenario.Question) string {
	node := ""
	if q.Node != "" {
		node = e.id("node", q.Node)
	}
	body := asked(q, e.id("identity", q.Identity), node)
	a := e.send(q.Now, "POST", "/permissions/evaluate", body)
	many := e.send(q.Now, "POST", "/permissions/evaluate/bulk", m{"checks": []m{body}})
	if many.Status != a.Status || many.Code() != a.Code() {
		e.t.Errorf("alone %s\namong many %s", a.Raw, many.Raw)
	}
	return fmt.Sprintf("%d %s", a.Status, a.Code())
}

// Evaluate asks alone, among many and, of a node, what is held there.
func (e *webEnvironment) Evaluate(q scenario.Question) scenario.Verdict {
	if q.Identity == `""` || q.Node == `""` {
		return e.unnamed(q)
	}
	e.now = q.Now
	identity, node := e.id("identity", q.Identity), ""
	if q.Node != "" {
		node = e.id("node", q.Node)
	}
	body := asked(q, identity, node)
	one := e.send(q.Now, "POST", "/permissions/evaluate", body)
	others := asked(scenario.Question{Permission: q.Permission, Anywhere: true}, identity, "")
	many := e.send(q.Now, "POST", "/permissions/evaluate/bulk", m{"checks": []m{others, body, others}})
	if diff := cmp.Diff(one.At("data"), many.At("items", "1")); one.Status != 200 || many.Status != 200 || diff != "" {
		e.t.Errorf("%v: %d %s, among many %d %s", q, one.Status, one.Raw, many.Status, many.Raw)
	}
	where, _ := one.At("data", "effective_node_id").(string)
	about := []any{one.At("data", "permission"), one.At("data", "scope_evaluated"), where}
	if !slices.Equal(about, []any{q.Permission, body["scope"], node}) {
		e.t.Errorf("%v: something else was answered: %s", q, one.Raw)
	}
	v := scenario.Verdict{
		Allowed: is(one.At("data", "allowed")), Roles: texts(one.At("data", "granting_roles")),
		Reason: one.Text("data", "denial_reason"),
	}
	if !q.Anywhere {
		e.holds(q, identity, node, v)
	}
	return v
}

// holds compares what an identity holds at a node with a verdict.
func (e *webEnvironment) holds(q scenario.Question, identity, node string, v scenario.Verdict) {
	e.t.Helper()
	a := e.send(q.Now, "GET", "/identities/"+url.PathEscape(identity)+"/permissions?node_id="+url.QueryEscape(node), nil)
	got, want := a.Code(), map[string]string{
		"identity_not_found": "identities.not_found", "membership_inactive": "identities.not_found",
		"node_not_found": "nodes.node_not_found",
	}[v.Reason]
	if v.Reason == "identity_inactive" && (got == "identities.not_found" || got == "nodes.node_not_found") {
		return // being no member or an unknown node comes before being switched off
	}
	if got != want || slices.Contains(texts(a.At("items")), q.Permission) != v.Allowed {
		e.t.Errorf("%v is answered with %+v, but what is held there is %d %s", q, v, a.Status, a.Raw)
	}
}

// Explain asks how it is decided now, and at another time how it would be now.
func (e *webEnvironment) Explain(q scenario.Question) (t scenario.Trace) {
	e.now = q.Now
	body := m{"identity_id": e.id("identity", q.Identity), "permission": q.Permission, "node_id": e.id("node", q.Node)}
	a := e.send(q.Now, "POST", "/permissions/evaluate/explain", body)
	if carried(q.Now).Equal(q.Now) {
		body["at"] = q.Now.Format(time.RFC3339Nano)
		then := e.send(q.Now.AddDate(0, 1, 0), "POST", "/permissions/evaluate/explain", body)
		if diff := cmp.Diff(a.At("data"), then.At("data")); diff != "" {
			e.t.Errorf("%v (-now +later, about now):\n%s", q, diff)
		}
	}
	switch a.Code() {
	case "identities.not_found":
		t.Reason = "identity_not_found"
		return t
	case "nodes.node_not_found":
		t.Reason = "node_not_found"
		return t
	}
	if a.Status != 200 {
		e.t.Errorf("%v: %d %s", q, a.Status, a.Raw)
	}
	t.Allowed, t.Reason = is(a.At("data", "allowed")), a.Text("data", "denial_reason")
	roles := map[string]string{}
	for depth, of := range list(a.At("data", "lineage")) {
		n := e.traced(of, roles)
		if of["depth"] != float64(depth) {
			e.t.Errorf("%s stands at place %d and at depth %v", n.Name, depth, of["depth"])
		}
		t.Lineage = append(t.Lineage, n)
	}
	for _, of := range texts(a.At("data", "granting_role_ids")) {
		t.GrantingRoles = append(t.GrantingRoles, roles[of])
	}
	for _, of := range texts(a.At("data", "granting_node_ids")) {
		t.GrantingNodes = append(t.GrantingNodes, e.called[of])
	}
	t.Roles = t.GrantingRoles // names are unique
	return t
}

// traced is a node of a lineage; roles is told the names of its roles. A lineage does not say
// which nodes are switched off, the node itself does.
func (e *webEnvironment) traced(of m, roles map[string]string) scenario.TraceNode {
	name := e.called[of["node_id"].(string)]
	row := e.send(e.now, "GET", "/nodes/"+of["node_id"].(string), nil)
	if of["name"] != name || row.Text("data", "name") != name {
		e.t.Errorf("%s is called %v, and answered as %s", name, of["name"], row.Raw)
	}
	n := scenario.TraceNode{Name: name, Target: is(of["is_target"]), Active: row.Text("data", "status") == "active"}
	for _, a := range list(of["assignments"]) {
		roles[a["role_id"].(string)] = a["role_name"].(string)
		n.Assignments = append(n.Assignments, scenario.TraceAssignment{
			Role: a["role_name"].(string), Active: is(a["active"]),
			RoleActive: is(a["role_is_active"]), GrantsPermission: is(a["grants_permission"]),
		})
	}
	return n
}

// Permissions implements scenario.Environment.
func (e *webEnvironment) Permissions(identity string, now time.Time) ([]string, bool) {
	a := e.about(identity, "/permissions", now)
	return texts(a.At("items")), a.Status == http.StatusOK
}

// Grants implements scenario.Environment.
func (e *webEnvironment) Grants(identity string, now time.Time) (scenario.Grants, bool) {
	a := e.about(identity, "/grants", now)
	g := scenario.Grants{Nodes: map[string][]string{}, Until: e.until(a, identity, now)}
	for _, of := range list(a.At("items")) {
		for _, node := range texts(of["nodes"]) {
			name := e.called[node]
			g.Nodes[of["permission"].(string)] = append(g.Nodes[of["permission"].(string)], name)
		}
	}
	return g, a.Status == http.StatusOK
}

// about reads what hangs on an identity, who may be unknown.
func (e *webEnvironment) about(identity, what string, now time.Time) servertest.Answer {
	e.t.Helper()
	e.now = now
	a := e.send(now, "GET", "/identities/"+url.PathEscape(e.id("identity", identity))+what, nil)
	if a.Status != http.StatusOK && (a.Status != http.StatusNotFound || a.Code() != "identities.not_found") {
		e.t.Errorf("%s%s: %d %s", identity, what, a.Status, a.Raw)
	}
	return a
}

// Impact implements scenario.Environment.
func (e *webEnvironment) Impact(edit []scenario.Change, now time.Time) scenario.Impact {
	e.left++
	return e.pure.Impact(edit, now)
}

func is(v any) bool {
	yes, _ := v.(bool)
	return yes
}

func texts(v any) (all []string) {
	of, _ := v.([]any)
	for _, one := range of {
		all = append(all, one.(string))
	}
	return all
}

func list(v any) (all []m) {
	of, _ := v.([]any)
	for _, one := range of {
		all = append(all, one.(m))
	}
	return all
}
