package scenario_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/server/servertest"
)

// application is the path of the Application, which has the Environments development and
// production from its beginning.
const application = "/applications/desk"

// New implements scenario.Engine: it makes an Environment with a root and a schema that lets
// anything lie anywhere.
func (w *web) New() scenario.Environment {
	w.t.Helper()
	w.begun++
	e := &webEnvironment{
		web: w, pure: scenario.Named(scenario.Offline).New(), now: builtAt, ids: map[string]string{},
		called: map[string]string{},
		nodes:  map[string]scenario.Node{}, roles: map[string]scenario.Role{}, identities: map[string]scenario.Identity{},
		given: map[string]scenario.Assignment{}, off: map[string]bool{},
	}
	made := w.portal(builtAt, 201, "POST", application+"/environments", m{"name": fmt.Sprintf("World %d", w.begun)})
	e.path = application + "/environments/" + made.Text("data", "environment", "slug")
	me := w.portal(builtAt, 200, "GET", "/applications", nil)
	e.in = scope.Environment{ID: named[scope.EnvironmentID](e, made.Text("data", "environment", "id"))}
	e.in.Application.ID = named[scope.ApplicationID](e, made.Text("data", "environment", "application_id"))
	e.in.Application.Account.ID = named[scope.AccountID](e, me.Text("items", "0", "account_id"))
	w.portal(builtAt, 200, "PUT", e.path+"/access-model", m{"model": "hierarchy"})
	w.portal(builtAt, 200, "PATCH", e.path+"/hierarchy-schema", schema())
	key := m{"name": "Product", "access_mode": "full_access"}
	e.key = w.portal(builtAt, 201, "POST", e.path+"/api-keys", key).Text("data", "key")
	return e
}

func named[I ~[16]byte](e *webEnvironment, text string) I {
	e.t.Helper()
	of, err := id.Parse[I](text)
	if err != nil {
		e.t.Fatal(err, text)
	}
	return of
}

func schema() m {
	return m{
		"node_types": []string{"unit"}, "allowed_children": m{"unit": []string{"unit"}},
		"max_depth": 16, "root_node_type": "unit",
	}
}

// must is a call of a change, which is made at the time of the last question.
func (e *webEnvironment) must(status int, method, path string, body any) servertest.Answer {
	e.t.Helper()
	a := e.send(e.now, method, path, body)
	if a.Status != status {
		e.t.Fatalf("%s %s answers %d, want %d: %s", method, path, a.Status, status, a.Raw)
	}
	return a
}

// name keeps what a thing of the world is called in the server.
func (e *webEnvironment) name(kind, name, id string) string {
	e.ids[kind+" "+name] = id
	if kind == "node" {
		e.called[id] = name
	}
	return id
}

// Apply implements scenario.Environment. Things of one kind that are made side by side are
// made by one call where there is one for many.
func (e *webEnvironment) Apply(changes []scenario.Change) error {
	if err := e.pure.Apply(changes); err != nil {
		return err
	}
	for len(changes) > 0 {
		changes = changes[e.make(changes):]
	}
	for _, do := range e.later {
		do()
	}
	e.later = nil
	return nil
}

// make makes the first changes, and tells how many.
func (e *webEnvironment) make(changes []scenario.Change) int {
	switch c := changes[0].(type) {
	case scenario.PutPermission:
		return e.putPermissions(leading[scenario.PutPermission](changes, func(scenario.PutPermission) bool { return true }))
	case scenario.PutNode:
		fresh := func(c scenario.PutNode) bool { _, there := e.nodes[c.Name]; return !there }
		if some := leading(changes, fresh); len(some) > 100 {
			return e.importNodes(some)
		}
		e.putNode(c.Node)
	case scenario.PutIdentity:
		fresh := func(c scenario.PutIdentity) bool { _, there := e.identities[c.Name]; return !there }
		if some := leading(changes, fresh); len(some) > 0 {
			return e.enrol(some)
		}
		e.putIdentity(c.Identity)
	case scenario.PutAssignment:
		fresh := func(c scenario.PutAssignment) bool {
			_, there := e.given[c.Ref]
			return !there && !finer(c.Assignment)
		}
		if some := leading(changes, fresh); len(some) > 0 {
			return e.assign(some)
		}
		e.putAssignment(c.Assignment)
	default:
		e.change(c)
	}
	return 1
}

