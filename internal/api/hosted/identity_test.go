package hosted_test

import (
	"context"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

const (
	ofIdentities = "identity/accept-invite"
	secretWords  = "correct horse battery"
)

// desk is the Account of a server, seen by its owner, with an Environment of two.
type desk struct {
	*servertest.Server
	owner           *servertest.Client
	account         string
	here, elsewhere string // paths of Environments
}

func newDesk(s *servertest.Server) desk {
	alex, slug := s.SignUp("alex@acme.com", "Acme <b>Realty</b>")
	account := "/portal/v1/accounts/" + slug
	in := account + "/applications/desk/environments/"
	return desk{s, alex, account, in + "development", in + "production"}
}

// invites invites an address and gives the invite's id and token.
func (d desk) invites(email string, fields m) (id, token string) {
	body := m{"email": email, "first_name": "<i>Dana</i>", "last_name": "Cole", "send_email": false}
	maps.Copy(body, fields)
	a := d.owner.Must(201, "POST", d.here+"/identity-invites", body)
	_, token, _ = strings.Cut(a.Text("data", "accept_url"), "#token=")
	return a.Text("data", "id"), token
}

func (d desk) status(id string) string {
	return d.owner.Must(200, "GET", d.here+"/identity-invites/"+id, nil).Text("data", "status")
}

// person makes an identity in the other Environment; "" is no password.
func (d desk) person(email, password string) (id string) {
	body := m{"email": email, "first_name": "Mia", "last_name": "Moss"}
	if password != "" {
		body["password"] = password
	}
	return d.owner.Must(201, "POST", d.elsewhere+"/identities", body).Text("data", "id")
}

// theme has the browser prefer a theme.
func (b tab) theme(scheme string) {
	b.t.Helper()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		prefers := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: prefers})
		return chromedp.Void{}, err
	})
}

// TestIdentityAcceptsInABrowser: the mailed link leads to a page that asks names and a password,
// and shows what strangers wrote as text.
func TestIdentityAcceptsInABrowser(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	d, b := newDesk(s), browser(t, s)
	id, _ := d.invites("dana@acme.com", m{"send_email": true})
	b.opens(ofIdentities, s.MailedToken("dana@acme.com"), "activate")
	heading := b.read(chromedp.Text("[data-state=activate] h1"))
	lead := b.read(chromedp.Text("[data-state=activate] .lead"))
	if heading != "Join Desk" || !strings.HasPrefix(lead, "alex@acme.com has invited you.") {
		t.Errorf("%q, %q", heading, lead)
	}
	b.keeps("#activate-first", "<i>Dana</i>")
	b.do(chromedp.WaitVisible("#activate-email[readonly]"))
	if d.status(id) != "pending" {
		t.Error("opening the page used the link")
	}
	background := map[string]bool{}
	for _, scheme := range []string{"dark", "light"} {
		b.theme(scheme)
		background[b.read(chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))] = true
		b.shot("identity-accept-invite-" + scheme)
	}
	if len(background) != 2 {
		t.Errorf("both themes look alike: %v", background)
	}
	b.types("#activate-password", "short")
	b.submits("activate")
	b.says("#activate-password-error", "does not meet all the rules")
	b.types("#activate-password", "sunshine")
	b.submits("activate")
	b.says("#activate-password-error", "known from a leak")
	b.types("#activate-first", "")
	b.types("#activate-password", secretWords)
	b.submits("activate")
	b.says("#activate-first-error", "Enter a first name")
	b.types("#activate-first", "Dana")
	b.offline(true)
	b.submits("activate")
	b.says("[data-state=activate] .notice", "cannot be reached")
	b.keeps("#activate-password", secretWords)
	b.offline(false)
	b.types("#activate-password", secretWords+"\r") // Enter sends it, no mouse is needed
	b.sees("done")
	who := d.owner.Must(200, "GET", d.here+"/identities?q=dana", nil)
	if who.Text("items", "0", "first_name") != "Dana" || d.status(id) != "accepted" {
		t.Error(who.Raw)
	}
}

