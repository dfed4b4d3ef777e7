package serverbench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// world is what was made, and names of it.
type world struct {
	rnd *rand.Rand

	account, environment string // paths in the portal

	key           string
	keys          []string // of many Environments
	people, roles []id.ID
	bundles       map[string]string // by the name of a role: one of its permissions
	granted       []string          // by role, likewise

	nodes   []id.ID // the root first, each before those below it
	parents []int32 // of nodes, where they stand among them; -1 for the root

	questions []decide.Question
}

const (
	permissions = 200 // of the catalogue
	perRole     = 20
	depth       = 8
	asked       = 4096 // different questions
	bulkSize    = 1000
	bulks       = 16 // different ones
)

func permissionOf(n int) string { return fmt.Sprintf("area%d.action%d", n/10, n) }

// fill makes the world by the API, as a customer would.
func (s *stand) fill(ctx context.Context) error {
	if err := s.call(ctx, http.MethodPost, s.environment+"/import", s.dump(), nil); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		s.readTree, s.readRoles, s.addPeople, s.addGrants, s.addKeys,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.prepare()
	return nil
}

type object = map[string]any

// dump is the tree, the catalogue and the roles. Each level is wider than the one above.
func (s *stand) dump() object {
	var catalogue, roles, nodes []object
	s.bundles = map[string]string{}
	for n := range permissions {
		catalogue = append(catalogue, object{
			"key": permissionOf(n), "name": permissionOf(n), "description": nil, "category": "area",
		})
	}
	for n := range s.options.Roles {
		var keys []string
		for _, k := range s.rnd.Perm(permissions)[:perRole] {
			keys = append(keys, permissionOf(k))
		}
		name := fmt.Sprintf("Role %d", n)
		s.bundles[name] = keys[0]
		roles = append(roles, object{
			"name": name, "description": nil, "is_active": true, "permission_keys": keys,
		})
	}
	types, children := []string{}, object{}
	for n := range depth {
		types = append(types, fmt.Sprintf("level%d", n))
		if n > 0 {
			children[types[n-1]] = []string{types[n]}
		}
	}
	var above, level []id.ID
	for width, n := 1, 0; len(nodes) < s.options.Nodes; n++ {
		for range min(width, s.options.Nodes-len(nodes)) {
			of := id.New[id.ID](time.Now())
			node := object{
				"id": of, "ref": of, "parent_node_id": nil, "node_type": types[n], "name": fmt.Sprintf("Unit %d", len(nodes)),
				"description": nil, "slug": fmt.Sprintf("unit-%d", len(nodes)), "status": "active", "metadata": object{},
			}
			if n > 0 {
				node["parent_node_id"] = above[s.rnd.IntN(len(above))]
			}
			nodes, level = append(nodes, node), append(level, of)
		}
		if width = widened(width, s.options.Nodes); n == depth-2 {
			width = s.options.Nodes
		}
		above, level = level, nil
	}
	return object{
		"format_version": 1, "access_model": "hierarchy",
		"source_env": object{
			"id": id.New[id.ID](time.Now()), "name": "Made", "slug": "made", "application_slug": "made",
			"exported_at": "2026-01-01T00:00:00.000Z",
		},
		"hierarchy_schema": object{
			"node_types": types, "allowed_children": children, "max_depth": depth, "root_node_type": types[0],
		},
		"permissions": catalogue, "roles": roles, "nodes": nodes, "oauth_clients": []any{}, "webhooks": []any{},
	}
}

// widened is how wide the next level is, so that the last one holds most of the nodes.
func widened(width, nodes int) int {
	return max(width+1, int(float64(width)*math.Pow(float64(nodes), 1/float64(depth-1))))
}

// readTree reads which ids the nodes were given.
func (s *stand) readTree(ctx context.Context) error {
	var edges struct {
		Items []struct {
			ID     id.ID `json:"id"`
			Parent id.ID `json:"parent_node_id"`
		} `json:"items"`
	}
	if err := s.call(ctx, http.MethodGet, s.environment+"/nodes/parents", nil, &edges); err != nil {
		return err
	}
	at := map[id.ID]int32{{}: -1}
	for n, e := range edges.Items {
		at[e.ID] = int32(n)
		s.nodes, s.parents = append(s.nodes, e.ID), append(s.parents, at[e.Parent])
	}
	return nil
}

// readRoles reads which ids the roles were given.
func (s *stand) readRoles(ctx context.Context) error {
	var list struct {
		Items []struct {
			ID   id.ID  `json:"id"`
			Name string `json:"name"`
		} `json:"items"`
	}
	if err := s.call(ctx, http.MethodGet, s.environment+"/roles?type=custom", nil, &list); err != nil {
		return err
	}
	for _, r := range list.Items {
		s.roles, s.granted = append(s.roles, r.ID), append(s.granted, s.bundles[r.Name])
	}
	return nil
}

// made is the answer of a call that makes something, one by one or in bulk.
type made struct {
	Data struct {
		ID  id.ID  `json:"id"`
		Key string `json:"key"`
	} `json:"data"`
	Results []struct {
		Data struct {
			ID id.ID `json:"id"`
		} `json:"data"`
	} `json:"results"`
}

func (s *stand) addPeople(ctx context.Context) error {
	for len(s.people) < s.options.Identities {
		var rows []object
		for n := len(s.people); n < min(len(s.people)+200, s.options.Identities); n++ {
			rows = append(rows, object{
				"email": fmt.Sprintf("person%d@canopy.example", n), "first_name": "Person", "last_name": strconv.Itoa(n),
			})
		}
		var a made
		body := object{"identities": rows}
		if err := s.call(ctx, http.MethodPost, s.environment+"/identities/bulk-create", body, &a); err != nil {
			return err
		}
		for _, r := range a.Results {
			s.people = append(s.people, r.Data.ID)
		}
	}
	return nil
}

