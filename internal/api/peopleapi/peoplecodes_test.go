package peopleapi_test

import (
	"maps"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

type (
	provoker = servertest.Provoker
	answer   = servertest.Answer
)

// here is the first Environment of a new Account.
func here(p provoker) (c *servertest.Client, account, at string) {
	c, account = p.Owner()
	return c, account, account + development
}

// creating creates somebody with further fields.
func creating(fields func(c *servertest.Client, at string) m) servertest.Provocation {
	return func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		body := person("dana@acme.com")
		maps.Copy(body, fields(c, at))
		return c.Do("POST", at+"/identities", body)
	}
}

// roleAt is a role at a node, as a creation gives it.
func roleAt(role, node string) m { return m{"role_id": role, "node_id": node} }

func reader(c *servertest.Client, at string) string {
	return c.Must(201, "POST", at+"/roles", m{"name": "Reader"}).Text("data", "id")
}

var ofPeople = map[string]servertest.Provocation{
	"identities.not_found": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		return c.Do("GET", at+"/identities/"+servertest.NoID, nil)
	},
	"identities.email_taken": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		created(c, at, "dana@acme.com")
		return c.Do("POST", at+"/identities", person("dana@acme.com"))
	},
	"identities.external_id_taken": func(_ *testing.T, p provoker) answer {
		c, account, _ := here(p)
		body := person("dana@acme.com")
		body["external_id"] = "hr-1"
		c.Must(201, "POST", account+"/identities", body)
		body["email"] = "other@acme.com"
		return c.Do("POST", account+"/identities", body)
	},
	"identities.already_member": func(_ *testing.T, p provoker) answer {
		c, account, at := here(p)
		id := created(c, at, "dana@acme.com")
		app := c.Must(200, "GET", account+"/applications/desk", nil).Text("data", "id")
		return c.Do("POST", account+"/identities/"+id+"/app-memberships", m{"application_id": app})
	},
	"identities.password_breached": creating(func(*servertest.Client, string) m { return m{"password": "sunshine"} }),
	"applications.not_found": func(_ *testing.T, p provoker) answer {
		c, account, _ := here(p)
		body := person("dana@acme.com")
		body["application_id"] = servertest.NoID
		return c.Do("POST", account+"/identities", body)
	},
	"auth.session_not_found": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		id := created(c, at, "dana@acme.com")
		return c.Do("DELETE", at+"/identities/"+id+"/sessions/"+servertest.NoID, nil)
	},
	"nodes.node_not_found": creating(func(c *servertest.Client, at string) m {
		return roleAt(reader(c, at), servertest.NoID)
	}),
	"rbac.role_not_found": creating(func(c *servertest.Client, at string) m {
		return roleAt(servertest.NoID, c.Tree(at))
	}),
	"rbac.role_system_not_assignable": creating(func(c *servertest.Client, at string) m {
		return roleAt(c.Must(200, "GET", at+"/roles?type=system", nil).Text("items", "0", "id"), c.Tree(at))
	}),
	"rbac.role_inactive": creating(func(c *servertest.Client, at string) m {
		role := reader(c, at)
		c.Must(200, "PATCH", at+"/roles/"+role, m{"is_active": false})
		return roleAt(role, c.Tree(at))
	}),
	"nodes.reserved_type": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		north := c.Node(at, c.Tree(at), "region", "North")
		p.Execute(`UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, north) // as organizations will
		body := person("dana@acme.com")
		body["role_id"], body["node_id"] = reader(c, at), north
		return c.Do("POST", at+"/identities", body)
	},
	"identities.inactive": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		id := created(c, at, "dana@acme.com")
		c.Must(200, "POST", at+"/identities/"+id+"/deactivate", nil)
		return c.Do("POST", at+"/identities/"+id+"/password/reset", nil)
	},
	"identities.already_verified": func(_ *testing.T, p provoker) answer {
		c, account, at := here(p)
		id := created(c, at, "dana@acme.com")
		c.Must(204, "POST", at+"/identities/"+id+"/verify-email", nil)
		return c.Do("POST", account+"/identities/"+id+"/resend-verification", nil)
	},
	"invites.client_unknown":  inviting(m{"client_id": "cnpc_none"}),
	"invites.already_member":  inviting(m{}, "POST", "/identities"),
	"invites.already_pending": inviting(m{}, "POST", "/identity-invites"),
	"invites.not_pending": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		path := at + "/identity-invites"
		path += "/" + c.Must(201, "POST", path, person("dana@acme.com")).Text("data", "id")
		c.Must(204, "DELETE", path, nil)
		return c.Do("DELETE", path, nil)
	},
	"invites.resend_cooldown": func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		made := c.Must(201, "POST", at+"/identity-invites", person("dana@acme.com"))
		return c.Do("POST", at+"/identity-invites/"+made.Text("data", "id")+"/resend", nil)
	},
	"rate_limit.exceeded": func(t *testing.T, p provoker) answer {
		limited := servertest.New(t, p.DB.Engine, func(c *config.Settings) { c.RateLimits = "invite_mail=1/24h" })
		c, _, at := here(limited.Provoker())
		c.Must(201, "POST", at+"/identity-invites", person("dana@acme.com"))
		return c.Do("POST", at+"/identity-invites", person("kim@acme.com"))
	},
	"server.busy": busy,
}

// inviting invites Dana, after something else about Dana.
func inviting(fields m, before ...string) servertest.Provocation {
	return func(_ *testing.T, p provoker) answer {
		c, _, at := here(p)
		body := person("dana@acme.com")
		if len(before) > 0 {
			c.Must(201, before[0], at+before[1], body)
		}
		maps.Copy(body, fields)
		return c.Do("POST", at+"/identity-invites", body)
	}
}

// busy: more passwords at once than may wait to be hashed.
func busy(_ *testing.T, p provoker) answer {
	c, account, _ := here(p)
	var rows []m
	for range 100 {
		row := person("dana@acme.com")
		row["password"] = "a password of many rows"
		rows = append(rows, row)
	}
	answers := make(chan answer, 100)
	for range cap(answers) {
		go func() { answers <- c.Do("POST", account+"/identities/bulk-create", m{"identities": rows}) }()
	}
	last := answer{}
	for range cap(answers) {
		if a := <-answers; a.Code() == "server.busy" {
			last = a
		}
	}
	return last
}
