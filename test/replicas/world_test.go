package replicas_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

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

	main    *credential // an API key that stays
	owner   *credential
	adminID string // of another portal user

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
	w.signInOwner()
	w.must(c.t, w.owner, http.MethodPut, portalPlace+"/access-model", `{"model":"hierarchy"}`, nil)
	w.must(c.t, w.owner, http.MethodPatch, portalPlace+"/hierarchy-schema", `{"node_types":["unit"],
		"allowed_children":{"unit":["unit"]},"max_depth":16,"root_node_type":"unit"}`, nil)
	var m made
	w.must(c.t, w.owner, http.MethodPost, portalPlace+"/api-keys", `{"name":"Product","access_mode":"full_access"}`, &m)
	w.main = byKey(m.Data.Key)
	w.main.asked(time.Time{})
	w.main.born(time.Time{})
	w.join(c)
	w.tree()
	w.access()
	return w
}

const (
	owner     = "alex@acme.test"
	admin     = "kim@acme.test"
	password  = "Correct-Horse-7"
	loginPath = "/v1/auth/login"
	// logoutPath ends a session, or all of the same person.
	logoutPath = "/v1/auth/logout"
)

func signIn(email string) string { return fmt.Sprintf(`{"email":%q,"password":%q}`, email, password) }

// signInOwner signs the owner in, whose tokens live for an hour.
func (w *world) signInOwner() {
	w.t.Helper()
	a := w.insist(w.t, anybody, http.MethodPost, loginPath, signIn(owner))
	w.owner = byToken(a.made().Data.AccessToken, accountPlace)
	w.owner.asked(time.Time{})
	w.owner.born(time.Time{})
}

// join brings the admin in.
func (w *world) join(c *cluster) {
	w.t.Helper()
	w.must(w.t, w.owner, http.MethodPost, accountPlace+"/user-invites",
		fmt.Sprintf(`{"email":%q,"first_name":"Kim","last_name":"Roe"}`, admin), nil)
	link := regexp.MustCompile(`#token=([\w-]+)`).FindStringSubmatch(c.mails.Wait(w.t, 1)[0].Text)
	if link == nil {
		w.t.Fatal("no link in the mail of an invite")
	}
	w.must(w.t, anybody, http.MethodPost, "/v1/auth/accept-invite",
		fmt.Sprintf(`{"token":%q,"first_name":"Kim","last_name":"Roe","password":%q}`, link[1], password), nil)
	var m made
	w.must(w.t, anybody, http.MethodPost, loginPath, signIn(admin), &m)
	w.adminID = m.Data.User.ID
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
	w.must(w.t, w.main, http.MethodGet, "/api/v1/nodes?depth=1", "", &tree)
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
	a := w.at(w.t.Context(), 0, w.main, http.MethodPost, publicPlace+path, body)
	if a.status != http.StatusCreated {
		w.t.Fatalf("%s answers %d: %s", path, a.status, a.raw)
	}
	w.revision = a.revision
	return parsed(w.t, a.id())
}

// pick gives one of a list.
func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func node(of, parent id.ID) decide.Node { return decide.Node{ID: of, Parent: parent, Active: true} }
