package server_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server"
	"canopy.dev/canopy/internal/server/servertest"
)

// provoker makes requests that are refused. Each provocation has people and
// Accounts of its own, so one server serves many.
type provoker struct {
	*servertest.Server
	engine database.Engine
	people int
}

const (
	noID    = "019daf52-4e20-7f58-a04d-ba41ecccc3fc"
	noToken = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
)

func (p *provoker) address() string {
	p.people++
	return fmt.Sprintf("person-%d@acme.com", p.people)
}

// owner signs a new person up.
func (p *provoker) owner() (c *servertest.Client, account string) {
	c, slug := p.SignUp(p.address(), "Acme")
	return c, "/portal/v1/accounts/" + slug
}

// colleague invites and signs in an admin, whose id is the result too.
func (p *provoker) colleague(owner *servertest.Client, account string) (c *servertest.Client, email, id string) {
	email = p.address()
	owner.Must(201, "POST", account+"/user-invites", invitation(email))
	c = p.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", acceptance(p.MailedToken(email)))
	c.SignIn(email)
	return c, email, c.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
}

// invited makes an invite and gives its id and token.
func (p *provoker) invited() (owner *servertest.Client, path, token string) {
	owner, account := p.owner()
	email := p.address()
	id := owner.Must(201, "POST", account+"/user-invites", invitation(email)).Text("data", "id")
	return owner, account + "/user-invites/" + id, p.MailedToken(email)
}

// registered signs a person up who has not followed the link yet.
func (p *provoker) registered() (email, link string) {
	email = p.address()
	p.Client().Must(201, "POST", "/v1/auth/register", signUp(email))
	return email, p.MailedToken(email)
}

func invitation(email string) m { return m{"email": email, "first_name": "Dana", "last_name": "Cole"} }

func signUp(email string) m {
	return m{"email": email, "password": servertest.Password, "first_name": "Alex", "last_name": "Reed", "account_name": "Acme", "application_name": "Desk"}
}

func login(email, password string) m { return m{"email": email, "password": password} }

// refresher signs in and gives the cookie.
func (p *provoker) refresher() (c *servertest.Client, cookie string) {
	email, link := p.registered()
	c = p.Client()
	c.Must(200, "POST", "/v1/auth/verify-email", m{"token": link})
	a := c.Must(200, "POST", "/v1/auth/login", login(email, servertest.Password))
	c.Token = a.Text("data", "access_token")
	cookie, _, _ = strings.Cut(a.Header.Get("Set-Cookie"), ";")
	return c, cookie
}

