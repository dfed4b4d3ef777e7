package scenario_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/scenario"
)

// change makes one change of a thing that is there, or makes a role.
func (e *webEnvironment) change(c scenario.Change) {
	switch c := c.(type) {
	case scenario.DropPermission:
		e.must(204, "DELETE", "/permissions/"+e.id("permission", c.Key), nil)
		for ref, r := range e.roles {
			r.Permissions = slices.DeleteFunc(slices.Clone(r.Permissions), func(k string) bool { return k == c.Key })
			e.roles[ref] = r
		}
	case scenario.PutRole:
		e.putRole(c.Role)
	case scenario.DropRole:
		e.must(204, "DELETE", "/roles/"+e.id("role", c.Ref), nil)
		delete(e.roles, c.Ref)
		delete(e.off, c.Ref)
		e.taken(func(a scenario.Assignment) bool { return a.Role == c.Ref })
	case scenario.DropNode:
		e.dropNode(c.Name)
	case scenario.RemoveMember:
		e.must(204, "DELETE", "/identities/"+e.id("identity", c.Name), nil)
		e.identities[c.Name] = c.Identity
		e.taken(func(a scenario.Assignment) bool { return a.Identity == c.Name })
	case scenario.EraseIdentity:
		e.portal(e.now, 204, "DELETE", "/identities/"+e.id("identity", c.Name), nil)
		delete(e.identities, c.Name)
		e.taken(func(a scenario.Assignment) bool { return a.Identity == c.Name })
	case scenario.DropAssignment:
		e.must(204, "DELETE", "/assignments/"+e.id("assignment", c.Ref), nil)
		delete(e.given, c.Ref)
	case scenario.Away:
		e.later = append(e.later, func() { e.away(c) })
	default:
		e.t.Fatalf("unknown change %T", c)
	}
}

// taken forgets the assignments that went along with something.
func (e *webEnvironment) taken(which func(scenario.Assignment) bool) {
	maps.DeleteFunc(e.given, func(_ string, a scenario.Assignment) bool { return which(a) })
}

// putRole makes a role, or changes what is different. A new role is switched off at the end of
// the edit, since one that is off can't be given to anybody.
func (e *webEnvironment) putRole(r scenario.Role) {
	was, there := e.roles[r.Ref]
	if !there {
		for _, other := range e.roles {
			if strings.EqualFold(other.Name, r.Name) {
				e.refuseAlike(r)
				return
			}
		}
		e.name("role", r.Ref, e.must(201, "POST", "/roles", m{"name": r.Name}).Text("data", "id"))
		was = scenario.Role{Ref: r.Ref, Name: r.Name, Active: true}
	}
	e.roles[r.Ref] = r
	of := "/roles/" + e.id("role", r.Ref)
	if r.Name != was.Name {
		e.must(200, "PATCH", of, m{"name": r.Name})
	}
	if !slices.Equal(r.Permissions, was.Permissions) {
		keys := append([]string{}, r.Permissions...)
		e.must(200, "PUT", of+"/permissions", m{"permission_keys": keys})
	}
	if r.Active == was.Active {
		return
	}
	turn := func() {
		e.must(200, "PATCH", of, m{"is_active": r.Active})
		e.off[r.Ref] = !r.Active
	}
	if there {
		turn()
	} else {
		e.later = append(e.later, turn)
	}
}

// dropNode deletes a node, with all below it. Their ids are kept, to be asked about.
func (e *webEnvironment) dropNode(name string) {
	e.must(204, "DELETE", "/nodes/"+e.id("node", name), nil)
	gone := map[string]bool{}
	for of := range e.nodes {
		at := of
		for at != "" && at != name {
			at = e.nodes[at].Parent
		}
		gone[of] = at == name
	}
	maps.DeleteFunc(e.nodes, func(of string, _ scenario.Node) bool { return gone[of] })
	e.taken(func(a scenario.Assignment) bool { return gone[a.Node] })
}

// away gives a name to what is not here: it is made and deleted, or lies in another
// Environment.
func (e *webEnvironment) away(c scenario.Away) {
	const elsewhere = application + "/environments/production"
	body := m{
		"email": fmt.Sprintf("%s-%d@acme.example", c.Name, e.begun), "first_name": c.Name, "last_name": "Doe",
	}
	switch {
	case c.Kind == "node" && c.Deleted:
		root := e.must(200, "GET", "/nodes?depth=1", nil).Text("data", "tree", "0", "id")
		node := e.must(201, "POST", "/nodes", m{"parent_node_id": root, "node_type": "unit", "name": c.Name})
		e.must(204, "DELETE", "/nodes/"+e.name("node", c.Name, node.Text("data", "id")), nil)
	case c.Kind == "node":
		tree := e.portal(e.now, 200, "GET", elsewhere+"/nodes?depth=1", nil)
		e.name("node", c.Name, tree.Text("data", "tree", "0", "id"))
	case c.Deleted:
		made := e.must(201, "POST", "/identities", body)
		e.portal(e.now, 204, "DELETE", "/identities/"+e.name("identity", c.Name, made.Text("data", "id")), nil)
	default:
		made := e.portal(e.now, 201, "POST", elsewhere+"/identities", body)
		e.name("identity", c.Name, made.Text("data", "id"))
	}
}
