package accessapi_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type (
	m        = servertest.Map
	answer   = servertest.Answer
	provoker = servertest.Provoker
)

func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("accessapi"), all())
}

var rbacCodes = map[string]servertest.Provocation{
	"permissions.key_taken": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		c.Must(201, "POST", at+"/permissions", permissions("lease.sign"))
		return c.Do("POST", "/api/v1/permissions", permissions("lease.read", "lease.sign"))
	},
	"permissions.not_found": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		return c.Do("GET", at+"/permissions/"+servertest.NoID, nil)
	},
	"permissions.system_not_grantable": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		role := c.Must(201, "POST", at+"/roles", m{"name": "Reader"}).Text("data", "id")
		return c.Do("PUT", "/api/v1/roles/"+role+"/permissions", m{"permission_keys": []string{"audit.view"}})
	},
	"permissions.system_protected": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		id := c.Must(200, "GET", at+"/permissions?source=system", nil).Text("items", "0", "id")
		return c.Do("DELETE", "/api/v1/permissions/"+id, nil, "If-Match", "9")
	},
	"rbac.limit_reached": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		id := c.Must(200, "GET", at, nil).Text("data", "id")
		p.Execute(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
			INSERT INTO role (id, environment_id, name, name_fold, is_active, version, created_at, updated_at)
			SELECT $1 || CAST(i AS TEXT), $1, CAST(i AS TEXT), CAST(i AS TEXT), 1, 1, 0, 0 FROM n`, id)
		return c.Do("POST", at+"/roles", m{"name": "Reader"})
	},
	"rbac.role_name_taken": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		return c.Do("POST", at+"/roles", m{"name": "PLATFORM ADMIN"})
	},
	"rbac.role_not_found": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		return c.Do("POST", at+"/setup/resource-permissions", m{
			"resources": []m{}, "role_permissions": []m{{"role_id": "none", "permission_keys": []string{}}},
		})
	},
	"rbac.role_system_protected": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		id := c.Must(200, "GET", at+"/roles?type=system", nil).Text("items", "0", "id")
		return c.Do("PATCH", at+"/roles/"+id, m{"name": "Reader"}, "If-Match", "9")
	},
	"version_conflict": func(_ *testing.T, p provoker) answer {
		c, at := owned(p)
		role := c.Must(201, "POST", at+"/roles", m{"name": "Reader"}).Text("data", "id")
		return c.Do("PUT", at+"/roles/"+role+"/permissions", m{"permission_keys": []string{}}, "If-Match", "2")
	},
}

// owned is the path of the first Environment of a new Account, which is the default
// one of its owner's token.
func owned(p provoker) (c *servertest.Client, path string) {
	c, account := p.Owner()
	return c, account + inDevelopment
}

// permissions are the body that makes some.
func permissions(keys ...string) m {
	var list []m
	for _, key := range keys {
		list = append(list, m{"key": key, "name": "Do " + key, "category": "lease"})
	}
	return m{"permissions": list}
}
