package server_test

import (
	"time"

	"canopy.dev/canopy/internal/server/servertest"
)

// authCodes are those of signing up and in.
var authCodes = map[string]map[string]produce{
	"login": {
		"auth.invalid_credentials": func(g *ground) answer { return g.signingIn(g.email(), "Wrong-Horse-7") },
		"auth.email_not_verified": func(g *ground) answer {
			email := g.p.Address()
			g.s.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
			return g.signingIn(email, servertest.Password)
		},
		"auth.no_active_account": func(g *ground) answer {
			_, email, id := g.p.Colleague(g.owner, g.account())
			g.owner.Must(200, "POST", g.account()+"/users/"+id+"/deactivate", nil)
			return g.signingIn(email, servertest.Password)
		},
	},
	"changePassword": {"auth.invalid_credentials": func(g *ground) answer {
		body := m{"current_password": "Wrong-Horse-7", "new_password": "Another-Horse-8"}
		return g.owner.Do("POST", "/v1/auth/change-password", body)
	}},
	"refresh": {"auth.session_revoked": func(g *ground) answer {
		cookie := g.owner.CookieValue("/v1/auth/refresh", "canopy_refresh")
		g.owner.Must(200, "POST", "/v1/auth/logout", nil)
		return g.s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", "canopy_refresh="+cookie)
	}},
	"selectApplication": {
		"applications.not_found": func(g *ground) answer {
			return g.undecided().Do("POST", "/v1/auth/select-application", m{
				"account_id": servertest.NoID, "application_id": servertest.NoID,
			})
		},
		"validation": func(g *ground) answer {
			return g.undecided().Do("POST", "/v1/auth/select-application", m{})
		},
	},
	"switchApplication": {"applications.not_found": func(g *ground) answer {
		return g.owner.Do("POST", "/v1/auth/switch-application", m{"application_id": servertest.NoID})
	}},
	"inviteInfo": ofUserInvite(func(g *ground, token string) answer {
		return g.s.Client().Do("POST", "/v1/auth/invite-info", m{"token": token})
	}),
	"acceptInvite": withPassword(ofUserInvite(func(g *ground, token string) answer {
		return g.s.Client().Do("POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	})),
	"resetPassword": ofLink((*ground).forgotten, time.Hour, func(g *ground, token string) answer {
		return g.s.Client().Do("POST", "/v1/auth/reset-password", m{"token": token, "password": "Another-Horse-8"})
	}),
	"verifyEmail": ofSignUp(func(g *ground, token string, password ...string) answer {
		body := m{"token": token}
		if len(password) > 0 {
			body["password"] = password[0]
		}
		return g.s.Client().Do("POST", "/v1/auth/verify-email", body)
	}, true),
	"verifyEmailByLink": ofSignUp(func(g *ground, token string, _ ...string) answer {
		return g.s.Client().Do("GET", "/v1/auth/verify-email?token="+token, nil)
	}, false),
}

func (g *ground) signingIn(email, password string) answer {
	return g.s.Client().Do("POST", "/v1/auth/login", servertest.Credentials(email, password))
}

// ofUserInvite are the ends of an invite.
func ofUserInvite(send func(g *ground, token string) answer) map[string]produce {
	return map[string]produce{
		"invites.not_found": func(g *ground) answer { return send(g, servertest.NoToken) },
		"invites.expired": func(g *ground) answer {
			token := g.invitedUser()
			g.s.Clock.Advance(8 * 24 * time.Hour)
			return send(g, token)
		},
		"invites.already_accepted": func(g *ground) answer {
			token := g.invitedUser()
			g.s.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
			return send(g, token)
		},
		"invites.revoked": func(g *ground) answer {
			email := g.p.Address()
			made := g.owner.Must(201, "POST", g.account()+"/user-invites", servertest.Invitation(email))
			token := g.s.MailedToken(email)
			g.owner.Must(204, "DELETE", g.account()+"/user-invites/"+made.Text("data", "id"), nil)
			return send(g, token)
		},
	}
}

// withPassword adds what somebody is told who has a password already, and gives a wrong one.
func withPassword(cells map[string]produce) map[string]produce {
	cells["auth.invalid_credentials"] = func(g *ground) answer {
		other, _ := g.p.Owner()
		email := other.Must(200, "GET", "/v1/auth/me", nil).Text("data", "email")
		g.owner.Must(201, "POST", g.account()+"/user-invites", servertest.Invitation(email))
		body := servertest.Acceptance(g.s.MailedToken(email))
		body["password"] = "Wrong-Horse-7"
		return g.s.Client().Do("POST", "/v1/auth/accept-invite", body)
	}
	return cells
}

// ofLink are the ends of a link that lives for a time.
func ofLink(
	mailed func(g *ground) string, life time.Duration, send func(g *ground, token string) answer,
) map[string]produce {
	return map[string]produce{
		"auth.link_not_found": func(g *ground) answer { return send(g, servertest.NoToken) },
		"auth.link_expired": func(g *ground) answer {
			token := mailed(g)
			g.s.Clock.Advance(life)
			return send(g, token)
		},
		"auth.link_used": func(g *ground) answer {
			token := mailed(g)
			send(g, token)
			return send(g, token)
		},
	}
}

// ofSignUp are the ends of the link of a sign-up, and what comes of two for one address.
func ofSignUp(send func(g *ground, token string, password ...string) answer, takesPassword bool) map[string]produce {
	cells := ofLink((*ground).registered, 24*time.Hour, func(g *ground, token string) answer { return send(g, token) })
	twice := func(g *ground) (token string) {
		email := g.p.Address()
		for range 2 {
			g.s.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
		}
		return g.s.MailedToken(email)
	}
	cells["auth.password_required"] = func(g *ground) answer { return send(g, twice(g)) }
	if takesPassword {
		cells["auth.invalid_credentials"] = func(g *ground) answer { return send(g, twice(g), "Wrong-Horse-7") }
	}
	return cells
}
