package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
	"canopy.dev/canopy/internal/wire"
)

// Each row is a flaw that some product of this kind had, by the number under
// which it was published, and what must hold here. Rows run on both engines, on
// a server of their own where alex is the owner of Acme.
var inviteCases = []struct {
	name, number string
	run          func(t *testing.T, w world)
}{
	{"token-tamper", "CVE-2026-1529", tokenTamper},
	{"cross-account-id", "", crossAccountID},
	{"token-other-door", "CVE-2022-23555", purposeMatrix},
	{"id-is-no-secret", "CVE-2026-53514", idIsNoSecret},
	{"no-token-in-answers", "CVE-2026-105639", noTokenInAnswers},
	{"no-token-in-public", "CVE-2026-102981", noTokenInPublic},
	{"email-match-is-not-enough", "CVE-2026-104978", emailMatchIsNotEnough},
	{"one-link-one-person", "GHSA-jv85-mqxj-3f9j", oneLinkOnePerson},
	{"link-expires", "CVE-2026-41902", linkExpires},
	{"purpose-matrix", "CVE-2026-115933", purposeMatrix},
	{"used-is-used", "CVE-2026-73431", usedIsUsed},
	{"unverified-match", "CVE-2022-2326", unverifiedMatch},
	{"side-door-join", "CVE-2026-108731", sideDoorJoin},
	{"list-needs-right", "CVE-2026-2463", listNeedsRight},
	{"closed-means-closed", "CVE-2024-49757", closedMeansClosed},
	{"no-role-in-body", "CVE-2026-47416, PYSEC-2026-480", noRoleInBody},
	{"html-in-names", "GHSA-xxc6-35r7-796w", htmlInNames},
	{"html-in-account-name", "GHSA-gx3w-rwh5-w5cg", htmlInAccountName},
	{"anchor-and-header-injection", "CVE-2026-115507", anchorAndHeaderInjection},
	{"forwarded-host", "GHSA-2wmj-46rj-qm2w", everyHostHeader},
	{"every-host-header", "CVE-2026-29067", everyHostHeader},
	{"no-caller-chosen-link", "GHSA-pgx2-m66h-x29f, GHSA-9qq3-v9g3-cxhw", noCallerChosenLink},
	{"first-credential", "CVE-2026-119128", firstCredential},
	{"guessable-ids", "CVE-2026-109373", guessableIDs},
	{"whole-token", "CVE-2026-27840", wholeToken},
	{"token-not-email", "GHSA-4rxr-27mm-mxq9", tokenNotEmail},
	{"single-winner", "CVE-2026-53517", singleWinner},
	{"one-tenant-source", "CVE-2026-105209", oneTenantSource},
	{"disabled-is-disabled", "CVE-2026-1609", disabledIsDisabled},
	{"prefetch", "", prefetch},
	// mail-server-down is TestMailServerDown, which has a mail server to take down.
}

// world is where a case begins.
type world struct {
	*servertest.Server
	alex *servertest.Client // owner of Acme
	slug string
}

func TestInviteSecurityCases(t *testing.T) {
	for _, c := range inviteCases {
		t.Run(c.name, func(t *testing.T) {
			servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
				alex, slug := s.SignUp("alex@acme.com", "Acme")
				c.run(t, world{s, alex, slug})
			})
		})
	}
}

// invite invites an address into Acme and gives the invite's id and link token.
func (w world) invite(email string) (inviteID, token string) {
	inviteID = w.alex.Must(201, "POST", invites(w.slug), m{"email": email, "first_name": "Dana", "last_name": "Cole"}).Text("data", "id")
	return inviteID, w.MailedToken(email)
}

// join brings a new admin into Acme.
func (w world) join(email string) *servertest.Client {
	_, token := w.invite(email)
	c := w.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	c.SignIn(email)
	return c
}

// members are the addresses of Acme's people.
func (w world) members(t *testing.T) string {
	t.Helper()
	var list []string
	for _, item := range w.alex.Must(200, "GET", "/portal/v1/accounts/"+w.slug+"/users?sort_by=email&order=asc", nil).At("items").([]any) {
		list = append(list, item.(m)["email"].(string))
	}
	return strings.Join(list, " ")
}

// status is the present status of one of Acme's invites.
func (w world) status(inviteID string) string {
	return w.alex.Must(200, "GET", invites(w.slug)+"/"+inviteID, nil).Text("data", "status")
}