func (s *stand) addGrants(ctx context.Context) error {
	seen := map[[3]int]bool{}
	var rows []object
	for len(seen) < s.options.Assignments {
		of := [3]int{s.rnd.IntN(len(s.people)), s.rnd.IntN(len(s.nodes)), s.rnd.IntN(len(s.roles))}
		if !seen[of] {
			seen[of] = true
			rows = append(rows, object{
				"identity_id": s.people[of[0]], "node_id": s.nodes[of[1]], "role_id": s.roles[of[2]],
			})
		}
	}
	return s.assign(ctx, rows)
}

// assign gives roles.
func (s *stand) assign(ctx context.Context, rows []object) error {
	for piece := range slices.Chunk(rows, 1000) {
		body := object{"assignments": piece}
		if err := s.call(ctx, http.MethodPost, s.environment+"/assignments/bulk-create", body, nil); err != nil {
			return err
		}
	}
	return nil
}

// addKeys makes an API key for the world, and further Environments with one each.
func (s *stand) addKeys(ctx context.Context) error {
	key := func(at string) (string, error) {
		var a made
		err := s.call(ctx, http.MethodPost, at+"/api-keys", object{"name": "Bench", "access_mode": "full_access"}, &a)
		return a.Data.Key, err
	}
	var err error
	if s.key, err = key(s.environment); err != nil {
		return err
	}
	s.keys = []string{s.key}
	for n := 1; len(s.keys) < s.options.Many; n++ {
		name := fmt.Sprintf("more-%d", n)
		body := object{"name": name, "slug": name}
		if err := s.call(ctx, http.MethodPost, s.account+"/applications", body, nil); err != nil {
			return err
		}
		for _, env := range []string{"development", "production"} {
			k, err := key(s.account + "/applications/" + name + "/environments/" + env)
			if err != nil {
				return err
			}
			s.keys = append(s.keys, k)
		}
	}
	s.keys = s.keys[:s.options.Many]
	return nil
}

// prepare makes the questions, and the requests that ask them.
func (s *stand) prepare() {
	of := func(list []id.ID) id.ID { return list[s.rnd.IntN(len(list))] }
	for range asked {
		s.questions = append(s.questions, decide.Question{
			Identity: of(s.people), Permission: permissionOf(s.rnd.IntN(permissions)), Scope: decide.AtNode,
			Node: of(s.nodes),
		})
	}
	each := func(l *load, request func(q decide.Question) string) {
		l.addr = s.addr
		for _, q := range s.questions {
			l.requests = append(l.requests, request(q))
		}
	}
	post := func(key, path, body string) string {
		return s.request(http.MethodPost, "/api/v1/permissions/"+path, key, body)
	}
	each(&s.nothing, func(q decide.Question) string {
		return s.request(http.MethodPost, nothingPath, s.key, question(q))
	})
	each(&s.evaluate, func(q decide.Question) string { return post(s.key, "evaluate", question(q)) })
	each(&s.spread, func(q decide.Question) string {
		return post(s.keys[s.rnd.IntN(len(s.keys))], "evaluate", question(q))
	})
	each(&s.explain, func(q decide.Question) string {
		return post(s.key, "evaluate/explain", fmt.Sprintf(`{"identity_id":%q,"permission":%q,"node_id":%q}`,
			q.Identity, q.Permission, q.Node))
	})
	each(&s.accessible, func(q decide.Question) string {
		return post(s.key, "accessible-nodes", fmt.Sprintf(`{"identity_id":%q,"permission":%q}`, q.Identity, q.Permission))
	})
	each(&s.whoCan, func(q decide.Question) string {
		return post(s.key, "who-can", fmt.Sprintf(`{"permission":%q,"node_id":%q}`, q.Permission, q.Node))
	})
	each(&s.held, func(q decide.Question) string {
		return s.request(http.MethodGet, "/api/v1/identities/"+q.Identity.String()+"/permissions", s.key, "")
	})
	s.bulk.addr = s.addr
	for from := 0; from < bulks*bulkSize; from += bulkSize {
		list := make([]string, bulkSize)
		for n := range list {
			list[n] = question(s.questions[(from+n)%asked])
		}
		body := `{"checks":[` + strings.Join(list, ",") + `]}`
		s.bulk.requests = append(s.bulk.requests, post(s.key, "evaluate/bulk", body))
	}
}

// question is the body of one that is asked.
func question(q decide.Question) string {
	return fmt.Sprintf(`{"identity_id":%q,"permission":%q,"scope":"node","node_id":%q}`,
		q.Identity, q.Permission, q.Node)
}

// give gives a role, for a time, and answers the id of the assignment.
func (s *stand) give(ctx context.Context, person, node, role id.ID) (of id.ID, err error) {
	var a made
	err = s.call(ctx, http.MethodPost, s.environment+"/assignments", object{
		"identity_id": person, "node_id": node, "role_id": role, "effective_to": "2999-01-01T00:00:00Z",
	}, &a)
	return a.Data.ID, err
}

func (s *stand) take(ctx context.Context, of id.ID) error {
	return s.call(ctx, http.MethodDelete, s.environment+"/assignments/"+of.String(), nil, nil)
}

// giveAndTake gives a role and takes it back.
func (s *stand) giveAndTake(ctx context.Context, n int) error {
	of, err := s.give(ctx, s.people[n%len(s.people)], s.nodes[n%len(s.nodes)], s.roles[n%len(s.roles)])
	if err != nil {
		if strings.Contains(err.Error(), "assignment_conflict") {
			return nil // it was given when the world was made
		}
		return err
	}
	return s.take(ctx, of)
}
