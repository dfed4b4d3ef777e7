package accessapi_test

import (
	"maps"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// all are the provocations of permissions and roles, and those of trees.
func all() map[string]servertest.Provocation {
	joined := maps.Clone(rbacCodes)
	maps.Copy(joined, ofTrees)
	maps.Copy(joined, ofGrants)
	maps.Copy(joined, ofPreviews)
	return joined
}

// planted is the first Environment of a new Account with a tree: root ► North ► Office.
func planted(p provoker) (c *servertest.Client, at, root, north, office string) {
	c, at = owned(p)
	root = c.Tree(at)
	north = c.Node(at, root, "region", "North")
	return c, at, root, north, c.Node(at, north, "office", "Office")
}

// node is the body that makes one.
func node(parent any, nodeType, name string) m {
	return m{"parent_node_id": parent, "node_type": nodeType, "name": name}
}

var ofTrees = map[string]servertest.Provocation{
	"auth.permission_denied": func(_ *testing.T, p provoker) answer {
		c, at, root, _, _ := planted(p)
		return p.Client().Do("GET", "/api/v1/nodes/"+root+"/tree", nil, "X-API-Key", c.Key(at, "identity.view"))
	},
	"nodes.node_not_found": func(_ *testing.T, p provoker) answer {
		c, _, _, north, _ := planted(p)
		return c.Do("POST", "/api/v1/nodes/"+north+"/move", m{"parent_node_id": "none"})
	},
	"nodes.root_protected": func(_ *testing.T, p provoker) answer {
		c, at, root, _, _ := planted(p)
		return c.Do("PATCH", at+"/nodes/"+root, m{"status": "inactive"})
	},
	"nodes.cycle": func(_ *testing.T, p provoker) answer {
		c, at, _, north, office := planted(p)
		return c.Do("POST", at+"/nodes/"+north+"/move", m{"parent_node_id": office})
	},
	"nodes.invalid_parent": func(_ *testing.T, p provoker) answer {
		c, at, root, _, office := planted(p)
		return c.Do("PATCH", at+"/nodes/"+office, m{"parent_node_id": root})
	},
	"nodes.max_depth_exceeded": func(_ *testing.T, p provoker) answer {
		c, at, _, above, _ := planted(p)
		for range 4 {
			above = c.Node(at, above, "region", "Deeper")
		}
		return c.Do("POST", at+"/nodes", node(above, "region", "Deepest"))
	},
	"nodes.invalid_type": func(_ *testing.T, p provoker) answer {
		c, at, root, _, _ := planted(p)
		return c.Do("POST", at+"/nodes", node(root, "none", "X"))
	},
	"nodes.reserved_type": func(_ *testing.T, p provoker) answer {
		c, at, root, _, _ := planted(p)
		return c.Do("POST", at+"/nodes", node(root, "canopy:organization", "X"))
	},
	"nodes.root_exists": func(_ *testing.T, p provoker) answer {
		c, at, _, _, _ := planted(p)
		return c.Do("POST", at+"/nodes", node(nil, "company", "X"))
	},
	"nodes.slug_taken": func(_ *testing.T, p provoker) answer {
		c, _, root, _, _ := planted(p)
		body := node(root, "region", "X")
		body["slug"] = "north"
		return c.Do("POST", "/api/v1/nodes", body)
	},
	"nodes.limit_reached": func(_ *testing.T, p provoker) answer {
		c, at, root, _, _ := planted(p)
		p.Execute(`UPDATE tally SET n = 1000000 WHERE kind = 'status' AND environment_id = $1`,
			c.Must(200, "GET", at, nil).Text("data", "id"))
		return c.Do("POST", at+"/nodes", node(root, "region", "X"))
	},
	"hierarchy.schema_not_configured": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		root := c.Must(200, "GET", at+"/nodes", nil).Text("data", "tree", "0", "id")
		return c.Do("POST", at+"/nodes", node(root, "region", "X"))
	},
	"hierarchy.schema_invalid": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		schema := servertest.Schema()
		schema["root_node_type"] = "none"
		return c.Do("PATCH", at+"/hierarchy-schema", schema)
	},
	"hierarchy.schema_in_use": func(_ *testing.T, p provoker) answer {
		c, _, _, _, _ := planted(p)
		schema := servertest.Schema()
		schema["max_depth"] = 2
		return c.Do("PATCH", "/api/v1/hierarchy-schema", schema)
	},
}