// is complains unless an answer has a status and, where one is named, a code.
func is(t *testing.T, what string, a servertest.Answer, status int, code string) {
	t.Helper()
	if a.Status != status || code != "" && a.Code() != code {
		t.Errorf("%s: %d, want %d %s: %s", what, a.Status, status, code, a.Raw)
	}
}

func tokenTamper(t *testing.T, w world) {
	_, token := w.invite("dana@acme.com")
	for i := range len(token) {
		flipped := []byte(token)
		flipped[i] ^= 1
		is(t, string(flipped), w.Client().Do("POST", "/v1/auth/accept-invite", acceptance(string(flipped))), 404, "invites.not_found")
	}
	// Nothing else in the request says whose invite it is.
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	noa.Must(200, "POST", "/v1/auth/accept-invite?account="+other+"&email=noa@northwind.com", acceptance(token), "X-Account", other)
	if got := w.members(t); got != "alex@acme.com dana@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func wholeToken(t *testing.T, w world) {
	_, token := w.invite("dana@acme.com")
	tries := []string{token + "A", token + "=", token + "\u0000", token + " ", " " + token, token + token, strings.ToUpper(token)}
	for i := range len(token) {
		tries = append(tries, token[:i], token[i+1:])
	}
	for _, try := range tries {
		for _, path := range []string{"/v1/auth/invite-info", "/v1/auth/accept-invite"} {
			body := acceptance(try)
			if path == "/v1/auth/invite-info" {
				body = m{"token": try}
			}
			is(t, fmt.Sprintf("%s with %q", path, try), w.Client().Do("POST", path, body), 404, "invites.not_found")
		}
	}
	w.Client().Must(200, "POST", "/v1/auth/invite-info", m{"token": token})
}

func crossAccountID(t *testing.T, w world) {
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	mine, _ := w.invite("dana@acme.com")
	theirs := noa.Must(201, "POST", invites(other), dana).Text("data", "id")
	w.Clock.Advance(5 * time.Minute) // past the cooldown: only the Account stands in the way
	for _, call := range [][2]string{{"GET", ""}, {"POST", "/resend"}, {"DELETE", ""}} {
		is(t, call[0]+call[1]+" of a foreign id", w.alex.Do(call[0], invites(w.slug)+"/"+theirs+call[1], nil), 404, "invites.not_found")
		is(t, call[0]+call[1]+" under a foreign slug", w.alex.Do(call[0], invites(other)+"/"+theirs+call[1], nil), 404, "account.not_found")
		is(t, call[0]+call[1]+" of the own id under a foreign slug", w.alex.Do(call[0], invites(other)+"/"+mine+call[1], nil), 404, "account.not_found")
	}
	row := noa.Must(200, "GET", invites(other)+"/"+theirs, nil)
	if row.Text("data", "status") != "pending" || row.At("data", "send_count") != 1. || w.status(mine) != "pending" {
		t.Errorf("something changed: %s", row.Raw)
	}
}

// purposeMatrix offers every kind of token at every endpoint that takes one; only
// the diagonal may work. Routes that want a bearer token join by themselves.
func purposeMatrix(t *testing.T, w world) {
	inviteID, invited := w.invite("dana@acme.com")
	w.Client().Must(201, "POST", "/v1/auth/register", m{"email": "new@acme.com", "password": servertest.Password, "first_name": "N", "last_name": "N",
		"account_name": "New", "application_name": "New"})
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
	tokens := map[string]string{"invite": invited, "verify": w.MailedToken("new@acme.com"), "reset": w.MailedToken("alex@acme.com"), "access": w.alex.Token,
		"refresh": w.alex.CookieValue("/v1/auth/refresh", "canopy_refresh"), "pre-auth": w.preAuth(t), "id": inviteID}
	mailed := map[string]func(string) servertest.Answer{
		"invite": func(k string) servertest.Answer {
			w.Client().Do("POST", "/v1/auth/invite-info", m{"token": k})
			return w.Client().Do("POST", "/v1/auth/accept-invite", acceptance(k))
		},
		"verify": func(k string) servertest.Answer { return w.Client().Do("POST", "/v1/auth/verify-email", m{"token": k}) },
		"reset": func(k string) servertest.Answer {
			return w.Client().Do("POST", "/v1/auth/reset-password", m{"token": k, "password": "Another-Horse-8"})
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
			is(t, kind+" token as refresh cookie", w.Client().Do("POST", "/v1/auth/refresh", m{}, "Cookie", "canopy_refresh="+url.QueryEscape(token)), 401, "")
		}
		for _, r := range w.Router.Routes() {
			if r.Access == wire.Public || kind == "access" || kind == "pre-auth" && r.ID == "selectApplication" {
				continue
			}
			c := w.Client()
			c.Token = token
			path := strings.NewReplacer("{accountSlug}", w.slug, "{id}", inviteID).Replace(r.Path)
			is(t, kind+" token as bearer of "+r.ID, c.Do(r.Method, path, nil), 401, "auth.invalid_token")
		}
	}
	is(t, "access token to choose an Application", w.alex.Do("POST", "/v1/auth/select-application", m{"account_id": inviteID, "application_id": inviteID}), 403, "auth.wrong_principal")
	for _, works := range []string{"verify", "reset", "invite"} {
		is(t, works, mailed[works](tokens[works]), 200, "")
	}
}

