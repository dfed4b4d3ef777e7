package hosted_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// opens opens a mailed link afresh and waits for a state of its page.
func (b tab) opens(page, token, state string) {
	b.t.Helper()
	b.do(chromedp.Navigate("about:blank"), chromedp.Navigate(b.s.URL+"/app/"+page+"#token="+token))
	b.sees(state)
}

// sees waits for a state of the page.
func (b tab) sees(state string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible("[data-state="+state+"]")); err != nil {
		b.t.Fatalf("the page does not show %s: %v", state, err)
	}
	address := b.read(chromedp.Location())
	if strings.Contains(address, "#") {
		b.t.Errorf("the token is in the address bar: %s", address)
	}
	b.shot(address[strings.LastIndex(address, "/")+1:] + "-" + state)
}

// submits presses the button of a state's form.
func (b tab) submits(state string) {
	b.t.Helper()
	b.do(chromedp.Click("[data-state=" + state + "] button[type=submit]"))
}

// says waits for a text beside a form.
func (b tab) says(selector, want string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.WaitVisible(selector+":not(:empty)")); err != nil {
		b.t.Fatalf("%s says nothing: %v", selector, err)
	}
	if got := b.read(chromedp.Text(selector)); !strings.Contains(got, want) {
		b.t.Errorf("%s says %q, want %q", selector, got, want)
	}
}

// keeps looks whether an entry is still there and can be sent again.
func (b tab) keeps(selector, want string) {
	b.t.Helper()
	if got := b.read(chromedp.Value(selector)); got != want {
		b.t.Errorf("%s holds %q, want %q", selector, got, want)
	}
}

// types replaces an entry, as one does by hand.
func (b tab) types(selector, entry string) {
	b.t.Helper()
	b.read(chromedp.Evaluate[string](`document.querySelector("` + selector + `").value = ""`))
	b.do(chromedp.SendKeys(selector, entry))
}

func (b tab) attribute(selector, name string) string {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.AttributeValue(selector, name))
	if err != nil {
		b.t.Fatal(err)
	}
	return v.Value
}

// offline takes the network away from the browser or gives it back.
func (b tab) offline(is bool) {
	b.t.Helper()
	b.do(func(ctx context.Context, t *chromedp.Target) (chromedp.Void, error) {
		everywhere := []*network.Conditions{{Offline: is, DownloadThroughput: -1, UploadThroughput: -1}}
		_, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule,
			network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: everywhere})
		return chromedp.Void{}, err
	})
}

func TestPageOfInvites(t *testing.T) {
	t.Parallel()
	onlyLocks := func(c *config.Settings) { c.RateLimits = "sign_in=off,sign_in_ip=off" }
	s := servertest.New(t, database.SQLite, onlyLocks)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	_, _ = s.SignUp("noa@northwind.com", "Northwind")
	w, b := servertest.Acme{Server: s, Alex: alex, Slug: slug}, browser(t, s)
	const form = "[data-state=add_to_app]"

	b.opens("accept-invite", strings.Repeat("A", 43), "not-found")
	b.opens("accept-invite", "", "no-link")
	withdrawn, token := w.Invite("withdrawn@acme.com")
	alex.Must(204, "DELETE", servertest.Invites(slug)+"/"+withdrawn, nil)
	b.opens("accept-invite", token, "revoked")
	_, token = w.Invite("used@acme.com")
	s.Client().Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
	b.opens("accept-invite", token, "used")
	if to := b.attribute("[data-state=used] a", "href"); to != "login" {
		t.Errorf("a used link leads to %q", to)
	}

	inviteID, token := w.Invite("noa@northwind.com")
	b.opens("accept-invite", token, "add_to_app")
	if target := b.attribute(form+" .aside a", "target"); target != "_blank" {
		t.Errorf("the forgotten password opens in %q", target)
	}
	b.keeps("#add-email", "noa@northwind.com")
	b.types("#add-password", servertest.Password)
	b.offline(true)
	b.submits("add_to_app")
	b.says(form+" .notice", "cannot be reached")
	b.keeps("#add-password", servertest.Password)
	b.shot("accept-invite-offline")
	b.offline(false)
	for range 10 {
		b.types("#add-password", "Wrong-Horse-7")
		b.submits("add_to_app")
		b.says("#add-password-error", "not your current password")
	}
	b.types("#add-password", servertest.Password)
	b.submits("add_to_app")
	b.says(form+" .notice", "too many tries. Please wait 15 minutes")
	b.keeps("#add-password", servertest.Password)
	b.shot("accept-invite-locked")
	if w.InviteStatus(inviteID) != "pending" {
		t.Errorf("the invite is %s", w.InviteStatus(inviteID))
	}
	s.Clock.Advance(16 * time.Minute)
	b.submits("add_to_app")
	b.sees("done")

	alex.SignIn("alex@acme.com")
	inviteID, token = w.Invite("kim@acme.com")
	b.opens("accept-invite", token, "activate")
	if w.InviteStatus(inviteID) != "pending" {
		t.Error("opening the page used the link")
	}
	b.do(chromedp.WaitVisible("#activate-email[readonly]"))
	b.types("#activate-first", "Kimberley")
	b.types("#activate-password", servertest.Password+"\r") // Enter sends it, no mouse is needed
	b.sees("done")

	_, token = w.Invite("late@acme.com")
	s.Clock.Advance(169 * time.Hour)
	b.opens("accept-invite", token, "expired")
}

