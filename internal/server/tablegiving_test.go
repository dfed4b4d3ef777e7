package server_test

import (
	"strings"

	"canopy.dev/canopy/internal/server/servertest"
)

// unfit are the ways in which a role at a node does not fit, as node and role.
var unfit = map[string]func(g *ground) (node, role string){
	"nodes.node_not_found": func(g *ground) (node, role string) { return servertest.NoID, g.role() },
	"nodes.reserved_type":  func(g *ground) (node, role string) { return g.organized(), g.role() },
	"rbac.role_not_found":  func(g *ground) (node, role string) { return g.node, servertest.NoID },
	"rbac.role_inactive": func(g *ground) (node, role string) {
		role = g.role()
		g.owner.Must(200, "PATCH", g.at+"/roles/"+role, m{"is_active": false})
		return g.node, role
	},
	"rbac.role_system_not_assignable": func(g *ground) (node, role string) {
		return g.node, strings.TrimPrefix(g.system("roles"), "/roles/")
	},
}

// giving are the refusals of giving ann a role.
func giving(send func(g *ground, body m) answer) map[string]produce {
	cells := map[string]produce{
		"identities.not_found": func(g *ground) answer {
			return send(g, m{"identity_id": servertest.NoID, "node_id": g.node, "role_id": g.role()})
		},
		"rbac.assignment_conflict": func(g *ground) answer {
			h := g.holding()
			return send(g, m{"identity_id": h.ann, "node_id": h.node, "role_id": h.reader})
		},
	}
	for code, how := range unfit {
		cells[code] = func(g *ground) answer {
			ann := g.owner.Person(g.at, "ann")
			node, role := how(g)
			return send(g, m{"identity_id": ann, "node_id": node, "role_id": role})
		}
	}
	return cells
}

// changing are the refusals of another role for what ann holds.
func changing(send func(h holding, role string) answer) map[string]produce {
	cells := map[string]produce{
		"rbac.assignment_conflict": ofHolding(func(h holding) answer {
			h.owner.Assign(h.at, h.ann, h.node, h.writer)
			return send(h, h.writer)
		}),
		"nodes.reserved_type": ofHolding(func(h holding) answer {
			h.organized()
			return send(h, h.writer)
		}),
		"rbac.role_not_found": ofHolding(func(h holding) answer { return send(h, servertest.NoID) }),
		"rbac.role_inactive": ofHolding(func(h holding) answer {
			h.owner.Must(200, "PATCH", h.at+"/roles/"+h.writer, m{"is_active": false})
			return send(h, h.writer)
		}),
		"rbac.role_system_not_assignable": ofHolding(func(h holding) answer {
			return send(h, strings.TrimPrefix(h.system("roles"), "/roles/"))
		}),
	}
	return cells
}

var givingCodes = joinedCodes(map[string]map[string]produce{
	"POST /api/v1/assignments": giving(func(g *ground, body m) answer { return g.call("POST", "/assignments", body) }),
	"POST /api/v1/assignments/bulk-create": giving(func(g *ground, body m) answer {
		return g.call("POST", "/assignments/bulk-create", m{"assignments": []m{body}})
	}),
	"PATCH /api/v1/assignments/{id}": changing(func(h holding, role string) answer {
		return h.call("PATCH", "/assignments/"+h.id, m{"role_id": role})
	}),
	"POST /api/v1/assignments/bulk-change-role": changing(func(h holding, role string) answer {
		body := m{"assignment_ids": []string{h.id}, "role_id": role}
		return h.call("POST", "/assignments/bulk-change-role", body)
	}),
}, map[string]map[string]produce{
	"POST /api/v1/assignments/bulk-change-role": {"rbac.assignment_not_found": func(g *ground) answer {
		body := m{"assignment_ids": []string{servertest.NoID}, "role_id": g.role()}
		return g.call("POST", "/assignments/bulk-change-role", body)
	}},
	"DELETE /api/v1/assignments/{id}": {"nodes.reserved_type": ofHolding(func(h holding) answer {
		h.organized()
		return h.call("DELETE", "/assignments/"+h.id, nil)
	})},
	"POST /api/v1/assignments/bulk-remove": {
		"nodes.reserved_type": ofHolding(func(h holding) answer {
			h.organized()
			return h.call("POST", "/assignments/bulk-remove", m{"assignment_ids": []string{h.id}})
		}),
		"rbac.assignment_not_found": ofThing("POST", fixed("/assignments/bulk-remove"), m{
			"assignment_ids": []string{servertest.NoID},
		}),
	},
	"bulkChangeAssignmentWindow": {
		"rbac.assignment_not_found": asOwner("POST", inDesk+"/assignments/bulk-change-window", m{
			"assignment_ids": []string{servertest.NoID}, "effective_to": nil,
		}),
	},
})

// creatingCodes are the refusals of a new identity, in each of the three tiers, alone and as
// one of many.
func creatingCodes() map[string]map[string]produce {
	all := map[string]map[string]produce{}
	for id, path := range map[string]string{
		"POST /api/v1/identities": "", "createApplicationIdentity": "/applications/desk/identities",
		"createDirectoryIdentity": "/identities",
	} {
		one := func(g *ground, body m) answer {
			if path == "" {
				return g.call("POST", "/identities", body)
			}
			return g.owner.Do("POST", g.account()+path, body)
		}
		many := func(g *ground, body m) answer {
			if path == "" {
				return g.call("POST", "/identities/bulk-create", m{"identities": []m{body}})
			}
			return g.owner.Do("POST", g.account()+path+"/bulk-create", m{"identities": []m{body}})
		}
		bulk := map[string]string{
			"POST /api/v1/identities":   "POST /api/v1/identities/bulk-create",
			"createApplicationIdentity": "bulkCreateApplicationIdentities",
			"createDirectoryIdentity":   "bulkCreateDirectoryIdentities",
		}[id]
		withRoles := id != "createDirectoryIdentity"
		all[id], all[bulk] = creatingOne(one, withRoles), creatingOne(many, withRoles)
	}
	all["createDirectoryIdentity"]["applications.not_found"] = func(g *ground) answer {
		body := newIdentity("")
		body["application_id"] = servertest.NoID
		return g.owner.Do("POST", g.account()+"/identities", body)
	}
	return all
}

// creatingOne are the refusals of one identity.
func creatingOne(send func(g *ground, body m) answer, withRoles bool) map[string]produce {
	cells := map[string]produce{
		"identities.email_taken": func(g *ground) answer {
			g.identity()
			return send(g, newIdentity(""))
		},
		"identities.external_id_taken": func(g *ground) answer {
			body := newIdentity("a")
			body["external_id"] = "hr-1"
			g.owner.Must(201, "POST", g.account()+"/identities", body)
			body["email"] = "b@acme.com"
			return send(g, body)
		},
		"identities.password_breached": func(g *ground) answer {
			body := newIdentity("")
			body["password"] = "sunshine"
			return send(g, body)
		},
	}
	for code, how := range unfit {
		if withRoles {
			cells[code] = func(g *ground) answer {
				body := newIdentity("")
				body["node_id"], body["role_id"] = how(g)
				return send(g, body)
			}
		}
	}
	return cells
}
