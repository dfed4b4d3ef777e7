package portalapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// The cases of who may see and do what.

func crossAccountID(t *testing.T, w world) {
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	mine, _ := w.Invite("dana@acme.com")
	theirs := noa.Must(201, "POST", servertest.Invites(other), dana).Text("data", "id")
	w.Clock.Advance(5 * time.Minute) // past the cooldown: only the Account stands in the way
	for _, call := range [][2]string{{"GET", ""}, {"POST", "/resend"}, {"DELETE", ""}} {
		what := call[0] + call[1]
		ask := func(slug, inviteID string) answer {
			return w.Alex.Do(call[0], servertest.Invites(slug)+"/"+inviteID+call[1], nil)
		}
		is(t, what+" of a foreign id", ask(w.Slug, theirs), 404, "invites.not_found")
		is(t, what+" under a foreign slug", ask(other, theirs), 404, "account.not_found")
		is(t, what+" of the own id under a foreign slug", ask(other, mine), 404, "account.not_found")
	}
	row := noa.Must(200, "GET", servertest.Invites(other)+"/"+theirs, nil)
	if row.Text("data", "status") != "pending" || row.At("data", "send_count") != 1. {
		t.Errorf("something changed: %s", row.Raw)
	}
	if status := w.InviteStatus(mine); status != "pending" {
		t.Errorf("the own invite is %s", status)
	}
}

