package server_test

import (
	"maps"
	"strings"
	"time"

	"canopy.dev/canopy/internal/server/servertest"
)

const inDirectory = "/identity-invites"

// with is a body with more in it.
func with(body m, more m) m {
	all := maps.Clone(body)
	maps.Copy(all, more)
	return all
}

// offered invites somebody, and gives the invite and its token.
func (g *ground) offered(body m) (id, token string) {
	g.t.Helper()
	made := g.owner.Must(201, "POST", g.at+"/identity-invites", body)
	_, token, _ = strings.Cut(made.Text("data", "accept_url"), "#token=")
	return made.Text("data", "id"), token
}

// accepting is the body that accepts.
func accepting(token string) m {
	return m{"token": token, "password": "plenty of horses", "first_name": "Dana", "last_name": "Cole"}
}

func accept(g *ground, body m) answer {
	return g.s.Client().Do("POST", "/v1/identity/auth/accept-invite", body)
}

// invitingOne are the refusals of an invite into an Environment.
func invitingOne(send func(g *ground, body m) answer) map[string]produce {
	cells := map[string]produce{
		"identities.inactive": func(g *ground) answer {
			g.owner.Must(200, "POST", g.at+"/identities/"+g.identity()+"/deactivate", nil)
			return send(g, invitation(""))
		},
		"identities.not_found": func(g *ground) answer {
			return send(g, with(invitation(""), m{"intent": "password_reset"}))
		},
		"invites.already_member": func(g *ground) answer {
			g.identity()
			return send(g, invitation(""))
		},
		"invites.already_pending": func(g *ground) answer {
			g.offered(invitation(""))
			return send(g, invitation(""))
		},
		"invites.client_unknown": func(g *ground) answer {
			return send(g, with(invitation(""), m{"client_id": servertest.NoID}))
		},
	}
	for code, how := range unfit {
		cells[code] = func(g *ground) answer {
			node, role := how(g)
			return send(g, with(invitation(""), m{"node_id": node, "role_id": role}))
		}
	}
	return cells
}

// resending are the refusals of another link, and of withdrawing an invite.
func resending(send func(g *ground, id string) answer) map[string]produce {
	return map[string]produce{
		"invites.not_found":   func(g *ground) answer { return send(g, servertest.NoID) },
		"invites.not_pending": func(g *ground) answer { return send(g, g.withdrawn()) },
		"invites.resend_cooldown": func(g *ground) answer {
			id, _ := g.offered(invitation(""))
			return send(g, id)
		},
	}
}

func withdrawing(send func(g *ground, id string) answer) map[string]produce {
	cells := resending(send)
	delete(cells, "invites.resend_cooldown")
	return cells
}

// ofOffer are the ends of an invite.
func ofOffer(send func(g *ground, token string) answer) map[string]produce {
	return map[string]produce{
		"invites.not_found": func(g *ground) answer { return send(g, servertest.NoToken) },
		"invites.expired": func(g *ground) answer {
			_, token := g.offered(invitation(""))
			g.s.Clock.Advance(8 * 24 * time.Hour)
			return send(g, token)
		},
		"invites.already_accepted": func(g *ground) answer {
			_, token := g.offered(invitation(""))
			if a := accept(g, accepting(token)); a.Status != 200 {
				return a
			}
			return send(g, token)
		},
		"invites.revoked": func(g *ground) answer {
			id, token := g.offered(invitation(""))
			g.owner.Must(204, "DELETE", g.at+"/identity-invites/"+id, nil)
			return send(g, token)
		},
	}
}

// acceptingCodes are the refusals of accepting.
func acceptingCodes() map[string]produce {
	const present = "many fine horses"
	known := func(g *ground) string {
		body := with(newIdentity(""), m{"password": present})
		return g.owner.Must(201, "POST", g.account()+"/identities", body).Text("data", "id")
	}
	cells := ofOffer(func(g *ground, token string) answer { return accept(g, accepting(token)) })
	cells["auth.invalid_credentials"] = func(g *ground) answer {
		known(g)
		_, token := g.offered(invitation(""))
		return accept(g, accepting(token))
	}
	cells["identities.password_breached"] = func(g *ground) answer {
		_, token := g.offered(invitation(""))
		return accept(g, with(accepting(token), m{"password": "sunshine"}))
	}
	cells["identities.password_reused"] = func(g *ground) answer {
		g.owner.Must(201, "POST", g.at+"/identities", with(newIdentity(""), m{"password": present}))
		_, token := g.offered(with(invitation(""), m{"intent": "password_reset"}))
		return accept(g, with(accepting(token), m{"password": present}))
	}
	cells["identities.inactive"] = func(g *ground) answer {
		who := known(g)
		_, token := g.offered(invitation(""))
		g.owner.Must(200, "PATCH", g.account()+"/identities/"+who+"/status", m{"is_active": false})
		return accept(g, with(accepting(token), m{"password": present}))
	}
	cells["invites.assignment_unavailable"] = func(g *ground) answer {
		role := g.role()
		_, token := g.offered(with(invitation(""), m{"node_id": g.node, "role_id": role}))
		g.owner.Must(200, "PATCH", g.at+"/roles/"+role, m{"is_active": false})
		return accept(g, accepting(token))
	}
	return cells
}

// inDirectoryCodes are the refusals of an invite into the Account's directory.
var inDirectoryCodes = map[string]produce{
	"identities.inactive": func(g *ground) answer {
		g.owner.Must(200, "PATCH", g.account()+"/identities/"+g.outsider()+"/status", m{"is_active": false})
		return g.owner.Do("POST", g.account()+inDirectory, newIdentity(""))
	},
	"invites.already_member": func(g *ground) answer {
		g.outsider()
		return g.owner.Do("POST", g.account()+inDirectory, newIdentity(""))
	},
	"invites.already_pending": func(g *ground) answer {
		g.owner.Must(201, "POST", g.account()+inDirectory, newIdentity(""))
		return g.owner.Do("POST", g.account()+inDirectory, newIdentity(""))
	},
	"applications.not_found": func(g *ground) answer {
		body := with(newIdentity(""), m{"application_id": servertest.NoID})
		return g.owner.Do("POST", g.account()+inDirectory, body)
	},
}

var invitingCodes = map[string]map[string]produce{
	"POST /api/v1/identity-invites": invitingOne(func(g *ground, body m) answer {
		return g.call("POST", "/identity-invites", body)
	}),
	"POST /api/v1/identity-invites/bulk-create": invitingOne(func(g *ground, body m) answer {
		return g.call("POST", "/identity-invites/bulk-create", m{"invites": []m{body}})
	}),
	"POST /api/v1/identity-invites/{id}/resend": resending(func(g *ground, id string) answer {
		return g.call("POST", "/identity-invites/"+id+"/resend", nil)
	}),
	"DELETE /api/v1/identity-invites/{id}": withdrawing(func(g *ground, id string) answer {
		return g.call("DELETE", "/identity-invites/"+id, nil)
	}),
	"createDirectoryInvite": inDirectoryCodes,
	"resendDirectoryInvite": resending(func(g *ground, id string) answer {
		return g.owner.Do("POST", g.account()+inDirectory+"/"+id+"/resend", nil)
	}),
	"revokeDirectoryInvite": withdrawing(func(g *ground, id string) answer {
		return g.owner.Do("DELETE", g.account()+inDirectory+"/"+id, nil)
	}),
	"identityInviteInfo": ofOffer(func(g *ground, token string) answer {
		return g.s.Client().Do("POST", "/v1/identity/auth/invite-info", m{"token": token})
	}),
	"acceptIdentityInvite": acceptingCodes(),
}