// preAuth is the token of a person who has two Accounts to choose from.
func (w world) preAuth(t *testing.T) string {
	t.Helper()
	kim, slug := w.SignUp("kim@initech.com", "Initech")
	_ = slug
	_, token := w.invite("kim@initech.com")
	kim.Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	a := w.Client().Must(200, "POST", "/v1/auth/login", m{"email": "kim@initech.com", "password": servertest.Password})
	if a.Text("data", "token_type") != "preauth" {
		t.Fatalf("no choice: %s", a.Raw)
	}
	return a.Text("data", "access_token")
}

func idIsNoSecret(t *testing.T, w world) {
	inviteID, _ := w.invite("noa@northwind.com")
	noa, _ := w.SignUp("noa@northwind.com", "Northwind") // the invited address, signed in
	for _, c := range []*servertest.Client{w.Client(), noa, w.alex} {
		is(t, "preview by id", c.Do("POST", "/v1/auth/invite-info", m{"token": inviteID}), 404, "invites.not_found")
		is(t, "accept by id", c.Do("POST", "/v1/auth/accept-invite", acceptance(inviteID)), 404, "invites.not_found")
	}
	if got := w.members(t); got != "alex@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

// walkGET asks every readable route and page as each caller and gives all that
// was answered.
func (w world) walkGET(t *testing.T, inviteID string, callers ...*servertest.Client) string {
	t.Helper()
	var all strings.Builder
	paths := []string{"/openapi.json", "/docs", "/metrics", "/app/login", "/app/accept-invite", "/app/verify-email", "/app/reset-password", "/app/"}
	for _, r := range w.Router.Routes() {
		if r.Method == "GET" {
			paths = append(paths, strings.NewReplacer("{accountSlug}", w.slug, "{id}", inviteID).Replace(r.Path))
		}
	}
	for _, c := range callers {
		for _, path := range paths {
			a := c.Do("GET", path, nil)
			all.WriteString(a.Raw)
			for _, values := range a.Header {
				all.WriteString(strings.Join(values, "\n"))
			}
		}
	}
	return all.String()
}

func noTokenInAnswers(t *testing.T, w world) {
	admin := w.join("omar@acme.com")
	inviteID, token := w.invite("noa@northwind.com")
	noa, _ := w.SignUp("noa@northwind.com", "Northwind")
	created := w.alex.Must(201, "POST", invites(w.slug), m{"email": "kim@acme.com", "first_name": "K", "last_name": "A"})
	if second := w.MailedToken("kim@acme.com"); strings.Contains(created.Raw, second) {
		t.Error("the answer of create holds the token")
	}
	all := w.walkGET(t, inviteID, w.alex, admin, noa)
	if !strings.Contains(all, inviteID) {
		t.Fatal("the walk did not come past the invite")
	}
	if strings.Contains(all, token) || strings.Contains(w.Log.String(), token) {
		t.Error("an answer or the log holds the token")
	}
}

func noTokenInPublic(t *testing.T, w world) {
	inviteID, token := w.invite("dana@acme.com")
	all := w.walkGET(t, inviteID, w.Client())
	for _, secret := range []string{token, "dana@acme.com"} {
		if strings.Contains(all, secret) {
			t.Errorf("somebody without credentials reads %q", secret)
		}
	}
}

func emailMatchIsNotEnough(t *testing.T, w world) {
	inviteID, _ := w.invite("noa@northwind.com")
	noa, _ := w.SignUp("noa@northwind.com", "Northwind") // owns the address, and never used the link
	if got := noa.Must(200, "GET", "/v1/auth/accounts", nil); strings.Contains(got.Raw, w.slug+`"`) {
		t.Errorf("the address alone opened Acme: %s", got.Raw)
	}
	if got := w.members(t); got != "alex@acme.com" || w.status(inviteID) != "pending" {
		t.Errorf("Acme's people: %s; the invite is %s", got, w.status(inviteID))
	}
}

func oneLinkOnePerson(t *testing.T, w world) {
	_, token := w.invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	noa, _ := w.SignUp("noa@northwind.com", "Northwind")
	for _, header := range [][]string{nil, {"Cookie", "canopy_refresh=x; email=noa@northwind.com"}, {"X-User", "noa@northwind.com"}} {
		is(t, "a second person", noa.Do("POST", "/v1/auth/accept-invite", acceptance(token), header...), 410, "invites.already_accepted")
	}
	if got := w.members(t); got != "alex@acme.com dana@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func linkExpires(t *testing.T, w world) {
	w.Clock.Stop(time.Now().Truncate(time.Millisecond)) // so that the answer's milliseconds are the whole truth
	inviteID, token := w.invite("dana@acme.com")
	end, err := time.Parse(time.RFC3339, w.alex.Must(200, "GET", invites(w.slug)+"/"+inviteID, nil).Text("data", "expires_at"))
	if err != nil {
		t.Fatal(err)
	}
	for _, door := range []struct {
		path string
		body m
	}{{"/v1/auth/invite-info", m{"token": token}}, {"/v1/auth/accept-invite", acceptance(token)}} {
		for _, moment := range []struct {
			from   time.Duration
			status int
			code   string
		}{{time.Millisecond, 410, "invites.expired"}, {0, 410, "invites.expired"}, {-time.Millisecond, 200, ""}} {
			w.Clock.Stop(end.Add(moment.from))
			is(t, door.path+" "+moment.from.String()+" from the end", w.Client().Do("POST", door.path, door.body), moment.status, moment.code)
		}
	}
}

func usedIsUsed(t *testing.T, w world) {
	_, token := w.invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "dana@acme.com"})
	reset := w.MailedToken("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/reset-password", m{"token": reset, "password": "Second-Horse-8"})
	w.Client().Must(201, "POST", "/v1/auth/register", m{"email": "new@acme.com", "password": servertest.Password, "first_name": "N", "last_name": "N",
		"account_name": "New", "application_name": "New"})
	verify := w.MailedToken("new@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/verify-email", m{"token": verify})

	is(t, "accept again", w.Client().Do("POST", "/v1/auth/accept-invite", acceptance(token)), 410, "invites.already_accepted")
	is(t, "reset again", w.Client().Do("POST", "/v1/auth/reset-password", m{"token": reset, "password": "Third-Horse-9"}), 410, "auth.link_used")
	is(t, "verify again", w.Client().Do("POST", "/v1/auth/verify-email", m{"token": verify}), 410, "auth.link_used")
	signIns := map[string]int{servertest.Password: 401, "Second-Horse-8": 200, "Third-Horse-9": 401}
	for password, status := range signIns {
		is(t, password, w.Client().Do("POST", "/v1/auth/login", m{"email": "dana@acme.com", "password": password}), status, "")
	}
}