// leading are the changes at the front that are of one kind and fit.
func leading[T scenario.Change](changes []scenario.Change, fits func(T) bool) (some []T) {
	for _, c := range changes {
		of, is := c.(T)
		if !is || !fits(of) {
			break
		}
		some = append(some, of)
	}
	return some
}

func (e *webEnvironment) putPermissions(some []scenario.PutPermission) int {
	var items []m
	for _, c := range some {
		items = append(items, m{"key": c.Key, "name": c.Key, "category": "world"})
	}
	made := e.must(201, "POST", "/permissions", m{"permissions": items})
	for i, c := range some {
		e.name("permission", c.Key, made.Text("items", strconv.Itoa(i), "id"))
	}
	return len(some)
}

func slug(n scenario.Node) string { return strings.ToLower(n.Name) }

func (e *webEnvironment) putNode(n scenario.Node) {
	was, there := e.nodes[n.Name]
	switch {
	case there && was.Parent != n.Parent:
		e.must(200, "POST", "/nodes/"+e.id("node", n.Name)+"/move", m{"parent_node_id": e.id("node", n.Parent)})
	case there:
	case n.Parent == "":
		root := e.must(200, "GET", "/nodes?depth=1", nil).Text("data", "tree", "0", "id")
		e.must(200, "PATCH", "/nodes/"+e.name("node", n.Name, root), m{"name": n.Name, "slug": slug(n)})
	default:
		body := m{"parent_node_id": e.id("node", n.Parent), "node_type": "unit", "name": n.Name, "slug": slug(n)}
		e.name("node", n.Name, e.must(201, "POST", "/nodes", body).Text("data", "id"))
	}
	e.nodes[n.Name] = n
	if n.Active != (was.Active || !there) {
		status := map[bool]string{true: "active", false: "inactive"}[n.Active]
		e.must(200, "PATCH", "/nodes/"+e.id("node", n.Name), m{"status": status})
	}
}

// importNodes makes a tree of many nodes, at the beginning of a world.
func (e *webEnvironment) importNodes(some []scenario.PutNode) int {
	if len(e.nodes) > 0 {
		e.t.Fatal("an import would replace the tree that is there")
	}
	at := map[string]string{}
	var nodes []m
	for _, c := range some {
		at[c.Name] = id.New[id.ID](builtAt).String()
		n := m{"id": at[c.Name], "parent_node_id": nil, "node_type": "unit", "name": c.Name, "slug": slug(c.Node)}
		if c.Parent != "" {
			n["parent_node_id"] = at[c.Parent]
		}
		if !c.Active {
			n["status"] = "inactive"
		}
		nodes = append(nodes, n)
		e.nodes[c.Name] = c.Node
	}
	e.portal(e.now, 200, "POST", e.path+"/import?parts=hierarchy", m{
		"format_version": 1, "access_model": "hierarchy", "hierarchy_schema": schema(), "permissions": []m{},
		"roles": []m{}, "nodes": nodes, "oauth_clients": []m{}, "webhooks": []m{},
		"source_env": m{
			"id": servertest.NoID, "name": "World", "slug": "world", "application_slug": "desk",
			"exported_at": builtAt.Format(time.RFC3339Nano),
		},
	})
	return len(some)
}

// lookUp finds the ids of nodes that were imported.
func (e *webEnvironment) lookUp(some ...string) {
	paths := map[string]string{}
	for _, name := range some {
		if e.ids["node "+name] == "" {
			path := slug(e.nodes[name])
			for above := e.nodes[name].Parent; above != ""; above = e.nodes[above].Parent {
				path = slug(e.nodes[above]) + "/" + path
			}
			paths[path] = name
		}
	}
	for piece := range slices.Chunk(slices.Sorted(maps.Keys(paths)), 100) {
		found := e.must(200, "GET", "/nodes/search?take=100&paths="+strings.Join(piece, ","), nil)
		for _, n := range list(found.At("items")) {
			e.name("node", paths[n["matched_path"].(string)], n["id"].(string))
		}
	}
}

