package replicas_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// world is what the clients write to and ask about. What is in it changes meanwhile: the
// things here are those that the clients know of.
type world struct {
	*client
	t      testing.TB
	nodes  []id.ID // the root first
	people []id.ID
	roles  []id.ID
	names  map[id.ID]string
	keys   []string // of permissions

	mu     sync.Mutex
	grants []oracle.Key      // that somebody has given; they may be gone
	of     map[string]string // ids of permissions, as last heard

	first    *oracle.World // at the revision that the clients begin at
	revision uint64
}

const (
	someNodes  = 14
	somePeople = 8
	someRoles  = 5
	someKeys   = 5
)

func parsed(t testing.TB, text string) id.ID {
	t.Helper()
	of, err := id.Parse[id.ID](text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return of
}

// newWorld makes it, by calls of the first process.
func newWorld(c *cluster) *world {
	c.t.Helper()
	w := &world{client: newClient(c), t: c.t, names: map[id.ID]string{}, of: map[string]string{}, first: oracle.New()}
	var m made
	w.must(c.t, http.MethodPost, "/v1/auth/login", fmt.Sprintf(`{"email":%q,"password":%q}`, owner, password), &m)
	const environment = "/portal/v1/accounts/acme/applications/desk/environments/development"
	as := "Bearer " + m.Data.AccessToken
	w.must(c.t, http.MethodPut, environment+"/access-model", `{"model":"hierarchy"}`, nil, "Authorization", as)
	w.must(c.t, http.MethodPatch, environment+"/hierarchy-schema", `{"node_types":["unit"],
		"allowed_children":{"unit":["unit"]},"max_depth":16,"root_node_type":"unit"}`, nil, "Authorization", as)
	w.must(c.t, http.MethodPost, environment+"/api-keys", `{"name":"Product","access_mode":"full_access"}`, &m,
		"Authorization", as)
	w.key = m.Data.Key
	w.tree()
	w.access()
	return w
}

// tree makes the nodes, a few below each other.
func (w *world) tree() {
	w.t.Helper()
	var tree struct {
		Data struct {
			Tree []struct {
				ID string `json:"id"`
			} `json:"tree"`
		} `json:"data"`
	}
	w.must(w.t, http.MethodGet, "/api/v1/nodes?depth=1", "", &tree)
	w.nodes = []id.ID{parsed(w.t, tree.Data.Tree[0].ID)}
	w.first.Nodes[w.nodes[0]] = node(w.nodes[0], id.ID{})
	for i := range someNodes {
		above := w.nodes[i/2]
		of := w.make("/nodes", fmt.Sprintf(`{"parent_node_id":%q,"node_type":"unit","name":"Unit %d"}`, above, i))
		w.nodes = append(w.nodes, of)
		w.first.Nodes[of] = node(of, above)
	}
}

// access makes permissions, roles and people.
func (w *world) access() {
	w.t.Helper()
	for i := range someKeys {
		key := fmt.Sprintf("thing.do%d", i)
		w.keys = append(w.keys, key)
		w.of[key] = w.make("/permissions", permissionBody(key)).String()
		w.first.Permissions[key] = true
	}
	for i := range someRoles {
		name := fmt.Sprintf("Role %d", i)
		of := w.make("/roles", fmt.Sprintf(`{"name":%q}`, name))
		w.roles = append(w.roles, of)
		w.names[of] = name
		w.first.Roles[of] = decide.Role{ID: of, Name: name, Active: true}
	}
	for i := range somePeople {
		of := w.make("/identities", fmt.Sprintf(`{"email":"p%d@acme.test","first_name":"P","last_name":"Doe"}`, i))
		w.people = append(w.people, of)
		w.first.Members[of] = decide.Member{Identity: of, IdentityActive: true, MembershipActive: true}
	}
}

func permissionBody(key string) string {
	return fmt.Sprintf(`{"permissions":[{"key":%q,"name":%q,"category":"thing"}]}`, key, key)
}

// make makes one thing.
func (w *world) make(path, body string) id.ID {
	w.t.Helper()
	a := w.at(w.t.Context(), 0, http.MethodPost, "/api/v1"+path, body)
	if a.status != http.StatusCreated {
		w.t.Fatalf("%s answers %d: %s", path, a.status, a.raw)
	}
	w.revision = a.revision
	return parsed(w.t, a.id())
}

// pick gives one of a list.
func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func node(of, parent id.ID) decide.Node { return decide.Node{ID: of, Parent: parent, Active: true} }