// provocations has a real request for every code; the answer of the last is
// looked at.
var provocations = map[string]func(t *testing.T, p *provoker) servertest.Answer{
	"validation": func(_ *testing.T, p *provoker) servertest.Answer { return p.Client().Do("POST", "/v1/auth/login", m{}) },
	"precondition.malformed": func(_ *testing.T, p *provoker) servertest.Answer {
		c, account := p.owner()
		return c.Do("PATCH", account, m{"name": "B"}, "If-Match", "*")
	},
	"version_conflict": func(_ *testing.T, p *provoker) servertest.Answer {
		c, account := p.owner()
		return c.Do("PATCH", account, m{"name": "B"}, "If-Match", "7")
	},
	"idempotency.key_reused": func(_ *testing.T, p *provoker) servertest.Answer {
		c, account := p.owner()
		c.Must(201, "POST", account+"/user-invites", invitation(p.address()), "Idempotency-Key", "k")
		return c.Do("POST", account+"/user-invites", invitation(p.address()), "Idempotency-Key", "k")
	},
	"idempotency.in_progress": func(t *testing.T, p *provoker) servertest.Answer {
		c, account := p.owner()
		path, body := account+"/user-invites", `{"email":"kim@acme.com","first_name":"Kim","last_name":"Abe"}`
		me := c.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		// What a first call leaves while it runs, here in another process.
		_, err := database.Write(t.Context(), p.DB, func(tx *database.Tx) (int64, error) {
			return tx.Exec(t.Context(), `INSERT INTO idempotency (key, body_hash, status, created_at) VALUES ($1, $2, 0, $3)`,
				secret.Hash(me+" "+path+" k"), secret.Hash(body), tx.Now)
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.Do("POST", path, body, "Idempotency-Key", "k")
	},
	"auth.invalid_token": func(_ *testing.T, p *provoker) servertest.Answer { return p.Client().Do("GET", "/v1/auth/me", nil) },
	"auth.wrong_principal": func(_ *testing.T, p *provoker) servertest.Answer {
		c, _ := p.owner()
		return c.Do("POST", "/v1/auth/select-application", m{"account_id": noID, "application_id": noID})
	},
	"auth.two_credentials": func(_ *testing.T, p *provoker) servertest.Answer {
		c, _ := p.owner()
		return c.Do("GET", "/v1/auth/me", nil, "X-API-Key", "cnpy_x")
	},
	"auth.origin_refused": func(_ *testing.T, p *provoker) servertest.Answer {
		return p.Client().Do("POST", "/v1/auth/refresh", nil, "Origin", "https://evil.example")
	},
	"auth.permission_denied": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, account := p.owner()
		admin, _, _ := p.colleague(owner, account)
		return admin.Do("DELETE", account+"/users/"+owner.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id"), nil)
	},
	"auth.sign_up_closed": func(t *testing.T, p *provoker) servertest.Answer {
		closed := servertest.New(t, p.engine, func(c *config.Settings) { c.Signup = "closed" })
		return closed.Client().Do("POST", "/v1/auth/register", signUp("alex@acme.com"))
	},
	"auth.invalid_credentials": func(_ *testing.T, p *provoker) servertest.Answer {
		return p.Client().Do("POST", "/v1/auth/login", login(p.address(), "Wrong-Pass-9"))
	},
	"auth.too_many_attempts": func(t *testing.T, p *provoker) servertest.Answer {
		limited := servertest.New(t, p.engine, func(c *config.Settings) { c.RateLimits = "sign_in=1/15m" })
		limited.Client().Must(401, "POST", "/v1/auth/login", login("alex@acme.com", "Wrong-Pass-9"))
		return limited.Client().Do("POST", "/v1/auth/login", login("alex@acme.com", "Wrong-Pass-9"))
	},
	"rate_limit.exceeded": func(t *testing.T, p *provoker) servertest.Answer {
		limited := servertest.New(t, p.engine, func(c *config.Settings) { c.RateLimits = "sign_up=1/1h" })
		limited.Client().Must(201, "POST", "/v1/auth/register", signUp("alex@acme.com"))
		return limited.Client().Do("POST", "/v1/auth/register", signUp("kim@acme.com"))
	},
	"auth.email_not_verified": func(_ *testing.T, p *provoker) servertest.Answer {
		email, _ := p.registered()
		return p.Client().Do("POST", "/v1/auth/login", login(email, servertest.Password))
	},
	"auth.account_locked": func(_ *testing.T, p *provoker) servertest.Answer {
		email := p.address()
		_, _ = p.SignUp(email, "Acme")
		for range 10 {
			p.Client().Must(401, "POST", "/v1/auth/login", login(email, "Wrong-Pass-9"))
		}
		return p.Client().Do("POST", "/v1/auth/login", login(email, servertest.Password))
	},
	"auth.no_active_account": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, account := p.owner()
		_, email, id := p.colleague(owner, account)
		owner.Must(200, "POST", account+"/users/"+id+"/deactivate", nil)
		return p.Client().Do("POST", "/v1/auth/login", login(email, servertest.Password))
	},
	"auth.session_revoked": func(_ *testing.T, p *provoker) servertest.Answer {
		c, cookie := p.refresher()
		c.Must(200, "POST", "/v1/auth/logout", nil)
		return p.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie)
	},
	"auth.refresh_conflict": func(_ *testing.T, p *provoker) servertest.Answer {
		_, cookie := p.refresher()
		p.Client().Must(200, "POST", "/v1/auth/refresh", nil, "Cookie", cookie)
		return p.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie)
	},
	"auth.session_not_found": func(_ *testing.T, p *provoker) servertest.Answer {
		c, _ := p.owner()
		return c.Do("DELETE", "/v1/auth/sessions/"+noID, nil)
	},
	"auth.link_not_found": func(_ *testing.T, p *provoker) servertest.Answer {
		return p.Client().Do("POST", "/v1/auth/verify-email", m{"token": noToken})
	},
	"auth.link_expired": func(_ *testing.T, p *provoker) servertest.Answer {
		_, link := p.registered()
		p.Clock.Advance(24 * time.Hour)
		return p.Client().Do("POST", "/v1/auth/verify-email", m{"token": link})
	},
	"auth.link_used": func(_ *testing.T, p *provoker) servertest.Answer {
		_, link := p.registered()
		p.Client().Must(200, "POST", "/v1/auth/verify-email", m{"token": link})
		return p.Client().Do("POST", "/v1/auth/verify-email", m{"token": link})
	},
	"account.not_found": func(_ *testing.T, p *provoker) servertest.Answer {
		c, _ := p.owner()
		return c.Do("GET", "/portal/v1/accounts/nobody", nil)
	},
	"account.last_owner": func(_ *testing.T, p *provoker) servertest.Answer {
		c, account := p.owner()
		return c.Do("DELETE", account+"/users/"+c.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id"), nil)
	},
	"users.not_found": func(_ *testing.T, p *provoker) servertest.Answer {
		c, account := p.owner()
		return c.Do("GET", account+"/users/"+noID, nil)
	},
	"applications.not_found": func(_ *testing.T, p *provoker) servertest.Answer {
		c, _ := p.owner()
		return c.Do("POST", "/v1/auth/switch-application", m{"application_id": noID})
	},
	"invites.not_found": func(_ *testing.T, p *provoker) servertest.Answer {
		return p.Client().Do("POST", "/v1/auth/invite-info", m{"token": noToken})
	},
	"invites.already_member": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, account := p.owner()
		_, email, _ := p.colleague(owner, account)
		return owner.Do("POST", account+"/user-invites", invitation(email))
	},
	"invites.already_pending": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, account := p.owner()
		email := p.address()
		owner.Must(201, "POST", account+"/user-invites", invitation(email))
		return owner.Do("POST", account+"/user-invites", invitation(email))
	},
	"invites.member_deactivated": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, account := p.owner()
		_, email, id := p.colleague(owner, account)
		owner.Must(200, "POST", account+"/users/"+id+"/deactivate", nil)
		return owner.Do("POST", account+"/user-invites", invitation(email))
	},
	"invites.not_pending": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, path, _ := p.invited()
		owner.Must(204, "DELETE", path, nil)
		return owner.Do("DELETE", path, nil)
	},
	"invites.resend_cooldown": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, path, _ := p.invited()
		return owner.Do("POST", path+"/resend", nil)
	},
	"invites.expired": func(_ *testing.T, p *provoker) servertest.Answer {
		_, _, token := p.invited()
		p.Clock.Advance(168 * time.Hour)
		return p.Client().Do("POST", "/v1/auth/invite-info", m{"token": token})
	},
	"invites.revoked": func(_ *testing.T, p *provoker) servertest.Answer {
		owner, path, token := p.invited()
		owner.Must(204, "DELETE", path, nil)
		return p.Client().Do("POST", "/v1/auth/invite-info", m{"token": token})
	},
	"invites.already_accepted": func(_ *testing.T, p *provoker) servertest.Answer {
		_, _, token := p.invited()
		p.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
		return p.Client().Do("POST", "/v1/auth/accept-invite", acceptance(token))
	},
	"server.busy":        busy,
	"server.internal":    broken,
	"server.unavailable": unavailable,
}