func unverifiedMatch(t *testing.T, w world) {
	// Somebody signs up with the address and does not confirm it.
	w.Client().Must(201, "POST", "/v1/auth/register", m{"email": "dana@acme.com", "password": "Strangers-Pass-1", "first_name": "S", "last_name": "S",
		"account_name": "Stranger", "application_name": "S"})
	_, token := w.invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	is(t, "the stranger's password", w.Client().Do("POST", "/v1/auth/login", m{"email": "dana@acme.com", "password": "Strangers-Pass-1"}), 401, "auth.invalid_credentials")
	is(t, "the invitee's password", w.Client().Do("POST", "/v1/auth/login", m{"email": "dana@acme.com", "password": servertest.Password}), 200, "")

	// An existing user needs the password beside the token.
	_, _ = w.SignUp("noa@northwind.com", "Northwind")
	inviteID, token := w.invite("noa@northwind.com")
	wrong := acceptance(token)
	wrong["password"] = "Wrong-Horse-7"
	is(t, "with a wrong password", w.Client().Do("POST", "/v1/auth/accept-invite", wrong), 401, "auth.invalid_credentials")
	if w.status(inviteID) != "pending" || strings.Contains(w.members(t), "noa") {
		t.Error("a wrong password changed something")
	}
}

func sideDoorJoin(t *testing.T, w world) {
	me := w.alex.Must(200, "GET", "/v1/auth/me", nil)
	accountID, appID := me.Text("data", "account", "id"), w.alex.Must(200, "GET", "/v1/auth/accounts", nil).At("items").([]any)[0].(m)["applications"].([]any)[0].(m)["id"].(string)
	noa, slug := w.SignUp("noa@northwind.com", "Northwind")
	noaID := noa.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
	register := m{"email": "eve@evil.com", "password": servertest.Password, "first_name": "E", "last_name": "E", "account_name": "Acme", "application_name": "E"}
	doors := m{"account_id": accountID, "account_slug": w.slug, "invite_id": accountID}
	for field, value := range doors {
		register[field] = value
		is(t, "sign-up with "+field, w.Client().Do("POST", "/v1/auth/register", register), 400, "validation")
		delete(register, field)
	}
	is(t, "switch to a foreign Application", noa.Do("POST", "/v1/auth/switch-application", m{"application_id": appID}), 404, "")
	pre := w.Client()
	pre.Token = w.preAuth(t)
	eve, evil := w.SignUp("eve@evil.com", "Evil")
	evilApp := eve.Must(200, "GET", "/v1/auth/accounts", nil).At("items").([]any)[0].(m)
	is(t, "select a foreign Account", pre.Do("POST", "/v1/auth/select-application", m{"account_id": evilApp["account_id"],
		"application_id": evilApp["applications"].([]any)[0].(m)["id"]}), 404, "")
	for _, path := range []string{"/users/" + noaID + "/activate", "/users/" + noaID + "/deactivate"} {
		is(t, path, w.alex.Do("POST", "/portal/v1/accounts/"+w.slug+path, nil), 404, "")
		is(t, "foreign "+path, noa.Do("POST", "/portal/v1/accounts/"+w.slug+path, nil), 404, "account.not_found")
	}
	is(t, "a role for a stranger", w.alex.Do("PATCH", "/portal/v1/accounts/"+w.slug+"/members/"+noaID, m{"account_role": "admin"}), 404, "")
	if got := w.members(t); got != "alex@acme.com kim@initech.com" {
		t.Errorf("Acme's people: %s (%s, %s)", got, slug, evil)
	}
}