// TestPageOfInvitesIsRefused: a refusal for too many tries and one for a
// store that is away keep what was entered.
func TestPageOfInvitesIsRefused(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=off,mail_recipient=off" }
	s := servertest.New(t, database.Postgres, limits)
	alex, slug := s.SignUp("alex@acme.com", "Acme")
	w, b := servertest.Acme{Server: s, Alex: alex, Slug: slug}, browser(t, s)
	_, token := w.Invite("kim@acme.com")
	b.opens("accept-invite", token, "activate")
	b.types("#activate-password", servertest.Password)
	for range 60 {
		s.Client().Do("POST", "/v1/auth/invite-info", m{"token": "x"})
	}
	b.submits("activate")
	b.says("[data-state=activate] .notice", "too many tries")
	b.keeps("#activate-password", servertest.Password)
	b.shot("accept-invite-throttled")

	s.Clock.Advance(2 * time.Minute)
	dbtest.Disconnect(t, s.DB)
	b.submits("activate")
	b.says("[data-state=activate] .notice", "not available right now")
	b.keeps("#activate-password", servertest.Password)
	b.shot("accept-invite-unavailable")
	b.opens("accept-invite", token, "retry")
}

func TestPagesOfOtherMails(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	_, _ = s.SignUp("alex@acme.com", "Acme")
	b := browser(t, s)
	guest := s.Client()
	register := func(email string) string {
		guest.Must(201, "POST", "/v1/auth/register", servertest.Registration(email))
		return s.MailedToken(email)
	}
	forget := func() string {
		guest.Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
		return s.MailedToken("alex@acme.com")
	}
	unknown := strings.Repeat("A", 43)
	b.opens("verify-email", "", "no-link")
	b.opens("verify-email", unknown, "form")
	b.submits("form")
	b.sees("not-found")
	b.opens("reset-password", "", "no-link")
	b.opens("reset-password", unknown, "form")
	b.types("#reset-password", servertest.Password)
	b.submits("form")
	b.sees("not-found")
	verify, reset := register("new@acme.com"), forget()
	b.opens("verify-email", verify, "form")
	early := guest.Do("POST", "/v1/auth/login", servertest.Credentials("new@acme.com", servertest.Password))
	if early.Status == 200 {
		t.Error("opening the page confirmed the address")
	}
	b.submits("form")
	b.sees("done")
	b.opens("verify-email", verify, "form")
	b.submits("form")
	b.sees("used")

	b.opens("reset-password", reset, "form")
	b.types("#reset-password", "weak")
	b.submits("form")
	b.says("#reset-password-error", "does not meet all the rules")
	b.types("#reset-password", "Another-Horse-8")
	b.submits("form")
	b.sees("done")
	guest.Must(200, "POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", "Another-Horse-8"))
	b.opens("reset-password", reset, "form")
	b.types("#reset-password", "Another-Horse-9")
	b.submits("form")
	b.sees("used")

	verify, reset = register("late@acme.com"), forget()
	s.Clock.Advance(25 * time.Hour)
	b.opens("verify-email", verify, "form")
	b.submits("form")
	b.sees("expired")
	b.types("#again-email", "late@acme.com\r")
	b.sees("sent")
	guest.Must(200, "POST", "/v1/auth/verify-email", m{"token": s.MailedToken("late@acme.com")})
	b.opens("reset-password", reset, "form")
	b.types("#reset-password", "Another-Horse-9")
	b.submits("form")
	b.sees("expired")
	b.types("#again-email", "alex@acme.com\r")
	b.sees("sent")
	body := m{"token": s.MailedToken("alex@acme.com"), "password": "Another-Horse-9"}
	guest.Must(200, "POST", "/v1/auth/reset-password", body)
}

// Where several sign-ups wait for an address, the page asks for the password, and says
// what is wrong with it.
func TestPageAsksWhoseSignUpItIs(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_in=5/15m" }
	s := servertest.New(t, database.SQLite, limits)
	b, guest := browser(t, s), s.Client()
	register := func(password string) string {
		body := servertest.Registration("dana@acme.com")
		body["password"] = password
		guest.Must(201, "POST", "/v1/auth/register", body)
		return s.MailedToken("dana@acme.com")
	}
	_ = register(servertest.Password)
	strangers := register("Strangers-Horse-7")
	const form = "[data-state=password]"

	b.opens("verify-email", strangers, "form")
	b.submits("form")
	b.sees("password")
	b.submits("password")
	b.says("#chosen-password-error", "Enter a password")
	b.types("#chosen-password", servertest.Password)
	b.offline(true)
	b.submits("password")
	b.says(form+" .notice", "cannot be reached")
	b.keeps("#chosen-password", servertest.Password)
	b.offline(false)
	for range 5 {
		b.types("#chosen-password", "Wrong-Horse-7")
		b.submits("password")
		b.says("#chosen-password-error", "No sign-up that waits for this address has this password")
	}
	b.shot("verify-email-password-wrong")
	b.types("#chosen-password", servertest.Password)
	b.submits("password")
	b.says(form+" .notice", "too many tries. Please wait 15 minutes")
	b.keeps("#chosen-password", servertest.Password)
	s.Clock.Advance(16 * time.Minute)
	b.submits("password")
	b.sees("done")
	guest.Must(200, "POST", "/v1/auth/login", servertest.Credentials("dana@acme.com", servertest.Password))
	guest.Must(401, "POST", "/v1/auth/login", servertest.Credentials("dana@acme.com", "Strangers-Horse-7"))
	b.opens("verify-email", strangers, "form")
	b.submits("form")
	b.sees("used")
}

// A link from before sign-up was closed says so.
func TestPageOfALinkFromBeforeSignUpWasClosed(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	b := browser(t, s)
	s.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("dana@acme.com"))
	token := s.MailedToken("dana@acme.com")
	s.Signups.Closed = true
	b.opens("verify-email", token, "form")
	b.submits("form")
	b.says("[data-state=form] .notice", "Sign-up is closed here")
}