// TestPageOfIdentityInvites: it asks what accepting asks, and says what has become of a link.
func TestPageOfIdentityInvites(t *testing.T) {
	t.Parallel()
	onlyLocks := func(c *config.Settings) { c.RateLimits = "sign_in=off,sign_in_ip=off" }
	s := servertest.New(t, database.SQLite, onlyLocks)
	d, b := newDesk(s), browser(t, s)
	accept := func(body m) { s.Client().Must(200, "POST", "/v1/identity/auth/accept-invite", body) }

	b.opens(ofIdentities, strings.Repeat("A", 43), "not-found")
	b.opens(ofIdentities, "", "no-link")
	withdrawn, token := d.invites("withdrawn@acme.com", nil)
	d.owner.Must(204, "DELETE", d.here+"/identity-invites/"+withdrawn, nil)
	b.opens(ofIdentities, token, "revoked")
	_, token = d.invites("used@acme.com", nil)
	accept(m{"token": token, "first_name": "A", "last_name": "B", "password": secretWords})
	b.opens(ofIdentities, token, "used")

	d.person("mia@acme.com", secretWords)
	id, token := d.invites("mia@acme.com", nil)
	b.opens(ofIdentities, token, "add_to_app")
	b.keeps("#add-email", "mia@acme.com")
	for range 10 {
		b.types("#add-password", "a wrong one")
		b.submits("add_to_app")
		b.says("#add-password-error", "not your current password")
	}
	b.types("#add-password", secretWords)
	b.submits("add_to_app")
	b.says("[data-state=add_to_app] .notice", "too many tries. Please wait 15 minutes")
	b.keeps("#add-password", secretWords)
	if d.status(id) != "pending" {
		t.Error(d.status(id))
	}
	s.Clock.Advance(16 * time.Minute)
	d.owner.SignIn("alex@acme.com")
	b.submits("add_to_app")
	b.sees("done")

	none := d.person("none@acme.com", "")
	_, token = d.invites("none@acme.com", nil)
	b.opens(ofIdentities, token, "add_plain")
	// A password that has come since the page was opened is asked for.
	d.owner.Must(204, "POST", d.elsewhere+"/identities/"+none+"/password", m{"password": secretWords})
	b.submits("add_plain")
	b.sees("add_to_app")
	b.says("[data-state=add_to_app] .notice", "has changed meanwhile")
	b.types("#add-password", secretWords+"\r")
	b.sees("done")

	d.person("plain@acme.com", "")
	_, token = d.invites("plain@acme.com", nil)
	b.opens(ofIdentities, token, "add_plain")
	b.submits("add_plain")
	b.sees("done")

	_, token = d.invites("mia@acme.com", m{"intent": "password_reset"})
	b.opens(ofIdentities, token, "password_reset")
	b.types("#reset-password", secretWords)
	b.submits("password_reset")
	b.says("#reset-password-error", "used this password lately")
	b.types("#reset-password", "another secret\r")
	b.sees("changed")

	_, token = d.invites("late@acme.com", nil)
	s.Clock.Advance(169 * time.Hour)
	b.opens(ofIdentities, token, "expired")
}

// TestPageOfIdentityInvitesThatChange: an address that has become somebody's since the page was
// opened, a role that can't be given, and a person who is switched off.
func TestPageOfIdentityInvitesThatChange(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	d, b := newDesk(s), browser(t, s)
	root, role := d.owner.Tree(d.here), d.owner.Role(d.here, "Reader")
	_, token := d.invites("kim@acme.com", m{"role_id": role, "node_id": root})
	b.opens(ofIdentities, token, "activate")
	d.owner.Must(200, "PATCH", d.here+"/roles/"+role, m{"is_active": false})
	b.types("#activate-password", "a first secret")
	b.submits("activate")
	b.says("[data-state=activate] .notice", "can't be given any more")
	b.keeps("#activate-password", "a first secret")
	d.owner.Must(200, "PATCH", d.here+"/roles/"+role, m{"is_active": true})
	who := d.person("kim@acme.com", secretWords)
	b.submits("activate")
	b.sees("add_to_app")
	b.says("[data-state=add_to_app] .notice", "has changed meanwhile")
	d.owner.Must(200, "POST", d.elsewhere+"/identities/"+who+"/deactivate", nil)
	b.types("#add-password", secretWords)
	b.submits("add_to_app")
	b.says("[data-state=add_to_app] .notice", "switched off")
	if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM identity_invite WHERE status = 'pending'`); n != 1 {
		t.Error("a refusal used the invite")
	}
}

// TestPageOfIdentityInvitesWithoutScript says that it needs one.
func TestPageOfIdentityInvitesWithoutScript(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	b := browser(t, s)
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled,
			emulation.SetScriptExecutionDisabledParams{Value: true})
		return chromedp.Void{}, err
	})
	b.do(chromedp.Navigate(s.URL+"/app/"+ofIdentities+"#token="+servertest.NoToken), chromedp.WaitVisible("noscript h1"))
	if text := b.read(chromedp.Text("noscript")); !strings.Contains(text, "needs JavaScript") {
		t.Errorf("%q", text)
	}
}
