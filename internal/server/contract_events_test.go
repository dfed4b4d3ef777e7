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
	"POST /api/v1/audit-events/export": {
		202: func(g *ground) answer { return g.call("POST", "/audit-events/export", m{"format": "csv"}) },
		400: func(g *ground) answer { return g.call("POST", "/audit-events/export", m{"format": "xml"}) },
		403: withoutExport("POST", ""),
	},
	"GET /api/v1/audit-events/export": {
		200: func(g *ground) answer {
			g.exported()
			return g.call("GET", "/audit-events/export", nil)
		},
		403: withoutExport("GET", ""),
	},
	"GET /api/v1/audit-events/export/{id}": {
		200: func(g *ground) answer { return g.call("GET", "/audit-events/export/"+g.exported(), nil) },
		403: withoutExport("GET", "/"+servertest.NoID),
		404: func(g *ground) answer { return g.call("GET", "/audit-events/export/"+servertest.NoID, nil) },
	},
	"DELETE /api/v1/audit-events/export/{id}": {
		204: func(g *ground) answer { return g.call("DELETE", "/audit-events/export/"+g.exported(), nil) },
		403: withoutExport("DELETE", "/"+servertest.NoID),
		404: func(g *ground) answer { return g.call("DELETE", "/audit-events/export/"+servertest.NoID, nil) },
	},
}

// exported is a file that was made.
func (g *ground) exported() (id string) {
	g.t.Helper()
	id = g.call("POST", "/audit-events/export", m{"format": "ndjson"}).Text("data", "id")
	if _, err := g.s.Exports.RunDue(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	return id
}

// withoutExport is a call with a key that may read the log, and not export it.
func withoutExport(method, path string) produce {
	return func(g *ground) answer {
		return g.s.Client().Do(method, "/api/v1/audit-events/export"+path, nil,
			"X-API-Key", g.owner.Key(g.at, "audit.view"))
	}
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
	"getIdentityAuditLogRow": {
		"audit.row_not_found": asOwner("GET", "/audit-log/identities/"+servertest.NoID, nil),
	},
	"getAdminAuditLogRow": {
		"audit.row_not_found": asOwner("GET", "/audit-log/admin/"+servertest.NoID, nil),
	},
	"GET /api/v1/audit-events/export/{id}":    {"audit.export_not_found": noExport("GET")},
	"DELETE /api/v1/audit-events/export/{id}": {"audit.export_not_found": noExport("DELETE")},
	"getIdentityAuditExport": {
		"audit.export_not_found": asOwner("GET", "/audit-log/identities/export/"+servertest.NoID, nil),
	},
	"getAdminAuditExport": {
		"audit.export_not_found": asOwner("GET", "/audit-log/admin/export/"+servertest.NoID, nil),
	},
	"deleteIdentityAuditExport": {
		"audit.export_not_found": asOwner("DELETE", "/audit-log/identities/export/"+servertest.NoID, nil),
	},
	"deleteAdminAuditExport": {
		"audit.export_not_found": asOwner("DELETE", "/audit-log/admin/export/"+servertest.NoID, nil),
	},
	"downloadAuditExport": {"audit.export_not_found": func(g *ground) answer {
		return g.s.Client().Do("GET", "/v1/downloads/audit-exports/"+servertest.NoID, nil)
	}},
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

func noExport(method string) produce {
	return func(g *ground) answer {
		return g.owner.Do(method, "/api/v1/audit-events/export/"+servertest.NoID, nil)
	}
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
