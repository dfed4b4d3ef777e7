package replicas_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
)

// write is a call that changes the world, and what it means for the rows.
type write struct {
	what, method, path, body string
	// done keeps what is to be known of the answer by whoever writes next, and gives the
	// meaning: what it does to a world in which it was possible.
	done func(answer) func(*oracle.World)
}

// means is done of a write whose answer says nothing new.
func means(fn func(*oracle.World)) func(answer) func(*oracle.World) {
	return func(answer) func(*oracle.World) { return fn }
}

// someWrite is any write.
func (w *world) someWrite(r *rand.Rand) write {
	of, at, role, key := pick(r, w.people), pick(r, w.nodes), pick(r, w.roles), pick(r, w.keys)
	on := r.IntN(5) < 3
	switch n := r.IntN(100); {
	case n < 30:
		return w.grant(of, at, role)
	case n < 48:
		return w.revoke(r)
	case n < 56:
		return w.switchRole(role, on)
	case n < 66:
		return w.setKeys(r, role)
	case n < 74:
		return w.moveNode(pick(r, w.nodes[1:]), at)
	case n < 82:
		return w.switchNode(pick(r, w.nodes[1:]), on)
	case n < 89:
		return w.switchPerson(of, on)
	case n < 94:
		return w.membership(of, on)
	case n < 97:
		return w.dropKey(key)
	default:
		return w.addKey(key)
	}
}

func (w *world) grant(of, at, role id.ID) write {
	body := fmt.Sprintf(`{"identity_id":%q,"node_id":%q,"role_id":%q}`, of, at, role)
	return write{"grant", http.MethodPost, "/assignments", body, func(a answer) func(*oracle.World) {
		made, err := id.Parse[id.ID](a.id())
		if err != nil {
			return nil
		}
		row := decide.Assignment{ID: made, Identity: of, Node: at, Role: role, From: decide.Beginning, To: decide.Forever}
		key := oracle.Key{ID: made, Identity: of, Node: at}
		w.mu.Lock()
		w.grants = append(w.grants, key)
		w.mu.Unlock()
		return func(w *oracle.World) { w.Assignments[key] = row }
	}}
}

// revoke takes a grant that somebody knows of, or else gives one.
func (w *world) revoke(r *rand.Rand) write {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.grants) == 0 {
		return w.grant(pick(r, w.people), pick(r, w.nodes), pick(r, w.roles))
	}
	i := r.IntN(len(w.grants))
	key := w.grants[i]
	w.grants[i] = w.grants[len(w.grants)-1]
	w.grants = w.grants[:len(w.grants)-1]
	return write{
		"revoke", http.MethodDelete, "/assignments/" + key.ID.String(), "",
		means(func(w *oracle.World) { delete(w.Assignments, key) }),
	}
}

func (w *world) switchRole(role id.ID, on bool) write {
	return write{
		"role switch", http.MethodPatch, "/roles/" + role.String(), fmt.Sprintf(`{"is_active":%t}`, on),
		means(func(w *oracle.World) {
			row := w.Roles[role]
			row.Active = on
			w.Roles[role] = row
		}),
	}
}

func (w *world) setKeys(r *rand.Rand, role id.ID) write {
	var keys, quoted []string
	for _, key := range w.keys {
		if r.IntN(2) == 0 {
			keys, quoted = append(keys, key), append(quoted, fmt.Sprintf("%q", key))
		}
	}
	body := `{"permission_keys":[` + strings.Join(quoted, ",") + `]}`
	return write{
		"role permissions", http.MethodPut, "/roles/" + role.String() + "/permissions", body,
		means(func(w *oracle.World) {
			row := w.Roles[role]
			row.Permissions = keys
			w.Roles[role] = row
		}),
	}
}

func (w *world) moveNode(of, below id.ID) write {
	body := fmt.Sprintf(`{"parent_node_id":%q}`, below)
	return write{
		"node move", http.MethodPost, "/nodes/" + of.String() + "/move", body,
		means(func(w *oracle.World) {
			row := w.Nodes[of]
			row.Parent = below
			w.Nodes[of] = row
		}),
	}
}

func (w *world) switchNode(of id.ID, on bool) write {
	status := map[bool]string{true: "active", false: "inactive"}[on]
	return write{
		"node switch", http.MethodPatch, "/nodes/" + of.String(), fmt.Sprintf(`{"status":%q}`, status),
		means(func(w *oracle.World) {
			row := w.Nodes[of]
			row.Active = on
			w.Nodes[of] = row
		}),
	}
}

func (w *world) switchPerson(of id.ID, on bool) write {
	verb := map[bool]string{true: "activate", false: "deactivate"}[on]
	return write{
		"person switch", http.MethodPost, "/identities/" + of.String() + "/" + verb, "",
		means(func(w *oracle.World) {
			row := w.Members[of]
			row.IdentityActive = on
			w.Members[of] = row
		}),
	}
}

// membership brings somebody back, or removes him with all he has.
func (w *world) membership(of id.ID, is bool) write {
	meaning := means(func(w *oracle.World) {
		row := w.Members[of]
		row.MembershipActive = is
		w.Members[of] = row
		if !is {
			w.Apply(decide.Edit{Changes: []decide.Change{decide.DropAssignments{Identity: of}}})
		}
	})
	if is {
		return write{
			"member back", http.MethodPost, "/memberships/bulk-attach",
			fmt.Sprintf(`{"identity_ids":[%q]}`, of), meaning,
		}
	}
	return write{"member removed", http.MethodDelete, "/identities/" + of.String(), "", meaning}
}

func (w *world) dropKey(key string) write {
	w.mu.Lock()
	defer w.mu.Unlock()
	return write{
		"permission deleted", http.MethodDelete, "/permissions/" + w.of[key], "",
		means(func(w *oracle.World) {
			w.Apply(decide.Edit{Changes: []decide.Change{decide.DropPermission{Key: key}}})
		}),
	}
}

func (w *world) addKey(key string) write {
	return write{"permission", http.MethodPost, "/permissions", permissionBody(key), func(a answer) func(*oracle.World) {
		w.mu.Lock()
		w.of[key] = a.id()
		w.mu.Unlock()
		return func(w *oracle.World) { w.Permissions[key] = true }
	}}
}

// someQuestion asks about anybody anywhere, now and then about nobody.
func (w *world) someQuestion(r *rand.Rand) (decide.Question, string) {
	q := decide.Question{Identity: pick(r, w.people), Permission: pick(r, w.keys), Node: pick(r, w.nodes)}
	switch r.IntN(40) {
	case 0:
		q.Identity = newID()
	case 1:
		q.Node = newID()
	case 2, 3, 4:
		q.Scope, q.Node = decide.AppWide, id.ID{}
		return q, fmt.Sprintf(`{"identity_id":%q,"permission":%q,"scope":"app_wide"}`, q.Identity, q.Permission)
	}
	return q, fmt.Sprintf(`{"identity_id":%q,"permission":%q,"scope":"node","node_id":%q}`,
		q.Identity, q.Permission, q.Node)
}

// newID names nothing.
func newID() (of id.ID) {
	copy(of[:], secret.NewToken().Reveal())
	return of
}
