package server_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/server"
	"canopy.dev/canopy/internal/server/servertest"
)

// published is the wire contract of the hosted product, as facts: which operations there
// are, which statuses each documents, and the schema of each answer.
type published struct {
	compiler *jsonschema.Compiler
	statuses map[string]map[int]string // by "METHOD /path": the place of the answer's schema, "" for none
	events   map[string]string         // by action: the place of the schema of its body
}

// readContract reads both files; where both have an operation, the newer one counts.
func readContract(t *testing.T) *published {
	t.Helper()
	p := &published{
		compiler: jsonschema.NewCompiler(), statuses: map[string]map[int]string{}, events: map[string]string{},
	}
	p.compiler.DefaultDraft(jsonschema.Draft2020)
	for _, name := range []string{"public-api.openapi.json", "newer-operations.json"} {
		raw, err := os.ReadFile("testdata/contract/" + name)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		at := "https://contract.test/" + name
		if err := p.compiler.AddResource(at, doc); err != nil {
			t.Fatal(err)
		}
		events, _ := doc.(m)["webhooks"].(m)
		for action := range events {
			p.events[action] = at + "#/webhooks/" + action + "/post/requestBody/content/application~1json/schema"
		}
		slash := strings.NewReplacer("~", "~0", "/", "~1")
		for path, item := range doc.(m)["paths"].(m) {
			for method, op := range item.(m) {
				cells := map[int]string{}
				for status, response := range op.(m)["responses"].(m) {
					n, err := strconv.Atoi(status)
					if err != nil {
						t.Fatal(err)
					}
					content, _ := response.(m)["content"].(m)
					if content["application/json"] != nil {
						pointer := fmt.Sprintf("/paths/%s/%s/responses/%s/content/application~1json/schema",
							slash.Replace(path), method, status)
						cells[n] = at + "#" + (&url.URL{Path: pointer}).EscapedPath()
					} else {
						cells[n] = ""
					}
				}
				p.statuses[strings.ToUpper(method)+" "+path] = cells
			}
		}
	}
	return p
}

// hold tells where an answer is not what the contract says of its status.
func (p *published) hold(place string, a answer) error {
	if place == "" {
		if a.Raw != "" {
			return fmt.Errorf("there is a body: %s", a.Raw)
		}
		return nil
	}
	schema, err := p.compiler.Compile(place)
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(a.Raw))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// portals are the events that only operations of the portal produce.
var portals = map[string]bool{"account_member.added": true, "account_member.removed": true, "identity.erased": true}

// holdEvents holds what followers get of all that was done to the contract. Of the types that
// the catalogue has, those that are wanted have to be there.
func (p *published) holdEvents(t *testing.T, s *servertest.Server, wanted func(action string) bool) {
	t.Helper()
	bodies := eventtest.Bodies(t, s.DB)
	for _, e := range server.Events() {
		place := p.events[e.Action]
		if place == "" {
			continue // beyond the contract, or no event
		}
		if e.Feed == event.NoFeed {
			t.Errorf("%s is an event of the contract, and nobody gets it", e.Action)
		}
		if len(bodies[e.Action]) == 0 && wanted(e.Action) {
			t.Errorf("%s: nothing produces it", e.Action)
		}
		for _, body := range bodies[e.Action] {
			if err := p.hold(place, answer{Raw: body}); err != nil {
				t.Errorf("%s against the contract: %v\n%s", e.Action, err, body)
			}
		}
	}
}

// unanswered are statuses of the contract that no caller can get here, as the operation needs
// no right.
var unanswered = map[string]int{"GET /api/v1/webhooks/event-types": http.StatusForbidden}

// unbuilt are what the paths of the contract begin with whose areas do not exist yet.
var unbuilt = []string{"/api/v1/organizations", "/api/v1/branding"}

