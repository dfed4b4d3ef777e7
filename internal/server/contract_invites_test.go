package server_test

// invitation is the body that invites somebody.
func invitation(name string) m {
	body := newIdentity(name)
	body["send_email"] = false
	return body
}

// invited invites somebody, long enough ago for another link.
func (g *ground) invited() (id string) {
	g.t.Helper()
	id = g.made("/identity-invites", invitation(""))
	_, err := g.s.DB.Pool().ExecContext(g.t.Context(),
		`UPDATE identity_invite SET asked_at = asked_at - 600000000 WHERE id = $1`, id)
	if err != nil {
		g.t.Fatal(err)
	}
	return id
}

func ofInvite(suffix string) func(g *ground) string {
	return at("/identity-invites/", (*ground).invited, suffix)
}

// withdrawn is an invite that is no longer pending.
func (g *ground) withdrawn() (id string) {
	g.t.Helper()
	id = g.invited()
	g.owner.Must(204, "DELETE", g.at+"/identity-invites/"+id, nil)
	return id
}

var inviteCells = map[string]map[int]produce{
	"GET /api/v1/identity-invites": {200: func(g *ground) answer {
		g.invited()
		return g.call("GET", "/identity-invites?q=cole&status=pending", nil)
	}},
	"GET /api/v1/identity-invites/summary": {200: func(g *ground) answer {
		g.invited()
		return g.call("GET", "/identity-invites/summary", nil)
	}},
	"POST /api/v1/identity-invites": {
		201: func(g *ground) answer {
			body := invitation("")
			body["role_id"], body["node_id"] = g.role(), g.node
			return g.call("POST", "/identity-invites", body)
		},
		400: ofThing("POST", fixed("/identity-invites"), m{"email": "dana@acme.com"}),
		409: func(g *ground) answer {
			g.identity()
			return g.call("POST", "/identity-invites", invitation(""))
		},
	},
	"POST /api/v1/identity-invites/bulk-create": {
		200: ofThing("POST", fixed("/identity-invites/bulk-create"), m{"invites": []m{invitation("a"), invitation("b")}}),
		207: ofThing("POST", fixed("/identity-invites/bulk-create"), m{"invites": []m{invitation("a"), invitation("a")}}),
	},
	"POST /api/v1/identity-invites/{id}/resend": {
		200: ofThing("POST", ofInvite("/resend"), nil),
		400: ofThing("POST", at("/identity-invites/", (*ground).withdrawn, "/resend"), nil),
	},
	"DELETE /api/v1/identity-invites/{id}": {
		204: ofThing("DELETE", ofInvite(""), nil),
		400: ofThing("DELETE", at("/identity-invites/", (*ground).withdrawn, ""), nil),
	},
}
