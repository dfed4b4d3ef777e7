package portalapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/server/servertest"
)

// The cases of links and tokens.

func tokenTamper(t *testing.T, w world) {
	_, token := w.Invite("dana@acme.com")
	for i := range len(token) {
		flipped := []byte(token)
		flipped[i] ^= 1
		is(t, string(flipped), w.anyone().accept(string(flipped)), 404, "invites.not_found")
	}
	// Nothing else in the request says whose invite it is.
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	noa.Must(200, "POST", "/v1/auth/accept-invite?account="+other+"&email=noa@northwind.com",
		servertest.Acceptance(token), "X-Account", other)
	if got := w.People(); got != "alex@acme.com dana@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func wholeToken(t *testing.T, w world) {
	_, token := w.Invite("dana@acme.com")
	is(t, "with U+0000", w.Client().Do("POST", "/v1/auth/invite-info", m{"token": token + "\u0000"}), 400, "validation")
	tries := []string{
		token + "A", token + "=", token + " ", " " + token, token + token, strings.ToUpper(token),
	}
	for i := range len(token) {
		tries = append(tries, token[:i], token[i+1:])
	}
	for _, try := range tries {
		for _, path := range []string{"/v1/auth/invite-info", "/v1/auth/accept-invite"} {
			body := servertest.Acceptance(try)
			if path == "/v1/auth/invite-info" {
				body = m{"token": try}
			}
			is(t, fmt.Sprintf("%s with %q", path, try), w.Client().Do("POST", path, body), 404, "invites.not_found")
		}
	}
	w.Client().Must(200, "POST", "/v1/auth/invite-info", m{"token": token})
}

// purposeMatrix offers every kind of token at every endpoint that takes one; only
// the diagonal may work. Routes that want a bearer token join by themselves.
func purposeMatrix(t *testing.T, w world) {
	inviteID, invited := w.Invite("dana@acme.com")
	w.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("new@acme.com"))
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
	tokens := map[string]string{
		"invite": invited, "verify": w.MailedToken("new@acme.com"), "reset": w.MailedToken("alex@acme.com"),
		"access": w.Alex.Token, "refresh": w.Alex.CookieValue("/v1/auth/refresh", "canopy_refresh"),
		"pre-auth": w.preAuth(t), "id": inviteID,
	}
	mailed := map[string]func(string) answer{
		"invite": func(k string) answer {
			w.anyone().preview(k)
			return w.anyone().accept(k)
		},
		"verify": func(k string) answer { return w.anyone().verify(k) },
		"reset": func(k string) answer {
			return w.anyone().reset(k, "Another-Horse-8")
		},
	}
	for kind, token := range tokens {
		if token == "" {
			t.Fatalf("there is no %s token to offer", kind)
		}
		for door, try := range mailed {
			if kind != door {
				is(t, kind+" token at the door of "+door, try(token), 404, "")
			}
		}
		if kind != "refresh" {
			cookie := "canopy_refresh=" + url.QueryEscape(token)
			is(t, kind+" token as refresh cookie",
				w.Client().Do("POST", "/v1/auth/refresh", m{}, "Cookie", cookie), 401, "")
		}
		for _, r := range w.Router.Operations() {
			if len(r.Callers) == 0 || kind == "access" || kind == "pre-auth" && r.ID == "selectApplication" {
				continue
			}
			c := w.Client()
			c.Token = token
			path := strings.NewReplacer("{accountSlug}", w.Slug, "{id}", inviteID).Replace(r.Path)
			is(t, kind+" token as bearer of "+r.ID, c.Do(r.Method, path, nil), 401, "auth.invalid_token")
		}
	}
	choice := m{"account_id": inviteID, "application_id": inviteID}
	is(t, "access token to choose an Application",
		w.Alex.Do("POST", "/v1/auth/select-application", choice), 403, "auth.wrong_principal")
	for _, works := range []string{"verify", "reset", "invite"} {
		is(t, works, mailed[works](tokens[works]), 200, "")
	}
}

