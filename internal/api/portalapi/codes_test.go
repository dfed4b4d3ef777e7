package portalapi_test

import (
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/server/servertest"
)

func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	servertest.EveryCode(t, servertest.DoorCodes("portalapi"), provocations)
}

// invited makes an invite and gives its id and token.
func invited(p provoker) (owner *client, path, token string) {
	owner, account := p.Owner()
	email := p.Address()
	id := owner.Must(201, "POST", account+"/user-invites", servertest.Invitation(email)).Text("data", "id")
	return owner, account + "/user-invites/" + id, p.MailedToken(email)
}

// registered signs a person up who has not followed the link yet.
func registered(p provoker) (email, link string) {
	email = p.Address()
	p.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
	return email, p.MailedToken(email)
}

// refresher signs in and gives the cookie.
func refresher(p provoker) (c *client, cookie string) {
	email, link := registered(p)
	c = p.Client()
	c.Must(200, "POST", "/v1/auth/verify-email", m{"token": link})
	a := c.Must(200, "POST", "/v1/auth/login", servertest.Credentials(email, servertest.Password))
	c.Token = a.Text("data", "access_token")
	cookie, _, _ = strings.Cut(a.Header.Get("Set-Cookie"), ";")
	return c, cookie
}

var provocations = map[string]servertest.Provocation{
	"auth.invalid_token": func(_ *testing.T, p provoker) answer { return p.Client().Do("GET", "/v1/auth/me", nil) },
	"auth.permission_denied": func(_ *testing.T, p provoker) answer {
		owner, account := p.Owner()
		admin, _, _ := p.Colleague(owner, account)
		return admin.Do("DELETE", account+"/users/"+owner.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id"), nil)
	},
	"auth.sign_up_closed": func(t *testing.T, p provoker) answer {
		closed := servertest.New(t, p.DB.Engine, func(c *config.Settings) { c.Signup = "closed" })
		return closed.Client().Do("POST", "/v1/auth/register", servertest.Registration("alex@acme.com"))
	},
	"auth.invalid_credentials": func(_ *testing.T, p provoker) answer {
		return anyone(p.Server).login(p.Address(), "Wrong-Pass-9")
	},
	"auth.too_many_attempts": func(t *testing.T, p provoker) answer {
		limited := servertest.New(t, p.DB.Engine, func(c *config.Settings) { c.RateLimits = "sign_in=1/15m" })
		limited.Client().Must(401, "POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", "Wrong-Pass-9"))
		return limited.Client().Do("POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", "Wrong-Pass-9"))
	},
	"rate_limit.exceeded": func(t *testing.T, p provoker) answer {
		limited := servertest.New(t, p.DB.Engine, func(c *config.Settings) { c.RateLimits = "sign_up=1/1h" })
		limited.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("alex@acme.com"))
		return limited.Client().Do("POST", "/v1/auth/register", servertest.Registration("kim@acme.com"))
	},
	"auth.email_not_verified": func(_ *testing.T, p provoker) answer {
		email, _ := registered(p)
		return anyone(p.Server).login(email, servertest.Password)
	},
	"auth.no_active_account": func(_ *testing.T, p provoker) answer {
		owner, account := p.Owner()
		_, email, id := p.Colleague(owner, account)
		owner.Must(200, "POST", account+"/users/"+id+"/deactivate", nil)
		return anyone(p.Server).login(email, servertest.Password)
	},
	"auth.session_revoked": func(_ *testing.T, p provoker) answer {
		c, cookie := refresher(p)
		c.Must(200, "POST", "/v1/auth/logout", nil)
		return p.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie)
	},
	"auth.session_not_found": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		return c.Do("DELETE", "/v1/auth/sessions/"+servertest.NoID, nil)
	},
	"auth.link_not_found": func(_ *testing.T, p provoker) answer {
		return anyone(p.Server).verify(servertest.NoToken)
	},
	"auth.link_expired": func(_ *testing.T, p provoker) answer {
		_, link := registered(p)
		p.Clock.Advance(24 * time.Hour)
		return anyone(p.Server).verify(link)
	},
	"auth.link_used": func(_ *testing.T, p provoker) answer {
		_, link := registered(p)
		p.Client().Must(200, "POST", "/v1/auth/verify-email", m{"token": link})
		return anyone(p.Server).verify(link)
	},
	"auth.password_required": func(_ *testing.T, p provoker) answer {
		email, link := registered(p)
		p.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
		return anyone(p.Server).verify(link)
	},
	"account.last_owner": func(_ *testing.T, p provoker) answer {
		c, account := p.Owner()
		return c.Do("DELETE", account+"/users/"+c.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id"), nil)
	},
	"users.not_found": func(_ *testing.T, p provoker) answer {
		c, account := p.Owner()
		return c.Do("GET", account+"/users/"+servertest.NoID, nil)
	},
	"applications.not_found": func(_ *testing.T, p provoker) answer {
		c, _ := p.Owner()
		return c.Do("POST", "/v1/auth/switch-application", m{"application_id": servertest.NoID})
	},
	"invites.not_found": func(_ *testing.T, p provoker) answer {
		return anyone(p.Server).preview(servertest.NoToken)
	},
	"invites.already_member": func(_ *testing.T, p provoker) answer {
		owner, account := p.Owner()
		_, email, _ := p.Colleague(owner, account)
		return owner.Do("POST", account+"/user-invites", servertest.Invitation(email))
	},
	"invites.already_pending": func(_ *testing.T, p provoker) answer {
		owner, account := p.Owner()
		email := p.Address()
		owner.Must(201, "POST", account+"/user-invites", servertest.Invitation(email))
		return owner.Do("POST", account+"/user-invites", servertest.Invitation(email))
	},
	"invites.member_deactivated": func(_ *testing.T, p provoker) answer {
		owner, account := p.Owner()
		_, email, id := p.Colleague(owner, account)
		owner.Must(200, "POST", account+"/users/"+id+"/deactivate", nil)
		return owner.Do("POST", account+"/user-invites", servertest.Invitation(email))
	},
	"invites.not_pending": func(_ *testing.T, p provoker) answer {
		owner, path, _ := invited(p)
		owner.Must(204, "DELETE", path, nil)
		return owner.Do("DELETE", path, nil)
	},
	"invites.resend_cooldown": func(_ *testing.T, p provoker) answer {
		owner, path, _ := invited(p)
		return owner.Do("POST", path+"/resend", nil)
	},
	"invites.expired": func(_ *testing.T, p provoker) answer {
		_, _, token := invited(p)
		p.Clock.Advance(168 * time.Hour)
		return anyone(p.Server).preview(token)
	},
	"invites.revoked": func(_ *testing.T, p provoker) answer {
		owner, path, token := invited(p)
		owner.Must(204, "DELETE", path, nil)
		return anyone(p.Server).preview(token)
	},
	"invites.already_accepted": func(_ *testing.T, p provoker) answer {
		_, _, token := invited(p)
		p.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
		return anyone(p.Server).accept(token)
	},
	"server.busy": busy,
}

// busy: more sign-ins at once than passwords may wait to be compared, since the
// person's hash is an expensive one.
func busy(t *testing.T, p provoker) answer {
	email := p.Address()
	_, _ = p.SignUp(email, "Acme")
	hasher := secret.NewHasher(secret.Params{MemoryKiB: 19 * 1024, Time: 1, Threads: 1}, 1, 1)
	slow, err := hasher.Hash(t.Context(), secret.From{}, servertest.Password)
	if err != nil {
		t.Fatal(err)
	}
	p.Execute(`UPDATE portal_user SET password_hash = '` + slow + `' WHERE email = '` + email + `'`)
	answers := make(chan answer, 200)
	for range cap(answers) {
		go func() {
			answers <- anyone(p.Server).login(email, "Wrong-Pass-9")
		}()
	}
	last := answer{}
	for range cap(answers) {
		if a := <-answers; a.Code() == "server.busy" {
			last = a
		}
	}
	return last
}