func listNeedsRight(t *testing.T, w world) {
	inviteID, token := w.invite("dana@acme.com")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	for _, path := range []string{invites(w.slug), invites(w.slug) + "/summary", invites(w.slug) + "/" + inviteID} {
		is(t, "nobody: "+path, w.Client().Do("GET", path, nil), 401, "auth.invalid_token")
		is(t, "a key: "+path, w.Client().Do("GET", path, nil, "X-API-Key", "cnpy_live_0123456789abcdef"), 401, "auth.invalid_token")
		is(t, "another Account's owner: "+path, noa.Do("GET", path, nil), 404, "account.not_found")
		c := w.Client()
		c.Token = token
		is(t, "the link's token: "+path, c.Do("GET", path, nil), 401, "auth.invalid_token")
	}
	is(t, "an id from elsewhere", noa.Do("DELETE", invites(other)+"/"+inviteID, nil), 404, "invites.not_found")
}

func closedMeansClosed(t *testing.T, open world) {
	s := servertest.New(t, open.DB.Engine, func(c *config.Settings) { c.Signup = "closed" })
	alex, slug := s.Bootstrap("alex@acme.com", "Acme")
	w := world{s, alex, slug}
	is(t, "sign-up", w.Client().Do("POST", "/v1/auth/register", m{"email": "eve@evil.com", "password": servertest.Password, "first_name": "E", "last_name": "E",
		"account_name": "Evil", "application_name": "E"}), 403, "auth.sign_up_closed")
	_ = w.join("dana@acme.com")
	if got := w.members(t); got != "alex@acme.com dana@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func noRoleInBody(t *testing.T, w world) {
	for _, field := range []string{"role", "account_role", "is_owner", "account_id", "status", "token", "expires_at", "invited_by"} {
		body := m{"email": "dana@acme.com", "first_name": "Dana", "last_name": "Cole", field: "owner"}
		is(t, "invite with "+field, w.alex.Do("POST", invites(w.slug), body), 400, "validation")
	}
	_, token := w.invite("dana@acme.com")
	for _, field := range []string{"role", "account_role", "email", "account_id"} {
		body := acceptance(token)
		body[field] = "owner"
		is(t, "accept with "+field, w.Client().Do("POST", "/v1/auth/accept-invite", body), 400, "validation")
	}
	c := w.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	c.SignIn("dana@acme.com")
	me := c.Must(200, "GET", "/v1/auth/me", nil)
	if me.Text("data", "account", "account_role") != "admin" {
		t.Errorf("%s", me.Raw)
	}
	is(t, "an admin promotes", c.Do("PATCH", "/portal/v1/accounts/"+w.slug+"/members/"+me.Text("data", "id"), m{"account_role": "owner"}), 403, "auth.permission_denied")
}

