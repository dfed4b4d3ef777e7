package server_test

import (
	"canopy.dev/canopy/internal/server/servertest"
)

// codeCells are the calls that operations refuse with codes of their own: by the operation's
// id where it has one door, else as the contract writes it.
var codeCells = joinedCodes(
	placeCodes, givingCodes, creatingCodes(), invitingCodes, portalCodes, authCodes, eventCodes, webhookCodes,
)

// asOwner is a call in the ground's Account, of a path below it.
func asOwner(method, below string, body any) produce {
	return func(g *ground) answer { return g.owner.Do(method, g.account()+below, body) }
}

// of is a call about the ground's system permission or role, or its root.
func (g *ground) system(what string) string {
	list := map[string]string{"permissions": "?source=system", "roles": "?type=system"}[what]
	return "/" + what + "/" + g.owner.Must(200, "GET", g.at+"/"+what+list, nil).Text("items", "0", "id")
}

func ofSystem(method, what, suffix string, body any) produce {
	return func(g *ground) answer { return g.call(method, g.system(what)+suffix, body) }
}

func ofRoot(method, suffix string, body any) produce {
	return func(g *ground) answer { return g.call(method, "/nodes/"+g.root+suffix, body) }
}

// organized makes the node an organization, as their routes will.
func (g *ground) organized() string {
	g.p.Execute(`UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, g.node)
	return g.node
}

// environmentID is the id of the ground's Environment.
func (g *ground) environmentID() string {
	return g.owner.Must(200, "GET", g.at, nil).Text("data", "id")
}

// crowded plants as many rows as there may be.
func (g *ground) crowded(statement string) { g.p.Execute(statement, g.environmentID()) }

const (
	manyRoles = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
		INSERT INTO role (id, environment_id, name, name_fold, is_active, version, created_at, updated_at)
		SELECT $1 || CAST(i AS TEXT), $1, CAST(i AS TEXT), CAST(i AS TEXT), 1, 1, 0, 0 FROM n`
	manyPermissions = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
		INSERT INTO permission (id, environment_id, key, name, category, category_fold, source, version, created_at,
			updated_at)
		SELECT $1 || CAST(i AS TEXT), $1, 'many.k' || CAST(i AS TEXT), 'K', 'c', 'c', 'custom', 1, 0, 0 FROM n`
	manyNodes = `UPDATE tally SET n = 1000000 WHERE kind = 'status' AND environment_id = $1`
	manyKeys  = `INSERT INTO api_key (id, environment_id, name, name_fold, description, access_mode, scopes, key_hash,
			key_preview, is_active, created_at, updated_at)
		WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 499)
		SELECT 'x' || n.n || k.id, environment_id, name, name_fold, NULL, access_mode, scopes, 'x' || n.n || key_hash,
			key_preview, 1, created_at, updated_at FROM api_key k, n WHERE environment_id = $1`
)

// full calls where there are as many as there may be.
func full(rows string, call produce) produce {
	return func(g *ground) answer {
		g.crowded(rows)
		return call(g)
	}
}

// weakly calls with a key that may make keys, and nothing else.
func weakly(method, path string, of func(g *ground) string, body any) produce {
	return func(g *ground) answer {
		weak := g.owner.Key(g.at, "api_key.manage")
		at := "/api/v1/api-keys"
		if of != nil {
			at += "/" + of(g) + path
		}
		return g.s.Client().Do(method, at, body, "X-API-Key", weak)
	}
}

// strongKey is one with full access, which is switched off.
func strongKey(g *ground) string {
	id := g.made("/api-keys", m{"name": "Strong", "access_mode": "full_access"})
	g.owner.Must(200, "PATCH", g.at+"/api-keys/"+id, m{"is_active": false})
	return id
}

// nodeDraft is the body that makes a node below the root.
func (g *ground) nodeDraft(more ...any) m {
	body := m{"parent_node_id": g.root, "node_type": "region", "name": "South"}
	for i := 0; i < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	return body
}

func creatingNode(draft func(g *ground) m) produce {
	return func(g *ground) answer { return g.call("POST", "/nodes", draft(g)) }
}

// deepest is a node at the lowest level that regions may have.
func (g *ground) deepest() string {
	at := g.node
	for range 4 {
		at = g.owner.Node(g.at, at, "region", "Deeper")
	}
	return at
}

// moving are the calls that move a node, one way or the other.
func moving(how func(g *ground, node, to string) answer) map[string]produce {
	return map[string]produce{
		"nodes.cycle": func(g *ground) answer { return how(g, g.node, g.owner.Node(g.at, g.node, "region", "Inner")) },
		"nodes.invalid_parent": func(g *ground) answer {
			return how(g, g.owner.Node(g.at, g.node, "office", "Office"), g.root)
		},
		"nodes.max_depth_exceeded": func(g *ground) answer {
			other := g.owner.Node(g.at, g.root, "region", "Other")
			g.owner.Node(g.at, other, "region", "Below")
			return how(g, other, g.deepest())
		},
		"nodes.slug_taken": func(g *ground) answer {
			other := g.owner.Node(g.at, g.root, "region", "Other")
			return how(g, g.owner.Node(g.at, other, "region", "North"), g.root)
		},
		"nodes.reserved_type": func(g *ground) answer {
			other := g.owner.Node(g.at, g.root, "region", "Other")
			return how(g, g.organized(), other)
		},
		"nodes.root_protected": func(g *ground) answer { return how(g, g.root, g.node) },
		"hierarchy.schema_not_configured": func(g *ground) answer {
			other := g.owner.Node(g.at, g.root, "region", "Other")
			g.p.Execute(`UPDATE environment SET hierarchy_schema = NULL WHERE id = $1`, g.environmentID())
			return how(g, g.node, other)
		},
	}
}

var placeCodes = map[string]map[string]produce{
	"POST /api/v1/permissions": {
		"permissions.key_taken": func(g *ground) answer {
			g.permission()
			return g.call("POST", "/permissions", newPermission("lease.read"))
		},
		"rbac.limit_reached": full(manyPermissions, func(g *ground) answer {
			return g.call("POST", "/permissions", newPermission("lease.read"))
		}),
	},
	"PATCH /api/v1/permissions/{id}": {
		"permissions.system_protected": ofSystem("PATCH", "permissions", "", m{"name": "X"}),
	},
	"DELETE /api/v1/permissions/{id}": {"permissions.system_protected": ofSystem("DELETE", "permissions", "", nil)},
	"POST /api/v1/roles": {
		"rbac.role_name_taken": ofThing("POST", fixed("/roles"), m{"name": "PLATFORM ADMIN"}),
		"rbac.limit_reached":   full(manyRoles, ofThing("POST", fixed("/roles"), m{"name": "Reader"})),
	},
	"PATCH /api/v1/roles/{id}": {
		"rbac.role_system_protected": ofSystem("PATCH", "roles", "", m{"name": "X"}),
		"rbac.role_name_taken":       ofThing("PATCH", ofRole(""), m{"name": "platform admin"}),
	},
	"DELETE /api/v1/roles/{id}": {"rbac.role_system_protected": ofSystem("DELETE", "roles", "", nil)},
	"PUT /api/v1/roles/{id}/permissions": {
		"rbac.role_system_protected": ofSystem("PUT", "roles", "/permissions", m{"permission_keys": []string{}}),
		"permissions.not_found":      ofThing("PUT", ofRole("/permissions"), m{"permission_keys": []string{"lease.none"}}),
		"permissions.system_not_grantable": ofThing("PUT", ofRole("/permissions"), m{
			"permission_keys": []string{"audit.view"},
		}),
		"version_conflict": stale("PUT", ofRole("/permissions"), m{"permission_keys": []string{}}),
	},
	"PATCH /api/v1/hierarchy-schema": {
		"precondition.malformed": ofThing("PATCH", fixed("/hierarchy-schema"), servertest.Schema(), "If-Match", "x"),
		"hierarchy.schema_invalid": func(g *ground) answer {
			schema := servertest.Schema()
			schema["root_node_type"] = "none"
			return g.call("PATCH", "/hierarchy-schema", schema)
		},
		"hierarchy.schema_in_use": func(g *ground) answer {
			schema := servertest.Schema()
			schema["max_depth"] = 1
			return g.call("PATCH", "/hierarchy-schema", schema)
		},
	},
	"POST /api/v1/nodes": {
		"nodes.node_not_found": creatingNode(func(g *ground) m { return g.nodeDraft("parent_node_id", servertest.NoID) }),
		"nodes.invalid_type":   creatingNode(func(g *ground) m { return g.nodeDraft("node_type", "planet") }),
		"nodes.invalid_parent": creatingNode(func(g *ground) m { return g.nodeDraft("node_type", "team") }),
		"nodes.root_exists": creatingNode(func(g *ground) m {
			return g.nodeDraft("parent_node_id", nil, "node_type", "company")
		}),
		"nodes.reserved_type": creatingNode(func(g *ground) m { return g.nodeDraft("node_type", "canopy:organization") }),
		"nodes.slug_taken":    creatingNode(func(g *ground) m { return g.nodeDraft("slug", "north") }),
		"nodes.max_depth_exceeded": creatingNode(func(g *ground) m {
			return g.nodeDraft("parent_node_id", g.deepest())
		}),
		"nodes.limit_reached": full(manyNodes, creatingNode(func(g *ground) m { return g.nodeDraft() })),
		"hierarchy.schema_not_configured": creatingNode(func(g *ground) m {
			g.p.Execute(`UPDATE environment SET access_model = 'flat' WHERE id = $1`, g.environmentID())
			return g.nodeDraft()
		}),
	},
	"POST /api/v1/nodes/{id}/move": moving(func(g *ground, node, to string) answer {
		return g.call("POST", "/nodes/"+node+"/move", m{"parent_node_id": to})
	}),
	"PATCH /api/v1/nodes/{id}": moving(func(g *ground, node, to string) answer {
		return g.call("PATCH", "/nodes/"+node, m{"parent_node_id": to})
	}),
	"DELETE /api/v1/nodes/{id}": {
		"nodes.root_protected": ofRoot("DELETE", "", nil),
		"nodes.reserved_type":  func(g *ground) answer { return g.call("DELETE", "/nodes/"+g.organized(), nil) },
	},
	"GET /api/v1/identities/{id}/permissions": {
		"nodes.node_not_found": ofThing("GET", ofIdentity("/permissions?node_id=none"), nil),
	},
	"POST /api/v1/permissions/evaluate/explain": {
		"identities.not_found": ofAsking(func(a asking) answer { return a.explain("nobody", a.node) }),
		"nodes.node_not_found": ofAsking(func(a asking) answer { return a.explain(a.who, "nowhere") }),
	},
	"POST /api/v1/api-keys": {
		"api_keys.scope_unknown":    ofThing("POST", fixed("/api-keys"), scopedKey("lease.unknown")),
		"api_keys.limit_reached":    full(manyKeys, ofThing("POST", fixed("/api-keys"), scopedKey("audit.view"))),
		"api_keys.scope_escalation": weakly("POST", "", nil, scopedKey("audit.view")),
	},
	"PATCH /api/v1/api-keys/{id}": {
		"api_keys.scope_escalation": weakly("PATCH", "", strongKey, m{"is_active": true}),
	},
	"POST /api/v1/api-keys/{id}/rotate-secret": {
		"api_keys.scope_escalation": weakly("POST", "/rotate-secret", strongKey, nil),
	},
	"DELETE /api/v1/identities/{id}/sessions/{sessionId}": {
		"auth.session_not_found": ofThing("DELETE", ofIdentity("/sessions/"+servertest.NoID), nil),
	},
	"POST /api/v1/identities/{id}/password": {
		"identities.password_breached": ofThing("POST", ofIdentity("/password"), m{"password": "sunshine"}),
	},
	"POST /api/v1/identities/{id}/password/reset": {"identities.inactive": func(g *ground) answer {
		path := "/identities/" + g.identity()
		g.call("POST", path+"/deactivate", nil)
		return g.call("POST", path+"/password/reset", nil)
	}},
	"POST /api/v1/memberships/bulk-attach": {
		"identities.already_member": func(g *ground) answer {
			return g.call("POST", "/memberships/bulk-attach", m{"identity_ids": []string{g.identity()}})
		},
		"identities.not_found": ofThing("POST", fixed("/memberships/bulk-attach"), m{
			"identity_ids": []string{servertest.NoID},
		}),
	},
}

func scopedKey(scopes ...string) m {
	return m{"name": "Backend", "access_mode": "scoped", "scopes": scopes}
}
