package server_test

// eventCells are the calls about what has happened.
var eventCells = map[string]map[int]produce{
	"GET /api/v1/changes": {
		200: func(g *ground) answer {
			g.role()
			return g.call("GET", "/changes?limit=200", nil)
		},
		400: func(g *ground) answer { return g.call("GET", "/changes?cursor=none", nil) },
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
	"listAccountChanges": {"changes.cursor_expired": func(g *ground) answer {
		at := g.account() + "/changes"
		cursor := g.owner.Must(200, "GET", at+"?limit=1", nil).Text("pagination", "next_cursor")
		g.p.Execute(`INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $1, 1000000)`, g.accountID())
		return g.owner.Do("GET", at+"?cursor="+cursor, nil)
	}},
}

// accountID is the id of the ground's Account.
func (g *ground) accountID() string {
	return g.owner.Must(200, "GET", g.account(), nil).Text("data", "id")
}
