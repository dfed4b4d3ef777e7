package server_test

import (
	"slices"
	"testing"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestEveryCodeIsProduced: what the checks before every handler answer is
// provoked here. Each door provokes what its routes declare themselves, as
// TestEveryDoorProvokesItsCodes of internal/arch sees to.
func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	declared := servertest.Declared(server.Operations())
	var rest []string
	for _, e := range server.Errors() {
		if !slices.Contains(declared, e.Code) {
			rest = append(rest, e.Code)
		}
	}
	servertest.EveryCode(t, rest, provocations)
}

var provocations = map[string]servertest.Provocation{
	"validation": func(_ *testing.T, p provoker) answer { return p.Client().Do("POST", "/v1/auth/login", m{}) },
	"precondition.malformed": func(_ *testing.T, p provoker) answer {
		c, account := p.Owner()
		return c.Do("PATCH", account, m{"name": "B"}, "If-Match", "*")
	},
	"idempotency.key_reused": func(_ *testing.T, p provoker) answer {
		c, account := p.Owner()
		c.Must(201, "POST", account+"/user-invites", servertest.Invitation(p.Address()), "Idempotency-Key", "k")
		return c.Do("POST", account+"/user-invites", servertest.Invitation(p.Address()), "Idempotency-Key", "k")
	},
	"idempotency.in_progress": func(_ *testing.T, p provoker) answer {
		return repeated(p, `UPDATE idempotency SET answer = NULL, renewed_at = created_at`)
	},
	"idempotency.answer_lost": func(_ *testing.T, p provoker) answer {
		return repeated(p, `UPDATE idempotency SET answer = NULL`)
	},
	"auth.wrong_principal": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		choice := m{"account_id": servertest.NoID, "application_id": servertest.NoID}
		return c.Do("POST", "/v1/auth/select-application", choice)
	},
	"auth.two_credentials": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		return c.Do("GET", "/v1/auth/me", nil, "X-API-Key", "cnpy_x")
	},
	"auth.origin_refused": func(_ *testing.T, p provoker) answer {
		return p.Client().Do("POST", "/v1/auth/refresh", nil, "Origin", "https://evil.example")
	},
	"environments.not_found": func(_ *testing.T, p provoker) answer {
		c, account := p.Owner()
		return c.Do("GET", account+"/applications/desk/environments/none", nil)
	},
	"api_keys.not_found": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		return c.Do("DELETE", "/api/v1/api-keys/"+servertest.NoID, nil)
	},
	"webhooks.not_found": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		return c.Do("DELETE", "/api/v1/webhooks/"+servertest.NoID, nil)
	},
	"account.not_found": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		return c.Do("GET", "/portal/v1/accounts/nobody", nil)
	},
	"server.internal":    broken,
	"server.unavailable": unavailable,
}

// repeated is the second of two equal calls, the first of which, in another process, has
// left the rest to be said by a statement: it runs, or it died.
func repeated(p provoker, left string) answer {
	c, account := p.Owner()
	invitation := servertest.Invitation(p.Address())
	c.Must(201, "POST", account+"/user-invites", invitation, "Idempotency-Key", "k")
	p.Execute(left + ` WHERE created_at = (SELECT max(created_at) FROM idempotency)`)
	return c.Do("POST", account+"/user-invites", invitation, "Idempotency-Key", "k")
}

// broken: the store is not what this binary thinks it is.
func broken(t *testing.T, p provoker) answer {
	own := servertest.New(t, p.DB.Engine, nil).Provoker()
	c, account := own.Owner()
	own.Execute(`DROP TABLE user_invite`)
	return c.Do("GET", account+"/user-invites", nil)
}

// unavailable: PostgreSQL takes no connections any more; the disk of SQLite is
// full.
func unavailable(t *testing.T, p provoker) answer {
	own := servertest.New(t, p.DB.Engine, nil).Provoker()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(own.Log.String())
		}
	})
	c, account := own.Owner()
	if p.DB.Engine == database.Postgres {
		dbtest.Disconnect(t, own.DB)
		return c.Do("GET", account+"/user-invites", nil)
	}
	own.Execute(`PRAGMA max_page_count = 1`)
	for range 300 { // what is free in the file's pages is filled first
		if a := c.Do("POST", account+"/user-invites", servertest.Invitation(own.Address())); a.Status != 201 {
			return a
		}
	}
	return answer{}
}