// walkGET asks every readable route and page as each caller and gives all that
// was answered.
func (w world) walkGET(t *testing.T, inviteID string, callers ...*client) string {
	t.Helper()
	var all strings.Builder
	paths := []string{
		"/openapi.json", "/docs", "/metrics",
		"/app/login", "/app/accept-invite", "/app/verify-email", "/app/reset-password", "/app/",
	}
	for _, r := range w.Router.Operations() {
		if r.Method == http.MethodGet {
			paths = append(paths, strings.NewReplacer("{accountSlug}", w.Slug, "{id}", inviteID).Replace(r.Path))
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
	admin := w.Join("omar@acme.com")
	inviteID, token := w.Invite("noa@northwind.com")
	noa, _ := w.SignUp("noa@northwind.com", "Northwind")
	created := w.Alex.Must(201, "POST", w.invites(), m{"email": "kim@acme.com", "first_name": "K", "last_name": "A"})
	if second := w.MailedToken("kim@acme.com"); strings.Contains(created.Raw, second) {
		t.Error("the answer of create holds the token")
	}
	all := w.walkGET(t, inviteID, w.Alex, admin, noa)
	if !strings.Contains(all, inviteID) {
		t.Fatal("the walk did not come past the invite")
	}
	if strings.Contains(all, token) || strings.Contains(w.Log.String(), token) {
		t.Error("an answer or the log holds the token")
	}
}

func noTokenInPublic(t *testing.T, w world) {
	inviteID, token := w.Invite("dana@acme.com")
	all := w.walkGET(t, inviteID, w.Client())
	for _, secret := range []string{token, "dana@acme.com"} {
		if strings.Contains(all, secret) {
			t.Errorf("somebody without credentials reads %q", secret)
		}
	}
}

func emailMatchIsNotEnough(t *testing.T, w world) {
	inviteID, _ := w.Invite("noa@northwind.com")
	noa, _ := w.SignUp("noa@northwind.com", "Northwind") // owns the address, and never used the link
	if got := noa.Must(200, "GET", "/v1/auth/accounts", nil); strings.Contains(got.Raw, w.Slug+`"`) {
		t.Errorf("the address alone opened Acme: %s", got.Raw)
	}
	if got := w.People(); got != "alex@acme.com" || w.InviteStatus(inviteID) != "pending" {
		t.Errorf("Acme's people: %s; the invite is %s", got, w.InviteStatus(inviteID))
	}
}

func unverifiedMatch(t *testing.T, w world) {
	// Somebody signs up with the address and does not confirm it.
	stranger := servertest.Registration("dana@acme.com")
	stranger["password"] = "Strangers-Pass-1"
	w.Client().Must(201, "POST", "/v1/auth/register", stranger)
	_, token := w.Invite("dana@acme.com")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	is(t, "the stranger's password",
		w.anyone().login("dana@acme.com", "Strangers-Pass-1"), 401, "auth.invalid_credentials")
	is(t, "the invitee's password", w.anyone().login("dana@acme.com", servertest.Password), 200, "")

	// An existing user needs the password beside the token.
	_, _ = w.SignUp("noa@northwind.com", "Northwind")
	inviteID, token := w.Invite("noa@northwind.com")
	wrong := servertest.Acceptance(token)
	wrong["password"] = "Wrong-Horse-7"
	is(t, "with a wrong password",
		w.Client().Do("POST", "/v1/auth/accept-invite", wrong), 401, "auth.invalid_credentials")
	if w.InviteStatus(inviteID) != "pending" || strings.Contains(w.People(), "noa") {
		t.Error("a wrong password changed something")
	}
}

func sideDoorJoin(t *testing.T, w world) {
	me := w.Alex.Must(200, "GET", "/v1/auth/me", nil)
	accountID := me.Text("data", "account", "id")
	_, appID := firstChoice(w.Alex)
	noa, slug := w.SignUp("noa@northwind.com", "Northwind")
	noaID := noa.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
	register := servertest.Registration("eve@evil.com")
	doors := m{"account_id": accountID, "account_slug": w.Slug, "invite_id": accountID}
	for field, value := range doors {
		register[field] = value
		is(t, "sign-up with "+field, w.Client().Do("POST", "/v1/auth/register", register), 400, "validation")
		delete(register, field)
	}
	is(t, "switch to a foreign Application",
		noa.Do("POST", "/v1/auth/switch-application", m{"application_id": appID}), 404, "")
	pre := w.Client()
	pre.Token = w.preAuth(t)
	eve, evil := w.SignUp("eve@evil.com", "Evil")
	evilAccount, evilApp := firstChoice(eve)
	is(t, "select a foreign Account", pre.Do("POST", "/v1/auth/select-application",
		m{"account_id": evilAccount, "application_id": evilApp}), 404, "")
	for _, path := range []string{"/users/" + noaID + "/activate", "/users/" + noaID + "/deactivate"} {
		is(t, path, w.Alex.Do("POST", "/portal/v1/accounts/"+w.Slug+path, nil), 404, "")
		is(t, "foreign "+path, noa.Do("POST", "/portal/v1/accounts/"+w.Slug+path, nil), 404, "account.not_found")
	}
	is(t, "a role for a stranger",
		w.Alex.Do("PATCH", w.account()+"/members/"+noaID, m{"account_role": "admin"}), 404, "")
	if got := w.People(); got != "alex@acme.com kim@initech.com" {
		t.Errorf("Acme's people: %s (%s, %s)", got, slug, evil)
	}
}

// firstChoice is the first Account of a person and its first Application.
func firstChoice(c *client) (accountID, applicationID string) {
	account := c.Must(200, "GET", "/v1/auth/accounts", nil).At("items").([]any)[0].(m)
	return account["account_id"].(string), account["applications"].([]any)[0].(m)["id"].(string)
}

func listNeedsRight(t *testing.T, w world) {
	inviteID, token := w.Invite("dana@acme.com")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	for _, path := range []string{w.invites(), w.invites() + "/summary", w.invites() + "/" + inviteID} {
		is(t, "nobody: "+path, w.Client().Do("GET", path, nil), 401, "auth.invalid_token")
		is(t, "a key: "+path,
			w.Client().Do("GET", path, nil, "X-API-Key", "cnpy_live_0123456789abcdef"), 401, "auth.invalid_token")
		is(t, "another Account's owner: "+path, noa.Do("GET", path, nil), 404, "account.not_found")
		c := w.Client()
		c.Token = token
		is(t, "the link's token: "+path, c.Do("GET", path, nil), 401, "auth.invalid_token")
	}
	is(t, "an id from elsewhere",
		noa.Do("DELETE", servertest.Invites(other)+"/"+inviteID, nil), 404, "invites.not_found")
}

func closedMeansClosed(t *testing.T, open world) {
	s := servertest.New(t, open.DB.Engine, func(c *config.Settings) { c.Signup = "closed" })
	alex, slug := s.Bootstrap("alex@acme.com", "Acme")
	w := world{servertest.Acme{Server: s, Alex: alex, Slug: slug}}
	eve := servertest.Registration("eve@evil.com")
	is(t, "sign-up", w.Client().Do("POST", "/v1/auth/register", eve), 403, "auth.sign_up_closed")
	_ = w.Join("dana@acme.com")
	if got := w.People(); got != "alex@acme.com dana@acme.com" {
		t.Errorf("Acme's people: %s", got)
	}
}

func noRoleInBody(t *testing.T, w world) {
	const fields = "role account_role is_owner account_id status token expires_at invited_by"
	for field := range strings.FieldsSeq(fields) {
		body := m{"email": "dana@acme.com", "first_name": "Dana", "last_name": "Cole", field: "owner"}
		is(t, "invite with "+field, w.Alex.Do("POST", w.invites(), body), 400, "validation")
	}
	_, token := w.Invite("dana@acme.com")
	for _, field := range []string{"role", "account_role", "email", "account_id"} {
		body := servertest.Acceptance(token)
		body[field] = "owner"
		is(t, "accept with "+field, w.Client().Do("POST", "/v1/auth/accept-invite", body), 400, "validation")
	}
	c := w.Client()
	c.Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	c.SignIn("dana@acme.com")
	me := c.Must(200, "GET", "/v1/auth/me", nil)
	if me.Text("data", "account", "account_role") != "admin" {
		t.Errorf("%s", me.Raw)
	}
	member := w.account() + "/members/" + me.Text("data", "id")
	is(t, "an admin promotes", c.Do("PATCH", member, m{"account_role": "owner"}), 403, "auth.permission_denied")
}

func guessableIDs(t *testing.T, w world) {
	inviteID, _ := w.Invite("dana@acme.com")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	theirs := noa.Must(201, "POST", servertest.Invites(other), dana).Text("data", "id")
	near := func(s string, at int) string {
		b := []byte(s)
		b[at] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", b[at])]
		return string(b)
	}
	for _, known := range []string{inviteID, theirs} {
		for _, at := range []int{len(known) - 1, len(known) - 5, 12, 10} {
			guess := near(known, at)
			path := servertest.Invites(other) + "/" + guess
			is(t, "get "+guess, noa.Do("GET", path, nil), 404, "invites.not_found")
			is(t, "delete "+guess, noa.Do("DELETE", path, nil), 404, "invites.not_found")
			is(t, "preview "+guess, w.anyone().preview(guess), 404, "invites.not_found")
		}
	}
	is(t, "the neighbour", noa.Do("GET", servertest.Invites(other)+"/"+inviteID, nil), 404, "invites.not_found")
	is(t, "no id", noa.Do("GET", servertest.Invites(other)+"/1", nil), 404, "invites.not_found")
}

func oneTenantSource(t *testing.T, w world) {
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	otherID := noa.Must(200, "GET", "/v1/auth/me", nil).Text("data", "account", "id")
	for _, field := range []string{"account_id", "account_slug", "accountSlug", "tenant"} {
		body := servertest.Invitation("dana@acme.com")
		body[field] = otherID
		is(t, "body with "+field, w.Alex.Do("POST", w.invites(), body), 400, "validation")
	}
	w.Alex.Must(201, "POST", w.invites()+"?account_id="+otherID+"&accountSlug="+other, dana,
		"X-Account-Id", otherID, "X-Account-Slug", other, "X-Tenant-Id", otherID)
	if a := noa.Must(200, "GET", servertest.Invites(other)+"/summary", nil); a.At("data", "total_invites") != 0. {
		t.Errorf("the invite went to the other Account: %s", a.Raw)
	}
	mine := w.Alex.Must(200, "GET", w.invites()+"?account_id="+otherID, nil, "X-Account-Id", otherID)
	if mine.At("pagination", "item_count") != 1. {
		t.Errorf("%s", mine.Raw)
	}
}

func disabledIsDisabled(t *testing.T, w world) {
	dana := w.Join("dana@acme.com")
	danaID := dana.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
	noa, other := w.SignUp("noa@northwind.com", "Northwind")
	noa.Must(201, "POST", servertest.Invites(other), servertest.Invitation("dana@acme.com"))
	elsewhere := w.MailedToken("dana@acme.com")
	users := "/portal/v1/accounts/" + w.Slug + "/users/" + danaID
	stopped := func(what string) {
		t.Helper()
		is(t, what+": token", dana.Do("GET", w.invites(), nil), 401, "auth.invalid_token")
		is(t, what+": cookie", dana.Do("POST", "/v1/auth/refresh", m{}), 401, "")
		is(t, what+": sign-in", w.anyone().login("dana@acme.com", servertest.Password), 403, "auth.no_active_account")
	}
	w.Alex.Must(200, "POST", users+"/deactivate", nil)
	stopped("deactivated")
	w.Alex.Must(200, "POST", users+"/activate", nil)
	dana = w.Client()
	dana.SignIn("dana@acme.com")
	w.Alex.Must(204, "DELETE", users, nil)
	stopped("removed")
	w.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(elsewhere))
	dana = w.Client()
	dana.SignIn("dana@acme.com")
	is(t, "where she is now", dana.Do("GET", servertest.Invites(other), nil), 200, "")
	is(t, "where she was", dana.Do("GET", w.invites(), nil), 404, "account.not_found")
}