// preAuth is the token of a person who has two Accounts to choose from.
func (w world) preAuth(t *testing.T) string {
	t.Helper()
	kim, _ := w.SignUp("kim@initech.com", "Initech")
	_, token := w.Invite("kim@initech.com")
	kim.Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	a := w.Client().Must(200, "POST", "/v1/auth/login", servertest.Credentials("kim@initech.com", servertest.Password))
	if a.Text("data", "token_type") != "preauth" {
		t.Fatalf("no choice: %s", a.Raw)
	}
	return a.Text("data", "access_token")
}

func idIsNoSecret(t *testing.T, w world) {
	inviteID, _ := w.Invite("noa@northwind.com")
	noa, _ := w.SignUp("noa@northwind.com", "Northwind") // the invited address, signed in
	for _, c := range []*client{w.Client(), noa, w.Alex} {
		is(t, "preview by id", c.Do("POST", "/v1/auth/invite-info", m{"token": inviteID}), 404, "invites.not_found")
		is(t, "accept by id", guest{c}.accept(inviteID), 404, "invites.not_found")
	}
	if got := w.People(); got != "alex@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func oneLinkOnePerson(t *testing.T, w world) {
	_, token := w.Invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	noa, _ := w.SignUp("noa@northwind.com", "Northwind")
	for _, header := range [][]string{
		nil, {"Cookie", "canopy_refresh=x; email=noa@northwind.com"}, {"X-User", "noa@northwind.com"},
	} {
		is(t, "a second person", guest{noa}.accept(token, header...), 410, "invites.already_accepted")
	}
	if got := w.People(); got != "alex@acme.com dana@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func linkExpires(t *testing.T, w world) {
	w.Clock.Stop(time.Now().Truncate(time.Millisecond)) // so that the answer's milliseconds are the whole truth
	inviteID, token := w.Invite("dana@acme.com")
	row := w.Alex.Must(200, "GET", w.invites()+"/"+inviteID, nil)
	end, err := time.Parse(time.RFC3339, row.Text("data", "expires_at"))
	if err != nil {
		t.Fatal(err)
	}
	for _, door := range []struct {
		path string
		body m
	}{{"/v1/auth/invite-info", m{"token": token}}, {"/v1/auth/accept-invite", servertest.Acceptance(token)}} {
		for _, moment := range []struct {
			from   time.Duration
			status int
			code   string
		}{{time.Millisecond, 410, "invites.expired"}, {0, 410, "invites.expired"}, {-time.Millisecond, 200, ""}} {
			w.Clock.Stop(end.Add(moment.from))
			what := door.path + " " + moment.from.String() + " from the end"
			is(t, what, w.Client().Do("POST", door.path, door.body), moment.status, moment.code)
		}
	}
}

func usedIsUsed(t *testing.T, w world) {
	_, token := w.Invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "dana@acme.com"})
	reset := w.MailedToken("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/reset-password", m{"token": reset, "password": "Second-Horse-8"})
	w.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("new@acme.com"))
	verify := w.MailedToken("new@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/verify-email", m{"token": verify})

	is(t, "accept again", w.anyone().accept(token), 410, "invites.already_accepted")
	is(t, "reset again", w.anyone().reset(reset, "Third-Horse-9"), 410, "auth.link_used")
	is(t, "verify again", w.anyone().verify(verify), 410, "auth.link_used")
	signIns := map[string]int{servertest.Password: 401, "Second-Horse-8": 200, "Third-Horse-9": 401}
	for password, status := range signIns {
		is(t, password, w.anyone().login("dana@acme.com", password), status, "")
	}
}

