package scenario_test

import (
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/server/servertest"
)

// pages asks for a list, page by page, and gives each page to the caller.
func (e *webEnvironment) pages(now time.Time, path string, body m, each func(a servertest.Answer)) {
	e.t.Helper()
	e.now = now
	for {
		a := e.send(now, "POST", path, body)
		if a.Status != 200 {
			e.t.Fatalf("%s %v: %d %s", path, body, a.Status, a.Raw)
		}
		each(a)
		next := a.Text("pagination", "next_cursor")
		if next == "" {
			return
		}
		body["cursor"] = next
	}
}

// Nodes asks in short pages, all of which have the same roots.
func (e *webEnvironment) Nodes(identity, permission string, now time.Time) (r scenario.Reach) {
	var roots, nodes []string
	body := m{"identity_id": e.id("identity", identity), "permission": permission, "limit": 7}
	e.pages(now, "/permissions/accessible-nodes", body, func(a servertest.Answer) {
		some := texts(a.At("items"))
		if len(some) > 7 || nodes != nil && !slices.Equal(roots, texts(a.At("roots"))) {
			e.t.Errorf("after %v: %s", nodes, a.Raw)
		}
		roots, nodes = texts(a.At("roots")), append(nodes, some...)
		r.Reason = a.Text("denial_reason")
	})
	e.lookUpAll()
	for _, of := range roots {
		r.Roots = append(r.Roots, e.called[of])
	}
	for _, of := range nodes {
		r.Nodes = append(r.Nodes, e.called[of])
	}
	return r
}

// lookUpAll finds the ids of all nodes that were imported.
func (e *webEnvironment) lookUpAll() {
	var all []string
	for name := range e.nodes {
		all = append(all, name)
	}
	e.lookUp(all...)
}

// Who asks in short pages. People are called as they were made.
func (e *webEnvironment) Who(permission, node string, now time.Time) scenario.Who {
	w := scenario.Who{Holders: map[string][]string{}}
	var order []string
	body := m{"permission": permission, "node_id": e.id("node", node), "limit": 7}
	e.pages(now, "/permissions/who-can", body, func(a servertest.Answer) {
		w.Reason = a.Text("denial_reason")
		for _, of := range list(a.At("items")) {
			who := of["identity"].(m)
			name := who["first_name"].(string)
			if who["id"] != e.id("identity", name) || who["name"] != name+" Doe" || w.Holders[name] != nil {
				e.t.Errorf("%v is shown as %v", name, who)
			}
			order = append(order, who["id"].(string))
			for _, via := range list(of["via"]) {
				where := e.called[via["node_id"].(string)]
				w.Holders[name] = append(w.Holders[name], via["role_name"].(string)+" at "+where)
			}
		}
	})
	if diff := cmp.Diff(slices.Sorted(slices.Values(order)), order); diff != "" {
		e.t.Errorf("not by id:\n%s", diff)
	}
	return w
}
