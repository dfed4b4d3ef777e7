package tenantapi_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("tenantapi"), map[string]servertest.Provocation{
		"version_conflict": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, account := p.Owner()
			return c.Do("PATCH", account, servertest.Map{"name": "B"}, "If-Match", "7")
		},
		"applications.last_application": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			return c.Do("DELETE", app, nil)
		},
		"applications.slug_taken": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, account := p.Owner()
			return c.Do("POST", account+"/applications", servertest.Map{"name": "B", "slug": "desk"})
		},
		"environments.already_flat": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			return c.Do("POST", app+"/environments/development/revert-to-flat", nil)
		},
		"environments.import_invalid": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			d := c.Must(200, "GET", app+"/environments/development/export", nil).At("data").(m)
			d["webhooks"] = []m{{"url": "https://hooks.acme.example"}}
			return c.Do("POST", app+"/environments/development/import", d)
		},
		"environments.import_unsupported": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			return c.Do("POST", app+"/environments/development/import", m{"format_version": 2})
		},
		"environments.is_default": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			return c.Do("DELETE", app+"/environments/development", nil)
		},
		"environments.last_environment": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			c.Must(204, "DELETE", app+"/environments/production", nil)
			return c.Do("DELETE", app+"/environments/development", nil)
		},
		"environments.not_in_application": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			return c.Do("PUT", app+"/default-environment", servertest.Map{"slug": "none"})
		},
		"environments.revert_required": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			c.Must(200, "PUT", app+"/environments/development/access-model", servertest.Map{"model": "hierarchy"})
			return c.Do("PUT", app+"/environments/development/access-model", servertest.Map{"model": "flat"})
		},
		"environments.slug_taken": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, app := desk(p)
			return c.Do("PATCH", app+"/environments/development", servertest.Map{"slug": "production"})
		},
	})
}

// desk is the first Application of a new Account.
func desk(p servertest.Provoker) (c *servertest.Client, path string) {
	c, account := p.Owner()
	return c, account + "/applications/desk"
}
