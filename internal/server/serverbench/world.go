package serverbench

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
)

// world is what was made, and names of it.
type world struct {
	account, application string // paths in the portal
	key                  string
	keys                 []string // of many Environments
	nodes, people, roles []string
}

const (
	permissions = 200 // of the catalogue
	perRole     = 20
	depth       = 8
	asked       = 4096 // different questions
	bulkSize    = 1000
)

func permissionOf(n int) string { return fmt.Sprintf("area%d.action%d", n/10, n) }

// fill makes the world by the API, as a customer would.
func (s *stand) fill(ctx context.Context, rnd *rand.Rand) error {
	at := s.application + "/environments/development"
	if err := s.call(ctx, http.MethodPost, at+"/import", s.dump(rnd), nil); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *rand.Rand, string) error{
		s.readPlaces, s.addPeople, s.addGrants, s.addKeys,
	} {
		if err := step(ctx, rnd, at); err != nil {
			return err
		}
	}
	return s.prepare(rnd)
}

type object = map[string]any

// dump is the tree, the catalogue and the roles. Each level is wider than the one above.
func (s *stand) dump(rnd *rand.Rand) object {
	var catalogue, roles, nodes []object
	for n := range permissions {
		catalogue = append(catalogue, object{
			"key": permissionOf(n), "name": permissionOf(n), "description": nil, "category": "area",
		})
	}
	for n := range s.options.Roles {
		var keys []string
		for _, k := range rnd.Perm(permissions)[:perRole] {
			keys = append(keys, permissionOf(k))
		}
		roles = append(roles, object{
			"name": fmt.Sprintf("Role %d", n), "description": nil, "is_active": true, "permission_keys": keys,
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
				node["parent_node_id"] = above[rnd.IntN(len(above))]
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

// readPlaces reads which ids the nodes and roles were given.
func (s *stand) readPlaces(ctx context.Context, _ *rand.Rand, at string) error {
	var edges struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := s.call(ctx, http.MethodGet, at+"/nodes/parents", nil, &edges); err != nil {
		return err
	}
	for _, e := range edges.Items {
		s.nodes = append(s.nodes, e.ID)
	}
	edges.Items = nil
	if err := s.call(ctx, http.MethodGet, at+"/roles?type=custom", nil, &edges); err != nil {
		return err
	}
	for _, e := range edges.Items {
		s.roles = append(s.roles, e.ID)
	}
	return nil
}

// made is the answer of a call that makes something, one by one or in bulk.
type made struct {
	Data struct {
		ID  string `json:"id"`
		Key string `json:"key"`
	} `json:"data"`
	Results []struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	} `json:"results"`
}

func (s *stand) addPeople(ctx context.Context, _ *rand.Rand, at string) error {
	for len(s.people) < s.options.Identities {
		var rows []object
		for n := len(s.people); n < min(len(s.people)+200, s.options.Identities); n++ {
			rows = append(rows, object{
				"email": fmt.Sprintf("person%d@canopy.example", n), "first_name": "Person", "last_name": strconv.Itoa(n),
			})
		}
		var a made
		if err := s.call(ctx, http.MethodPost, at+"/identities/bulk-create", object{"identities": rows}, &a); err != nil {
			return err
		}
		for _, r := range a.Results {
			s.people = append(s.people, r.Data.ID)
		}
	}
	return nil
}

func (s *stand) addGrants(ctx context.Context, rnd *rand.Rand, at string) error {
	seen := map[[3]int]bool{}
	for len(seen) < s.options.Assignments {
		var rows []object
		for len(rows) < 1000 && len(seen) < s.options.Assignments {
			of := [3]int{rnd.IntN(len(s.people)), rnd.IntN(len(s.nodes)), rnd.IntN(len(s.roles))}
			if seen[of] {
				continue
			}
			seen[of] = true
			rows = append(rows, object{
				"identity_id": s.people[of[0]], "node_id": s.nodes[of[1]], "role_id": s.roles[of[2]],
			})
		}
		if err := s.call(ctx, http.MethodPost, at+"/assignments/bulk-create", object{"assignments": rows}, nil); err != nil {
			return err
		}
	}
	return nil
}

// addKeys makes an API key for the world, and further Environments with one each.
func (s *stand) addKeys(ctx context.Context, _ *rand.Rand, at string) error {
	key := func(at string) (string, error) {
		var a made
		err := s.call(ctx, http.MethodPost, at+"/api-keys", object{"name": "Bench", "access_mode": "full_access"}, &a)
		return a.Data.Key, err
	}
	var err error
	if s.key, err = key(at); err != nil {
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

// prepare makes the requests.
func (s *stand) prepare(rnd *rand.Rand) error {
	of := func(list []string) string { return list[rnd.IntN(len(list))] }
	question := func() string {
		return fmt.Sprintf(`{"identity_id":%q,"permission":%q,"scope":"node","node_id":%q}`,
			of(s.people), permissionOf(rnd.IntN(permissions)), of(s.nodes))
	}
	fill := func(l *load, n int, one func() string) {
		l.addr = s.addr
		for range n {
			l.requests = append(l.requests, one())
		}
	}
	post := func(key, path, body string) string {
		return request(http.MethodPost, s.addr, "/api/v1/permissions/"+path, key, body)
	}
	fill(&s.nothing, asked, func() string { return request(http.MethodPost, s.addr, nothingPath, s.key, question()) })
	fill(&s.evaluate, asked, func() string { return post(s.key, "evaluate", question()) })
	fill(&s.spread, asked, func() string { return post(of(s.keys), "evaluate", question()) })
	fill(&s.bulk, 16, func() string {
		list := make([]string, bulkSize)
		for i := range list {
			list[i] = question()
		}
		return post(s.key, "evaluate/bulk", `{"checks":[`+strings.Join(list, ",")+`]}`)
	})
	fill(&s.explain, asked, func() string {
		return post(s.key, "evaluate/explain", fmt.Sprintf(`{"identity_id":%q,"permission":%q,"node_id":%q}`,
			of(s.people), permissionOf(rnd.IntN(permissions)), of(s.nodes)))
	})
	fill(&s.accessible, asked, func() string {
		return post(s.key, "accessible-nodes", fmt.Sprintf(`{"identity_id":%q,"permission":%q}`,
			of(s.people), permissionOf(rnd.IntN(permissions))))
	})
	fill(&s.whoCan, asked, func() string {
		return post(s.key, "who-can", fmt.Sprintf(`{"permission":%q,"node_id":%q}`,
			permissionOf(rnd.IntN(permissions)), of(s.nodes)))
	})
	fill(&s.held, asked, func() string {
		return request(http.MethodGet, s.addr, "/api/v1/identities/"+of(s.people)+"/permissions", s.key, "")
	})
	return nil
}

// giveAndTake gives a role and takes it back.
func (s *stand) giveAndTake(ctx context.Context, n int) error {
	at := s.application + "/environments/development/assignments"
	body := object{
		"identity_id": s.people[n%len(s.people)], "node_id": s.nodes[n%len(s.nodes)], "role_id": s.roles[n%len(s.roles)],
		"effective_to": "2999-01-01T00:00:00Z",
	}
	var a made
	if err := s.call(ctx, http.MethodPost, at, body, &a); err != nil {
		if strings.Contains(err.Error(), "assignment_conflict") {
			return nil // it was given when the world was made
		}
		return err
	}
	return s.call(ctx, http.MethodDelete, at+"/"+a.Data.ID, nil, nil)
}
