package server_test

import "canopy.dev/canopy/internal/server/servertest"

// asking is somebody who holds a role that grants lease.read at a node.
type asking struct {
	*ground
	who string
}

// ofAsking is a call about such a one.
func ofAsking(call func(a asking) answer) produce {
	return func(g *ground) answer {
		body := g.withRole()
		g.permission()
		path := g.at + "/roles/" + body["role_id"].(string) + "/permissions"
		g.owner.Must(200, "PUT", path, m{"permission_keys": []string{"lease.read"}})
		return call(asking{g, g.made("/identities", body)})
	}
}

func (a asking) at(node string) m {
	return m{"identity_id": a.who, "permission": "lease.read", "scope": "node", "node_id": node}
}

func (a asking) anywhere(who string) m {
	return m{"identity_id": who, "permission": "lease.read", "scope": "app_wide"}
}

func (a asking) explain(who, node string) answer {
	body := m{"identity_id": who, "permission": "lease.read", "node_id": node}
	return a.call("POST", "/permissions/evaluate/explain", body)
}

var decisionCells = map[string]map[int]produce{
	"POST /api/v1/permissions/evaluate": {
		200: ofAsking(func(a asking) answer { return a.call("POST", "/permissions/evaluate", a.at(a.node)) }),
		400: ofAsking(func(a asking) answer {
			body := a.anywhere(a.who)
			body["node_id"] = a.node
			return a.call("POST", "/permissions/evaluate", body)
		}),
	},
	"POST /api/v1/permissions/evaluate/bulk": {
		200: ofAsking(func(a asking) answer {
			checks := []m{a.at(a.node), a.at(a.root), a.at("none"), a.anywhere(a.who), a.anywhere("nobody")}
			return a.call("POST", "/permissions/evaluate/bulk", m{"checks": checks})
		}),
		400: ofAsking(func(a asking) answer {
			return a.call("POST", "/permissions/evaluate/bulk", m{"checks": []m{a.at(a.node), {"scope": "node"}}})
		}),
	},
	"POST /api/v1/permissions/evaluate/explain": {
		200: ofAsking(func(a asking) answer { return a.explain(a.who, a.node) }),
		404: ofAsking(func(a asking) answer { return a.explain(servertest.NoID, a.node) }),
	},
	"GET /api/v1/identities/{id}/permissions": {
		200: ofAsking(func(a asking) answer { return a.call("GET", "/identities/"+a.who+"/permissions", nil) }),
	},
	"GET /api/v1/identities/{id}/grants": {
		200: ofAsking(func(a asking) answer { return a.call("GET", "/identities/"+a.who+"/grants", nil) }),
	},
}