func firstCredential(t *testing.T, w world) {
	inviteID, token := w.Invite("dana@acme.com")
	body := m{"token": "", "password": servertest.Password}
	for _, forged := range []string{inviteID, "dana@acme.com", "", "null", "0"} {
		body["token"] = forged
		cookies := "invite=" + inviteID + "; canopy_refresh=" + token
		a := w.Client().Do("POST", "/v1/auth/reset-password", body, "Cookie", cookies)
		if a.Status < 400 {
			t.Errorf("a password was set with %q: %s", forged, a.Raw)
		}
	}
	change := m{"current_password": "x", "new_password": servertest.Password}
	is(t, "change without a session",
		w.Client().Do("POST", "/v1/auth/change-password", change), 401, "auth.invalid_token")
	// No user has the address yet, so a forgotten password mails nothing.
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "dana@acme.com"})
	if again := w.MailedToken("dana@acme.com"); again != token {
		t.Error("a second link was mailed")
	}
	is(t, "sign in before", w.anyone().login("dana@acme.com", servertest.Password), 401, "auth.invalid_credentials")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	is(t, "sign in after", w.anyone().login("dana@acme.com", servertest.Password), 200, "")
}

func tokenNotEmail(t *testing.T, w world) {
	one, first := w.Invite("dana@acme.com")
	two, _ := w.Invite("omar@acme.com")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	noa.Must(201, "POST", servertest.Invites(other), servertest.Invitation("dana@acme.com"))
	body := servertest.Acceptance(first)
	body["email"] = "omar@acme.com"
	is(t, "accept with an address", w.Client().Do("POST", "/v1/auth/accept-invite", body), 400, "validation")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite?email=omar@acme.com", servertest.Acceptance(first))
	if w.InviteStatus(one) != "accepted" || w.InviteStatus(two) != "pending" {
		t.Errorf("the invites are %s and %s", w.InviteStatus(one), w.InviteStatus(two))
	}
	if a := noa.Must(200, "GET", servertest.Invites(other)+"/summary", nil); a.At("data", "pending_count") != 1. {
		t.Errorf("another Account's invite of the address: %s", a.Raw)
	}
}

func singleWinner(t *testing.T, w world) {
	_, token := w.Invite("dana@acme.com")
	got := servertest.AtOnce(50, func() string {
		return servertest.Outcome(w.anyone().accept(token))
	})
	if got["ok"] != 1 || got["invites.already_accepted"]+got["server.busy"] != 49 {
		t.Errorf("accepts: %v", got)
	}
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
	reset := w.MailedToken("alex@acme.com")
	got = servertest.AtOnce(50, func() string {
		return servertest.Outcome(w.anyone().reset(reset, "Another-Horse-8"))
	})
	if got["ok"] != 1 || got["auth.link_used"]+got["server.busy"] != 49 {
		t.Errorf("resets: %v", got)
	}
	w.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("new@acme.com"))
	verify := w.MailedToken("new@acme.com")
	got = servertest.AtOnce(50, func() string {
		return servertest.Outcome(w.anyone().verify(verify))
	})
	if got["ok"] != 1 || got["auth.link_used"] != 49 {
		t.Errorf("verifications: %v", got)
	}
}

func prefetch(t *testing.T, w world) {
	inviteID, token := w.Invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
	reset := w.MailedToken("alex@acme.com")
	for _, method := range []string{"GET", "HEAD"} {
		for _, path := range []string{"/app/accept-invite", "/app/verify-email", "/app/reset-password", "/app/login"} {
			for _, query := range []string{"", "?token=" + token, "?token=" + reset} {
				for _, purpose := range [][]string{nil, {"Sec-Purpose", "prefetch"}, {"Purpose", "prefetch"}} {
					if a := w.Client().Do(method, path+query, nil, purpose...); a.Status >= 500 {
						t.Errorf("%s %s: %d", method, path, a.Status)
					}
				}
			}
		}
		for _, path := range []string{"/v1/auth/accept-invite", "/v1/auth/invite-info", "/v1/auth/reset-password"} {
			if a := w.Client().Do(method, path+"?token="+token, nil); a.Status < 400 {
				t.Errorf("%s %s: %d", method, path, a.Status)
			}
		}
	}
	if w.InviteStatus(inviteID) != "pending" {
		t.Error("a look at the page used the link")
	}
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	w.Client().Must(200, "POST", "/v1/auth/reset-password", m{"token": reset, "password": "Another-Horse-8"})
}