// mails are the HTML and text parts of the mails to an address.
func (w world) mails(t *testing.T, to string) (html, text string) {
	t.Helper()
	w.Deliver()
	for _, mail := range w.Mail.Messages() {
		if mail.To == to {
			html, text = html+mail.HTML, text+mail.Text
		}
	}
	if html == "" {
		t.Fatalf("no mail to %s", to)
	}
	return html, text
}

func htmlInNames(t *testing.T, w world) {
	const evil = `<img src=x onerror=alert(1)>`
	a := w.alex.Do("POST", invites(w.slug), m{"email": "dana@acme.com", "first_name": evil, "last_name": `<b>Cole</b>`})
	if a.Status == 400 {
		return // refused is as good; the pages are looked at in a browser elsewhere
	}
	is(t, "create", a, 201, "")
	if html, _ := w.mails(t, "dana@acme.com"); strings.Contains(html, "<img src=x") || strings.Contains(html, "<b>Cole") {
		t.Error("the mail holds the markup")
	}
}

func htmlInAccountName(t *testing.T, w world) {
	for i, name := range []string{`Acme <a href="https://evil.example">here</a>`, `"Acme" 'Realty' & Co`, "https://evil.example/win", "evil.example free money"} {
		a := w.alex.Do("PATCH", "/portal/v1/accounts/"+w.slug, m{"name": name})
		if a.Status == 400 {
			continue
		}
		is(t, "rename", a, 200, "")
		email := fmt.Sprintf("d%d@acme.com", i)
		_, _ = w.invite(email)
		html, text := w.mails(t, email)
		if strings.Contains(html, `href="https://evil.example`) || strings.Contains(html, "<a href=\"https://evil") || strings.Contains(text, "https://evil.example") {
			t.Errorf("%q links in the mail: %s", name, text)
		}
	}
}

func anchorAndHeaderInjection(t *testing.T, w world) {
	for i, name := range []string{`"><a href=https://evil.example>x</a>`, "Dana\r\nBcc: eve@evil.com", "Dana\nSubject: x", "\u202eanaD", "Da\u2066na", "Da\u0000na", strings.Repeat("界", 100), strings.Repeat("𝔇", 100)} {
		email := fmt.Sprintf("d%d@acme.com", i)
		a := w.alex.Do("POST", invites(w.slug), m{"email": email, "first_name": name, "last_name": "Cole"})
		if a.Status == 400 {
			if a.Code() != "validation" || !strings.Contains(a.Raw, "first_name") {
				t.Errorf("%q: %s", name, a.Raw)
			}
			continue
		}
		is(t, name, a, 201, "")
		html, text := w.mails(t, email)
		if strings.Contains(html, "<a href=https://evil") || strings.ContainsAny(text, "\u202e\u2066\u0000") {
			t.Errorf("%q is in the mail: %s", name, text)
		}
		for _, mail := range w.Mail.Messages() {
			if mail.To != email && mail.To != "alex@acme.com" && strings.HasPrefix(mail.To, "eve") {
				t.Errorf("a mail went to %s", mail.To)
			}
		}
	}
	for _, email := range []string{"dana@acme.com\r\nBcc: eve@evil.com", "dana@acme.com, eve@evil.com", "<dana@acme.com>", "Dana <dana@acme.com>"} {
		is(t, email, w.alex.Do("POST", invites(w.slug), m{"email": email, "first_name": "D", "last_name": "C"}), 400, "validation")
	}
}

func everyHostHeader(t *testing.T, w world) {
	headers := []string{"Host", "X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host", "X-Forwarded-Server", "X-Rewrite-Url"}
	var all []string
	for i, header := range headers {
		value := "evil.example"
		if header == "Forwarded" {
			value = "host=evil.example;proto=https"
		}
		all = append(all, header, value)
		email := string(rune('a'+i)) + "@acme.com"
		w.alex.Must(201, "POST", invites(w.slug), m{"email": email, "first_name": "D", "last_name": "C"}, header, value)
	}
	w.alex.Must(201, "POST", invites(w.slug), m{"email": "all@acme.com", "first_name": "D", "last_name": "C"}, all...)
	w.absoluteLine(t, "http://evil.example"+invites(w.slug), `{"email":"line@acme.com","first_name":"D","last_name":"C"}`)
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"}, all...)
	w.Deliver()
	links := 0
	for _, mail := range w.Mail.Messages() {
		if strings.Contains(mail.Text+mail.HTML, "evil.example") || !strings.Contains(mail.Text, w.URL+"/app/") {
			t.Errorf("%s: %s", mail.To, mail.Text)
		}
		links++
	}
	if links != len(headers)+4 { // and the sign-up's, the one with all headers, the one with the line, the reset
		t.Errorf("%d mails", links)
	}
}

