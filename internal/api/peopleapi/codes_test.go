package peopleapi_test

import (
	"maps"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

type m = servertest.Map

const development = "/applications/desk/environments/development"

func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("peopleapi"), joined(ofPeople, map[string]servertest.Provocation{
		"api_keys.scope_unknown": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, account := p.Owner()
			return c.Do("POST", account+development+"/api-keys", scoped("lease.unknown"))
		},
		"api_keys.scope_escalation": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, account := p.Owner()
			key := c.Key(account+development, "api_key.manage")
			return p.Client().Do("POST", "/api/v1/api-keys", scoped("audit.view"), "X-API-Key", key)
		},
		"api_keys.limit_reached": func(_ *testing.T, p servertest.Provoker) servertest.Answer {
			c, account := p.Owner()
			c.Key(account + development)
			// What 499 further calls would leave.
			p.Execute(`INSERT INTO api_key (id, environment_id, name, name_fold, description, access_mode, scopes, key_hash,
				key_preview, is_active, created_at, updated_at)
				WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 499)
				SELECT 'x' || n.n || k.id, environment_id, name, name_fold, NULL, access_mode, scopes, 'x' || n.n || key_hash,
					key_preview, 1, created_at, updated_at FROM api_key k, n
				WHERE environment_id = (SELECT environment_id FROM api_key ORDER BY created_at DESC LIMIT 1)`)
			return c.Do("POST", account+development+"/api-keys", scoped("audit.view"))
		},
	}))
}

func joined(all ...map[string]servertest.Provocation) map[string]servertest.Provocation {
	joined := map[string]servertest.Provocation{}
	for _, some := range all {
		maps.Copy(joined, some)
	}
	return joined
}

func scoped(scopes ...string) m {
	return m{"name": "Backend", "access_mode": "scoped", "scopes": scopes}
}