// TestContractTable produces every status that the hosted product's contract documents of
// an operation that this server has, and holds the answer against that contract; the client
// of the test holds it against our own document, too. A cell that nobody produces fails, and so
// does an operation that this server lacks though it has the area. An operation joins by being
// registered.
func TestContractTable(t *testing.T) {
	t.Parallel()
	contract := readContract(t)
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		ours := map[string]bool{}
		for _, op := range s.Router.Operations() {
			ours[op.Method+" "+op.Path] = true
		}
		var table strings.Builder
		p := s.Provoker()
		covered, cells := 0, 0
		for _, op := range slices.Sorted(maps.Keys(contract.statuses)) {
			if !ours[op] {
				_, path, _ := strings.Cut(op, " ")
				if !slices.ContainsFunc(unbuilt, func(area string) bool { return strings.HasPrefix(path, area) }) {
					t.Errorf("%s is the contract's, and this server lacks it", op)
				}
				continue
			}
			covered++
			fmt.Fprintf(&table, "\n%-50s", op)
			for _, status := range slices.Sorted(maps.Keys(contract.statuses[op])) {
				if unanswered[op] == status {
					continue
				}
				produce := cell(op, status)
				if produce == nil {
					t.Errorf("%s: nothing produces %d", op, status)
					continue
				}
				cells++
				a := produce(newGround(t, s, p))
				if a.Status != status {
					t.Errorf("%s: %d %s, want %d", op, a.Status, a.Raw, status)
				} else if err := contract.hold(contract.statuses[op][status], a); err != nil {
					t.Errorf("%s, %d against the contract: %v\n%s", op, status, err, a.Raw)
				}
				fmt.Fprintf(&table, " %d", status)
			}
		}
		t.Logf("%d of %d operations, %d cells%s", covered, len(contract.statuses), cells, table.String())
		contract.holdEvents(t, s, func(action string) bool { return !portals[action] })
		readCatalogue(t).hold(t, s)
		for op := range contractCells {
			if !ours[op] || contract.statuses[op] == nil {
				t.Errorf("%s is no operation of both", op)
			}
		}
	})
}

// ground is an Environment to call in, with an API key for everything.
type ground struct {
	t          testing.TB
	s          *servertest.Server
	p          provoker
	owner      *servertest.Client
	at         string // path of the Environment in the portal
	key        string
	root, node string
	door       door
}

// door is one of the two mounts of what lies in an Environment.
type door int

const (
	byKey    door = iota // the public API, with an API key
	byPublic             // the public API, as a portal user
	byPortal             // the portal
)

func newGround(t testing.TB, s *servertest.Server, p provoker) *ground {
	t.Helper()
	g := &ground{t: t, s: s, p: p}
	g.owner, g.at = p.Owner()
	g.at += inDesk
	g.root = g.owner.Tree(g.at)
	g.node = g.owner.Node(g.at, g.root, "region", "North")
	g.key = g.owner.Key(g.at)
	return g
}

// call calls an operation of the Environment through the ground's door.
func (g *ground) call(method, path string, body any, header ...string) answer {
	switch g.door {
	case byPublic:
		return g.owner.Do(method, "/api/v1"+path, body, header...)
	case byPortal:
		return g.owner.Do(method, g.at+path, body, header...)
	case byKey:
	}
	return g.s.Client().Do(method, "/api/v1"+path, body, append(header, "X-API-Key", g.key)...)
}

// made creates something and gives its id.
func (g *ground) made(path string, body m) string {
	return g.owner.Must(201, "POST", g.at+path, body).Text("data", "id")
}

func (g *ground) role() string { return g.made("/roles", m{"name": "Reader"}) }

func (g *ground) permission() string { return g.made("/permissions", newPermission("lease.read")) }

func (g *ground) apiKey() string { return g.made("/api-keys", newKey()) }

type produce func(g *ground) answer

// cell produces a status of an operation: by itself, or as every operation does.
func cell(op string, status int) produce {
	if special := contractCells[op][status]; special != nil {
		return special
	}
	method, path, _ := strings.Cut(op, " ")
	path = place("", servertest.NoID).Replace(path)
	plain := strings.TrimPrefix(path, "/api/v1")
	switch status {
	case http.StatusUnauthorized:
		return func(g *ground) answer { return g.s.Client().Do(method, path, nil) }
	case http.StatusForbidden:
		return func(g *ground) answer {
			return g.s.Client().Do(method, path, nil, "X-API-Key", g.owner.Key(g.at, "audit.export"))
		}
	case http.StatusNotFound:
		return func(g *ground) answer { return g.call(method, plain, contractBodies[op]) }
	}
	return nil
}

