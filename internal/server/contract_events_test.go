package server_test

import (
	"strconv"

	"canopy.dev/canopy/internal/server/servertest"
)

// eventCells are the calls about what has happened.
var eventCells = map[string]map[int]produce{
	"GET /api/v1/changes": {
		200: func(g *ground) answer {
			g.role()
			return g.call("GET", "/changes?limit=200", nil)
		},
		400: func(g *ground) answer { return g.call("GET", "/changes?cursor=none", nil) },
	},
	"GET /api/v1/audit-events": {
		200: func(g *ground) answer {
			g.identity()
			return g.call("GET", "/audit-events?limit=200", nil)
		},
		400: func(g *ground) answer { return g.call("GET", "/audit-events?cursor=none", nil) },
		403: withoutAudit("/api/v1/audit-events"),
	},
	"GET /api/v1/audit-events/{id}": {
		200: func(g *ground) answer {
			g.identity()
			return g.call("GET", "/audit-events/"+g.call("GET", "/audit-events", nil).Text("items", "0", "id"), nil)
		},
		403: withoutAudit("/api/v1/audit-events/" + servertest.NoID),
	},
}

// eventCodes are the calls that these refuse with codes of their own.
var eventCodes = map[string]map[string]produce{
	"GET /api/v1/changes": {"changes.cursor_expired": func(g *ground) answer {
		cursor := g.owner.Must(200, "GET", g.at+"/changes?limit=1", nil).Text("pagination", "next_cursor")
		g.p.Execute(`INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $2, 1000000)`,
			g.environmentID(), g.accountID())
		return g.call("GET", "/changes?cursor="+cursor, nil)
	}},
	"GET /api/v1/audit-events/{id}": {"audit.row_not_found": func(g *ground) answer {
		return g.owner.Do("GET", "/api/v1/audit-events/"+servertest.NoID, nil)
	}},
	"getIdentityAuditLogRow": {"audit.row_not_found": asOwner("GET", "/audit-log/identities/"+servertest.NoID, nil)},
	"getAdminAuditLogRow":    {"audit.row_not_found": asOwner("GET", "/audit-log/admin/"+servertest.NoID, nil)},
	"saveAuditView": {"audit.view_limit_exceeded": func(g *ground) answer {
		save := func(name string) answer {
			return g.owner.Do("POST", "/portal/v1/me/audit-views",
				m{"name": name, "surface": "admin", "filters": m{"severity": "critical"}})
		}
		for n := range 20 {
			save(strconv.Itoa(n))
		}
		return save("one more")
	}},
	"listAccountChanges": {"changes.cursor_expired": func(g *ground) answer {
		at := g.account() + "/changes"
		cursor := g.owner.Must(200, "GET", at+"?limit=1", nil).Text("pagination", "next_cursor")
		g.p.Execute(`INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $1, 1000000)`, g.accountID())
		return g.owner.Do("GET", at+"?cursor="+cursor, nil)
	}},
}

// withoutAudit is a call with a key that may not read the log.
func withoutAudit(path string) produce {
	return func(g *ground) answer {
		return g.s.Client().Do("GET", path, nil, "X-API-Key", g.owner.Key(g.at, "audit.export"))
	}
}

// accountID is the id of the ground's Account.
func (g *ground) accountID() string {
	return g.owner.Must(200, "GET", g.account(), nil).Text("data", "id")
}