// busy: more sign-ins at once than passwords may wait to be compared, since the
// person's hash is an expensive one.
func busy(t *testing.T, p *provoker) servertest.Answer {
	email := p.address()
	_, _ = p.SignUp(email, "Acme")
	slow, err := secret.NewHasher(secret.Params{MemoryKiB: 19 * 1024, Time: 1, Threads: 1}, 1, 1).Hash(t.Context(), servertest.Password)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, p, `UPDATE portal_user SET password_hash = '`+slow+`' WHERE email = '`+email+`'`)
	answers := make(chan servertest.Answer, 200)
	for range cap(answers) {
		go func() { answers <- p.Client().Do("POST", "/v1/auth/login", login(email, "Wrong-Pass-9")) }()
	}
	last := servertest.Answer{}
	for range cap(answers) {
		if a := <-answers; a.Code() == "server.busy" {
			last = a
		}
	}
	return last
}

// broken: the store is not what this binary thinks it is.
func broken(t *testing.T, p *provoker) servertest.Answer {
	own := &provoker{Server: servertest.New(t, p.engine, nil), engine: p.engine}
	c, account := own.owner()
	execute(t, own, `DROP TABLE user_invite`)
	return c.Do("GET", account+"/user-invites", nil)
}

// unavailable: PostgreSQL takes no connections any more; the disk of SQLite is
// full.
func unavailable(t *testing.T, p *provoker) servertest.Answer {
	own := &provoker{Server: servertest.New(t, p.engine, nil), engine: p.engine}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(own.Log.String())
		}
	})
	c, account := own.owner()
	if p.engine == database.Postgres {
		dbtest.Disconnect(t, own.DB)
		return c.Do("GET", account+"/user-invites", nil)
	}
	execute(t, own, `PRAGMA max_page_count = 1`)
	for range 300 { // what is free in the file's pages is filled first
		if a := c.Do("POST", account+"/user-invites", invitation(own.address())); a.Status != 201 {
			return a
		}
	}
	return servertest.Answer{}
}

func execute(t *testing.T, p *provoker, statement string) {
	t.Helper()
	if _, err := p.DB.Pool().ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// TestEveryCodeIsProduced: a code that no request can provoke is no code.
func TestEveryCodeIsProduced(t *testing.T) {
	known := map[string]int{}
	for _, e := range server.Errors() {
		known[e.Code] = e.Status
		if provocations[e.Code] == nil {
			t.Errorf("%s: no request of this test provokes it", e.Code)
		}
	}
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		p := &provoker{Server: servertest.New(t, engine, nil), engine: engine}
		for code, provoke := range provocations {
			t.Run(string(engine)+"/"+code, func(t *testing.T) {
				if a := provoke(t, p); a.Code() != code || a.Status != known[code] {
					t.Errorf("answered %d %s, want %d %s", a.Status, a.Raw, known[code], code)
				}
			})
		}
	}
}
