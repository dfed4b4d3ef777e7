package servertest

// Schema is one of four levels: company, region, office, team. A region may lie below a
// region.
func Schema() Map {
	return Map{
		"node_types": []string{"company", "region", "office", "team"},
		"allowed_children": Map{
			"company": []string{"region"}, "region": []string{"region", "office"}, "office": []string{"team"},
		},
		"max_depth": 6, "root_node_type": "company",
	}
}

// Tree makes an Environment, given by its path in the portal, a hierarchy with Schema, and
// gives the id of its root.
func (c *Client) Tree(environment string) (root string) {
	c.s.t.Helper()
	c.Must(200, "PUT", environment+"/access-model", Map{"model": "hierarchy"})
	c.Must(200, "PATCH", environment+"/hierarchy-schema", Schema())
	return c.Must(200, "GET", environment+"/nodes?depth=1", nil).Text("data", "tree", "0", "id")
}

// Node adds a node to a tree and gives its id.
func (c *Client) Node(environment, parent, nodeType, name string) (id string) {
	c.s.t.Helper()
	body := Map{"parent_node_id": parent, "node_type": nodeType, "name": name}
	return c.Must(201, "POST", environment+"/nodes", body).Text("data", "id")
}

// Key makes an API key in an Environment, given by its path in the portal, and gives its
// value. Without scopes it has full access.
func (c *Client) Key(environment string, scopes ...string) (value string) {
	c.s.t.Helper()
	body := Map{"name": "Backend", "access_mode": "full_access"}
	if len(scopes) > 0 {
		body = Map{"name": "Backend", "access_mode": "scoped", "scopes": scopes}
	}
	return c.Must(201, "POST", environment+"/api-keys", body).Text("data", "key")
}

// Person makes a member of an Environment and gives the id.
func (c *Client) Person(environment, firstName string) (id string) {
	c.s.t.Helper()
	body := Map{"email": firstName + "@acme.example", "first_name": firstName, "last_name": "Doe"}
	return c.Must(201, "POST", environment+"/identities", body).Text("data", "id")
}

// Role makes a role in an Environment and gives its id.
func (c *Client) Role(environment, name string) (id string) {
	c.s.t.Helper()
	return c.Must(201, "POST", environment+"/roles", Map{"name": name}).Text("data", "id")
}

// Assign gives somebody a role at a node, and gives the id of the assignment.
func (c *Client) Assign(environment, identity, node, role string) (id string) {
	c.s.t.Helper()
	body := Map{"identity_id": identity, "node_id": node, "role_id": role}
	return c.Must(201, "POST", environment+"/assignments", body).Text("data", "id")
}