// contractBodies are what operations want to be sent to get as far as to what they name.
var contractBodies = map[string]m{
	"POST /api/v1/nodes/{id}/move":          {"parent_node_id": servertest.NoID},
	"PUT /api/v1/roles/{id}/permissions":    {"permission_keys": []string{}},
	"PATCH /api/v1/api-keys/{id}":           {"is_active": false},
	"PATCH /api/v1/roles/{id}":              {},
	"PATCH /api/v1/permissions/{id}":        {},
	"PATCH /api/v1/nodes/{id}":              {},
	"PATCH /api/v1/assignments/{id}":        {"role_id": servertest.NoID},
	"POST /api/v1/identities/{id}/password": {"password": "correct horse battery"},

	"PATCH /api/v1/webhooks/{id}":              {},
	"POST /api/v1/webhooks/{id}/rotate-secret": {},
	"POST /api/v1/webhooks/{id}/replay":        always(),
}

// ofThing calls an operation about a thing that is made for it.
func ofThing(method string, path func(g *ground) string, body any, header ...string) produce {
	return func(g *ground) answer { return g.call(method, path(g), body, header...) }
}

func at(prefix string, id func(g *ground) string, suffix string) func(g *ground) string {
	return func(g *ground) string { return prefix + id(g) + suffix }
}

func ofNode(suffix string) func(g *ground) string {
	return at("/nodes/", func(g *ground) string { return g.node }, suffix)
}

func ofRole(suffix string) func(g *ground) string { return at("/roles/", (*ground).role, suffix) }

func ofPermission(suffix string) func(g *ground) string {
	return at("/permissions/", (*ground).permission, suffix)
}

func ofKey(suffix string) func(g *ground) string { return at("/api-keys/", (*ground).apiKey, suffix) }

func fixed(path string) func(*ground) string { return func(*ground) string { return path } }

// stale has a call be about a version that there is not.
func stale(method string, path func(g *ground) string, body any) produce {
	return ofThing(method, path, body, "If-Match", `"7"`)
}

// contractCells are the calls of all operations.
var contractCells = joined(placeCells, grantCells, peopleCells, inviteCells, decisionCells, eventCells,
	webhookCells)

func joined(all ...map[string]map[int]produce) map[string]map[int]produce {
	cells := map[string]map[int]produce{}
	for _, some := range all {
		maps.Copy(cells, some)
	}
	return cells
}

