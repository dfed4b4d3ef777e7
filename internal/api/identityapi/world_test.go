package identityapi_test

import (
	"maps"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

type (
	m      = servertest.Map
	answer = servertest.Answer
)

const (
	development = "/applications/desk/environments/development"
	production  = "/applications/desk/environments/production"
	password    = "correct horse battery"
	accepting   = "/v1/identity/auth/accept-invite"
	previewing  = "/v1/identity/auth/invite-info"
)

// world is a server with an Account, seen by its owner.
type world struct {
	*servertest.Server
	t       testing.TB
	owner   *servertest.Client
	email   string // of the owner
	account string // path
	at      string // path of the Environment development
}

func newWorld(t testing.TB, p servertest.Provoker) *world {
	t.Helper()
	email := p.Address()
	c, slug := p.SignUp(email, "Acme")
	account := "/portal/v1/accounts/" + slug
	return &world{p.Server, t, c, email, account, account + development}
}

// each runs fn in a world of its own on each engine.
func each(t *testing.T, change func(*config.Settings), fn func(t *testing.T, w *world)) {
	t.Helper()
	servertest.Each(t, change, func(t *testing.T, s *servertest.Server) { fn(t, newWorld(t, s.Provoker())) })
}

// invitation is the body of an invite; fields come over it.
func invitation(email string, fields m) m {
	body := m{"email": email, "first_name": "Dana", "last_name": "Cole", "send_email": false}
	maps.Copy(body, fields)
	return body
}

// invite invites an address into the Environment, and gives the invite's id and token.
func (w *world) invite(email string, fields m) (id, token string) {
	w.t.Helper()
	return w.inviteAt(w.at, email, fields)
}

func (w *world) inviteAt(at, email string, fields m) (id, token string) {
	w.t.Helper()
	a := w.owner.Must(201, "POST", at+"/identity-invites", invitation(email, fields))
	return a.Text("data", "id"), tokenOf(w.t, a)
}

// tokenOf is the token in the link of an answer.
func tokenOf(t testing.TB, a answer) string {
	t.Helper()
	page, token, found := strings.Cut(a.Text("data", "accept_url"), "#token=")
	if !found || len(token) != 43 || !strings.HasSuffix(page, "/app/identity/accept-invite") {
		t.Fatalf("no link in %s", a.Raw)
	}
	return token
}

// joining is the body with which a new person accepts.
func joining(token string) m {
	return m{"token": token, "first_name": "Dana", "last_name": "Cole", "password": password}
}

// accept has a stranger accept.
func (w *world) accept(body m) answer { return w.Client().Do("POST", accepting, body) }

func (w *world) preview(token string) answer {
	return w.Client().Do("POST", previewing, m{"token": token})
}

// member makes a member with the password of this test.
func (w *world) member(email string) (id string) {
	w.t.Helper()
	return w.memberAt(w.at, email)
}

func (w *world) memberAt(at, email string) (id string) {
	w.t.Helper()
	body := m{"email": email, "first_name": "Mia", "last_name": "Moss", "password": password}
	return w.owner.Must(201, "POST", at+"/identities", body).Text("data", "id")
}

// role makes a role.
func (w *world) role() string {
	w.t.Helper()
	return w.owner.Role(w.at, "Reader")
}

// status is how an invite of the Environment stands.
func (w *world) status(id string) string {
	w.t.Helper()
	return w.owner.Must(200, "GET", w.at+"/identity-invites/"+id, nil).Text("data", "status")
}

// inviteOf reads one of the Account's invites out of its list.
func (w *world) inviteOf(email string) m {
	w.t.Helper()
	list := w.owner.Must(200, "GET", w.account+"/identity-invites?q="+email, nil)
	if list.At("pagination", "item_count") != 1. {
		w.t.Fatalf("%s has %s", email, list.Raw)
	}
	return list.At("items").([]any)[0].(m)
}

// is holds that an answer is an error, or "ok".
func is(t testing.TB, what string, a answer, want string) {
	t.Helper()
	if got := servertest.Outcome(a); got != want {
		t.Errorf("%s: %s, want %s: %s", what, got, want, a.Raw)
	}
}