// absoluteLine posts with a whole URL of another host in the request line, as one
// does to a proxy (RFC 9112, section 3.2.2).
func (w world) absoluteLine(t *testing.T, target, body string) {
	t.Helper()
	proxy, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.alex.Token)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 201 {
		t.Errorf("an absolute request line: %d", res.StatusCode)
	}
}

func noCallerChosenLink(t *testing.T, w world) {
	fields := []string{"redirect_uri", "redirect_url", "return_to", "callback_url", "base_url", "url", "host", "link", "accept_url"}
	for i, field := range fields {
		body := m{"email": fmt.Sprintf("d%d@acme.com", i), "first_name": "D", "last_name": "C", field: "https://evil.example/x"}
		is(t, "invite with "+field, w.alex.Do("POST", invites(w.slug), body), 400, "validation")
		is(t, "reset with "+field, w.Client().Do("POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com", field: "https://evil.example/x"}), 400, "validation")
		w.alex.Must(201, "POST", invites(w.slug)+"?"+field+"=https://evil.example/x", m{"email": fmt.Sprintf("q%d@acme.com", i), "first_name": "D", "last_name": "C"})
	}
	w.Deliver()
	for _, mail := range w.Mail.Messages() {
		if strings.Contains(mail.Text+mail.HTML, "evil.example") {
			t.Errorf("%s: %s", mail.To, mail.Text)
		}
	}
}

func firstCredential(t *testing.T, w world) {
	inviteID, token := w.invite("dana@acme.com")
	body := m{"token": "", "password": servertest.Password}
	for _, forged := range []string{inviteID, "dana@acme.com", "", "null", "0"} {
		body["token"] = forged
		a := w.Client().Do("POST", "/v1/auth/reset-password", body, "Cookie", "invite="+inviteID+"; canopy_refresh="+token)
		if a.Status < 400 {
			t.Errorf("a password was set with %q: %s", forged, a.Raw)
		}
	}
	is(t, "change without a session", w.Client().Do("POST", "/v1/auth/change-password", m{"current_password": "x", "new_password": servertest.Password}), 401, "auth.invalid_token")
	// No user has the address yet, so a forgotten password mails nothing.
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "dana@acme.com"})
	if again := w.MailedToken("dana@acme.com"); again != token {
		t.Error("a second link was mailed")
	}
	is(t, "sign in before", w.Client().Do("POST", "/v1/auth/login", m{"email": "dana@acme.com", "password": servertest.Password}), 401, "auth.invalid_credentials")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	is(t, "sign in after", w.Client().Do("POST", "/v1/auth/login", m{"email": "dana@acme.com", "password": servertest.Password}), 200, "")
}

func guessableIDs(t *testing.T, w world) {
	inviteID, _ := w.invite("dana@acme.com")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	theirs := noa.Must(201, "POST", invites(other), dana).Text("data", "id")
	near := func(s string, at int) string {
		b := []byte(s)
		b[at] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", b[at])]
		return string(b)
	}
	for _, known := range []string{inviteID, theirs} {
		for _, at := range []int{len(known) - 1, len(known) - 5, 12, 10} {
			guess := near(known, at)
			is(t, "get "+guess, noa.Do("GET", invites(other)+"/"+guess, nil), 404, "invites.not_found")
			is(t, "delete "+guess, noa.Do("DELETE", invites(other)+"/"+guess, nil), 404, "invites.not_found")
			is(t, "preview "+guess, w.Client().Do("POST", "/v1/auth/invite-info", m{"token": guess}), 404, "invites.not_found")
		}
	}
	is(t, "the neighbour", noa.Do("GET", invites(other)+"/"+inviteID, nil), 404, "invites.not_found")
	is(t, "no id", noa.Do("GET", invites(other)+"/1", nil), 404, "invites.not_found")
}

func tokenNotEmail(t *testing.T, w world) {
	one, first := w.invite("dana@acme.com")
	two, _ := w.invite("omar@acme.com")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	noa.Must(201, "POST", invites(other), m{"email": "dana@acme.com", "first_name": "D", "last_name": "C"})
	body := acceptance(first)
	body["email"] = "omar@acme.com"
	is(t, "accept with an address", w.Client().Do("POST", "/v1/auth/accept-invite", body), 400, "validation")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite?email=omar@acme.com", acceptance(first))
	if w.status(one) != "accepted" || w.status(two) != "pending" {
		t.Errorf("the invites are %s and %s", w.status(one), w.status(two))
	}
	if a := noa.Must(200, "GET", invites(other)+"/summary", nil); a.At("data", "pending_count") != 1. {
		t.Errorf("another Account's invite of the address: %s", a.Raw)
	}
}