// enrol makes people, of whom some are then switched off or removed.
func (e *webEnvironment) enrol(some []scenario.PutIdentity) int {
	body := func(name string) m {
		email := fmt.Sprintf("%s-%d@acme.example", name, e.begun)
		return m{"email": email, "first_name": name, "last_name": "Doe"}
	}
	if len(some) == 1 {
		made := e.must(201, "POST", "/identities", body(some[0].Name))
		e.name("identity", some[0].Name, made.Text("data", "id"))
	} else {
		for piece := range slices.Chunk(some, 200) {
			var rows []m
			for _, c := range piece {
				rows = append(rows, body(c.Name))
			}
			made := e.must(200, "POST", "/identities/bulk-create", m{"identities": rows})
			for i, c := range piece {
				e.name("identity", c.Name, made.Text("results", strconv.Itoa(i), "data", "id"))
			}
		}
	}
	for _, c := range some {
		e.identities[c.Name] = scenario.Identity{Name: c.Name, Active: true, Member: true}
		e.putIdentity(c.Identity)
	}
	return len(some)
}

func (e *webEnvironment) putIdentity(i scenario.Identity) {
	was := e.identities[i.Name]
	e.identities[i.Name] = i
	of := "/identities/" + e.id("identity", i.Name)
	switch {
	case was.Active == i.Active:
	case !was.Member: // somebody for the Account, and nobody for a key
		e.portal(e.now, 200, "PATCH", of+"/status", m{"is_active": i.Active})
	case i.Active:
		e.must(200, "POST", of+"/activate", nil)
	default:
		e.must(200, "POST", of+"/deactivate", nil)
	}
	switch {
	case was.Member && !i.Member:
		e.later = append(e.later, func() { e.removeAtLast(i.Name) })
	case !was.Member && i.Member:
		e.must(200, "POST", "/memberships/bulk-attach", m{"identity_ids": []string{e.id("identity", i.Name)}})
	}
}

// body is an assignment as it is sent.
func (e *webEnvironment) body(a scenario.Assignment) m {
	body := m{
		"identity_id": e.id("identity", a.Identity), "node_id": e.id("node", a.Node), "role_id": e.id("role", a.Role),
	}
	for name, t := range map[string]time.Time{"effective_from": a.From, "effective_to": a.Until} {
		if !t.IsZero() {
			body[name] = t.Format(time.RFC3339Nano)
		}
	}
	return body
}

func (e *webEnvironment) assign(some []scenario.PutAssignment) int {
	if len(some) == 1 {
		a := some[0].Assignment
		e.giving(a.Role, func() {
			e.name("assignment", a.Ref, e.must(201, "POST", "/assignments", e.body(a)).Text("data", "id"))
		})
		e.given[a.Ref] = a
		return 1
	}
	var nodes []string
	for _, c := range some {
		nodes = append(nodes, c.Node)
	}
	e.lookUp(nodes...)
	for piece := range slices.Chunk(some, 1000) {
		var rows []m
		for _, c := range piece {
			rows = append(rows, e.body(c.Assignment))
		}
		made := e.must(200, "POST", "/assignments/bulk-create", m{"assignments": rows})
		for i, c := range piece {
			e.name("assignment", c.Ref, made.Text("results", strconv.Itoa(i), "data", "id"))
			e.given[c.Ref] = c.Assignment
		}
	}
	return len(some)
}

// putAssignment changes an assignment, or makes one whose window the wire does not carry.
func (e *webEnvironment) putAssignment(a scenario.Assignment) {
	was, there := e.given[a.Ref]
	e.given[a.Ref] = a
	if finer(a) || finer(was) {
		e.giveExactly(a, there)
		return
	}
	body := e.body(a)
	change := m{"role_id": body["role_id"]} // a bound that is not there is cleared
	for _, bound := range []string{"effective_from", "effective_to"} {
		change[bound] = body[bound]
	}
	e.giving(a.Role, func() { e.must(200, "PATCH", "/assignments/"+e.id("assignment", a.Ref), change) })
}

// giving does what gives a role. One that is switched off can't be given: it is switched on
// meanwhile.
func (e *webEnvironment) giving(role string, do func()) {
	of, off := "/roles/"+e.id("role", role), e.off[role]
	if off {
		e.must(200, "PATCH", of, m{"is_active": true})
	}
	do()
	if off {
		e.must(200, "PATCH", of, m{"is_active": false})
	}
}
