package server_test

import (
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

func (g *ground) identity() string { return g.made("/identities", newIdentity("")) }

func ofIdentity(suffix string) func(g *ground) string {
	return at("/identities/", (*ground).identity, suffix)
}

// session plants a session of somebody, as a sign-in leaves one.
func (g *ground) session(t testing.TB) (identity, session string) {
	t.Helper()
	identity, session = g.identity(), servertest.NoID[:35]+"0"
	_, err := g.s.DB.Pool().ExecContext(t.Context(), `DELETE FROM identity_session`)
	if err == nil {
		_, err = g.s.DB.Pool().ExecContext(t.Context(), `INSERT INTO identity_session (id, account_id, application_id,
			environment_id, identity_id, ip_address, user_agent, created_at, expires_at)
			SELECT $1, account_id, application_id, environment_id, identity_id, '203.0.113.7', NULL, created_at,
				created_at + 86400000000 FROM membership WHERE identity_id = $2`, session, identity)
	}
	if err != nil {
		t.Fatal(err)
	}
	return identity, session
}

// withRole is the body that makes somebody with a role.
func (g *ground) withRole() m {
	body := newIdentity("")
	body["role_id"], body["node_id"] = g.role(), g.node
	return body
}

// holder makes somebody who holds a role.
func (g *ground) holder() string { return g.made("/identities", g.withRole()) }

var peopleCells = map[string]map[int]produce{
	"GET /api/v1/identities": {200: func(g *ground) answer {
		g.identity()
		return g.call("GET", "/identities?q=cole", nil)
	}},
	"POST /api/v1/identities": {
		201: func(g *ground) answer {
			body := g.withRole()
			body["password"], body["external_id"], body["metadata"] = "correct horse battery", "hr-1", m{"a": 1}
			return g.call("POST", "/identities", body)
		},
		400: ofThing("POST", fixed("/identities"), m{"email": "dana"}),
		409: func(g *ground) answer {
			g.identity()
			return g.call("POST", "/identities", newIdentity(""))
		},
	},
	"GET /api/v1/identities/with-roles": {200: func(g *ground) answer {
		g.holder()
		return g.call("GET", "/identities/with-roles", nil)
	}},
	"GET /api/v1/identities/summary": {200: ofThing("GET", fixed("/identities/summary"), nil)},
	"POST /api/v1/identities/bulk-create": {
		200: ofThing("POST", fixed("/identities/bulk-create"), m{"identities": []m{newIdentity("a"), newIdentity("b")}}),
		207: ofThing("POST", fixed("/identities/bulk-create"), m{"identities": []m{newIdentity("a"), newIdentity("a")}}),
	},
	"GET /api/v1/identities/{id}": {200: ofThing("GET", ofIdentity(""), nil)},
	"PATCH /api/v1/identities/{id}": {
		200: ofThing("PATCH", ofIdentity(""), m{"first_name": "Donna", "metadata": m{"b": 2}, "is_active": false}),
	},
	"DELETE /api/v1/identities/{id}": {204: ofThing("DELETE", at("/identities/", (*ground).holder, ""), nil)},
	"GET /api/v1/identities/{id}/detail": {
		200: ofThing("GET", at("/identities/", (*ground).holder, "/detail"), nil),
	},
	"GET /api/v1/identities/{id}/assignments": {
		200: ofThing("GET", at("/identities/", (*ground).holder, "/assignments"), nil),
	},
	"POST /api/v1/identities/{id}/activate": {200: func(g *ground) answer {
		path := "/identities/" + g.identity()
		g.call("POST", path+"/deactivate", nil)
		return g.call("POST", path+"/activate", nil)
	}},
	"POST /api/v1/identities/{id}/deactivate": {200: ofThing("POST", ofIdentity("/deactivate"), nil)},
	"GET /api/v1/identities/{id}/sessions": {200: func(g *ground) answer {
		who, _ := g.session(g.t)
		return g.call("GET", "/identities/"+who+"/sessions", nil)
	}},
	"DELETE /api/v1/identities/{id}/sessions/{sessionId}": {204: func(g *ground) answer {
		who, session := g.session(g.t)
		return g.call("DELETE", "/identities/"+who+"/sessions/"+session, nil)
	}},
	"POST /api/v1/identities/{id}/sessions/revoke": {204: func(g *ground) answer {
		who, _ := g.session(g.t)
		return g.call("POST", "/identities/"+who+"/sessions/revoke", nil)
	}},
}