func singleWinner(t *testing.T, w world) {
	_, token := w.invite("dana@acme.com")
	got := parallel(50, func() string { return outcome(w.Client().Do("POST", "/v1/auth/accept-invite", acceptance(token))) })
	if got["ok"] != 1 || got["invites.already_accepted"]+got["server.busy"] != 49 {
		t.Errorf("accepts: %v", got)
	}
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
	reset := w.MailedToken("alex@acme.com")
	got = parallel(50, func() string {
		return outcome(w.Client().Do("POST", "/v1/auth/reset-password", m{"token": reset, "password": "Another-Horse-8"}))
	})
	if got["ok"] != 1 || got["auth.link_used"]+got["server.busy"] != 49 {
		t.Errorf("resets: %v", got)
	}
	w.Client().Must(201, "POST", "/v1/auth/register", m{"email": "new@acme.com", "password": servertest.Password, "first_name": "N", "last_name": "N",
		"account_name": "New", "application_name": "New"})
	verify := w.MailedToken("new@acme.com")
	got = parallel(50, func() string { return outcome(w.Client().Do("POST", "/v1/auth/verify-email", m{"token": verify})) })
	if got["ok"] != 1 || got["auth.link_used"] != 49 {
		t.Errorf("verifications: %v", got)
	}
}

func oneTenantSource(t *testing.T, w world) {
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	otherID := noa.Must(200, "GET", "/v1/auth/me", nil).Text("data", "account", "id")
	for _, field := range []string{"account_id", "account_slug", "accountSlug", "tenant"} {
		is(t, "body with "+field, w.alex.Do("POST", invites(w.slug), m{"email": "dana@acme.com", "first_name": "D", "last_name": "C", field: otherID}), 400, "validation")
	}
	w.alex.Must(201, "POST", invites(w.slug)+"?account_id="+otherID+"&accountSlug="+other, dana, "X-Account-Id", otherID, "X-Account-Slug", other, "X-Tenant-Id", otherID)
	if a := noa.Must(200, "GET", invites(other)+"/summary", nil); a.At("data", "total_invites") != 0. {
		t.Errorf("the invite went to the other Account: %s", a.Raw)
	}
	if a := w.alex.Must(200, "GET", invites(w.slug)+"?account_id="+otherID, nil, "X-Account-Id", otherID); a.At("pagination", "item_count") != 1. {
		t.Errorf("%s", a.Raw)
	}
}

func disabledIsDisabled(t *testing.T, w world) {
	dana := w.join("dana@acme.com")
	danaID := dana.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	noa.Must(201, "POST", invites(other), m{"email": "dana@acme.com", "first_name": "D", "last_name": "C"})
	elsewhere := w.MailedToken("dana@acme.com")
	users := "/portal/v1/accounts/" + w.slug + "/users/" + danaID
	stopped := func(what string) {
		t.Helper()
		is(t, what+": token", dana.Do("GET", invites(w.slug), nil), 401, "auth.invalid_token")
		is(t, what+": cookie", dana.Do("POST", "/v1/auth/refresh", m{}), 401, "")
		is(t, what+": sign-in", w.Client().Do("POST", "/v1/auth/login", m{"email": "dana@acme.com", "password": servertest.Password}), 403, "auth.no_active_account")
	}
	w.alex.Must(200, "POST", users+"/deactivate", nil)
	stopped("deactivated")
	w.alex.Must(200, "POST", users+"/activate", nil)
	dana = w.Client()
	dana.SignIn("dana@acme.com")
	w.alex.Must(204, "DELETE", users, nil)
	stopped("removed")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(elsewhere))
	dana = w.Client()
	dana.SignIn("dana@acme.com")
	is(t, "where she is now", dana.Do("GET", invites(other), nil), 200, "")
	is(t, "where she was", dana.Do("GET", invites(w.slug), nil), 404, "account.not_found")
}

func prefetch(t *testing.T, w world) {
	inviteID, token := w.invite("dana@acme.com")
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
	if w.status(inviteID) != "pending" {
		t.Error("a look at the page used the link")
	}
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", acceptance(token))
	w.Client().Must(200, "POST", "/v1/auth/reset-password", m{"token": reset, "password": "Another-Horse-8"})
}