// placeCells are those of permissions, roles, trees and keys.
var placeCells = map[string]map[int]produce{
	"GET /api/v1/permissions":  {200: ofThing("GET", fixed("/permissions?source=system"), nil)},
	"POST /api/v1/permissions": {201: ofThing("POST", fixed("/permissions"), newPermission("lease.read"))},
	"GET /api/v1/permissions/{id}": {
		200: ofThing("GET", ofPermission(""), nil),
	},
	"PATCH /api/v1/permissions/{id}": {
		200: ofThing("PATCH", ofPermission(""), m{"description": "Reads", "name": "Read"}),
		409: stale("PATCH", ofPermission(""), m{"name": "Read"}),
	},
	"DELETE /api/v1/permissions/{id}": {
		204: ofThing("DELETE", ofPermission(""), nil), 409: stale("DELETE", ofPermission(""), nil),
	},
	"GET /api/v1/permissions/{id}/usage": {200: ofThing("GET", ofPermission("/usage"), nil)},

	"GET /api/v1/roles": {200: ofThing("GET", fixed("/roles?include_inactive=true"), nil)},
	"POST /api/v1/roles": {
		201: ofThing("POST", fixed("/roles"), m{"name": "Writer"}),
		409: ofThing("POST", fixed("/roles"), m{"name": "platform admin"}),
	},
	"GET /api/v1/roles/{id}": {200: ofThing("GET", ofRole(""), nil)},
	"PATCH /api/v1/roles/{id}": {
		200: ofThing("PATCH", ofRole(""), m{"is_active": false}), 409: stale("PATCH", ofRole(""), m{"name": "X"}),
	},
	"DELETE /api/v1/roles/{id}": {
		204: ofThing("DELETE", ofRole(""), nil), 409: stale("DELETE", ofRole(""), nil),
	},
	"GET /api/v1/roles/{id}/permissions": {200: ofThing("GET", ofRole("/permissions"), nil)},
	"PUT /api/v1/roles/{id}/permissions": {
		200: ofThing("PUT", ofRole("/permissions"), m{"permission_keys": []string{"canopy:organization.manage"}}),
	},

	"GET /api/v1/hierarchy-schema": {200: ofThing("GET", fixed("/hierarchy-schema"), nil)},
	"PATCH /api/v1/hierarchy-schema": {
		200: ofThing("PATCH", fixed("/hierarchy-schema"), servertest.Schema()),
		409: stale("PATCH", fixed("/hierarchy-schema"), servertest.Schema()),
	},

	"GET /api/v1/nodes": {
		200: ofThing("GET", fixed("/nodes"), nil), 304: ofThing("GET", fixed("/nodes"), nil, "If-None-Match", "*"),
	},
	"POST /api/v1/nodes": {
		201: func(g *ground) answer { return g.call("POST", "/nodes", g.newNode("east")) },
		400: func(g *ground) answer {
			return g.call("POST", "/nodes", m{"parent_node_id": g.root, "node_type": "planet", "name": "Mars"})
		},
		409: func(g *ground) answer { return g.call("POST", "/nodes", g.newNode("north")) },
	},
	"GET /api/v1/nodes/{id}": {200: ofThing("GET", ofNode(""), nil)},
	"PATCH /api/v1/nodes/{id}": {
		200: ofThing("PATCH", ofNode(""), m{"name": "Far North", "description": "Cold", "metadata": m{"a": 1}}),
		400: ofThing("PATCH", ofNode(""), m{"status": "asleep"}), 409: stale("PATCH", ofNode(""), m{"name": "X"}),
	},
	"DELETE /api/v1/nodes/{id}":        {204: ofThing("DELETE", ofNode(""), nil), 409: stale("DELETE", ofNode(""), nil)},
	"GET /api/v1/nodes/{id}/tree":      {200: ofThing("GET", ofNode("/tree"), nil)},
	"GET /api/v1/nodes/{id}/ancestors": {200: ofThing("GET", ofNode("/ancestors"), nil)},
	"GET /api/v1/nodes/{id}/children":  {200: ofThing("GET", ofNode("/children"), nil)},
	"POST /api/v1/nodes/{id}/move": {
		200: func(g *ground) answer {
			south := g.owner.Node(g.at, g.root, "region", "South")
			return g.call("POST", "/nodes/"+g.node+"/move", m{"parent_node_id": south})
		},
		409: func(g *ground) answer {
			return g.call("POST", "/nodes/"+g.node+"/move", m{"parent_node_id": g.root}, "If-Match", "7")
		},
	},
	"GET /api/v1/nodes/parents": {
		200: ofThing("GET", fixed("/nodes/parents"), nil),
		304: ofThing("GET", fixed("/nodes/parents"), nil, "If-None-Match", "*"),
	},

	"GET /api/v1/api-keys":                     {200: ofThing("GET", fixed("/api-keys"), nil)},
	"POST /api/v1/api-keys":                    {201: ofThing("POST", fixed("/api-keys"), newKey())},
	"PATCH /api/v1/api-keys/{id}":              {200: ofThing("PATCH", ofKey(""), m{"is_active": false})},
	"POST /api/v1/api-keys/{id}/rotate-secret": {200: ofThing("POST", ofKey("/rotate-secret"), nil)},
	"DELETE /api/v1/api-keys/{id}":             {204: ofThing("DELETE", ofKey(""), nil)},
}

func (g *ground) newNode(slug string) m {
	return m{"parent_node_id": g.root, "node_type": "region", "name": "East", "slug": slug, "metadata": m{"code": 7}}
}
