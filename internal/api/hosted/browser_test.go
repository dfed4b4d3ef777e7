package hosted_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

type m = servertest.Map

// TestMain ends the browser that the tests have shared.
func TestMain(tests *testing.M) {
	code := tests.Run()
	chromium.stop()
	os.Exit(code)
}

// shared is a real Chromium that starts with the first tab.
type shared struct {
	start sync.Once
	ctx   context.Context //nolint:containedctx // chromedp's name for a browser
	end   []func()
	err   error
}

var chromium = &shared{}

func (c *shared) launch() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		c.err = errors.New("chromium is needed for the tests of the pages: sudo apt-get install chromium")
		return
	}
	profile, err := os.MkdirTemp("", "canopy-chromium-*")
	if err != nil {
		c.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	c.end = []func(){cancel, stop, func() { _ = os.RemoveAll(profile) }}
	c.ctx, c.err = ctx, chromedp.Do(ctx)
}

func (c *shared) stop() {
	for _, end := range c.end {
		end()
	}
}

// tab is one tab that looks at the pages of a server.
type tab struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp's name for a tab
	s   *servertest.Server
}

// browser opens a tab that shares neither cookies nor storage with others and is
// closed after the test.
func browser(t *testing.T, s *servertest.Server) tab {
	t.Helper()
	chromium.start.Do(chromium.launch)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	ctx, closeTab := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(cancel)
	return tab{t, ctx, s}
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b tab) read(a chromedp.Action[string]) string {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, a)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// shot keeps a picture of the page where CANOPY_TEST_SHOTS names a folder.
func (b tab) shot(name string) {
	b.t.Helper()
	dir := os.Getenv("CANOPY_TEST_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		b.t.Error(err)
	}
}

func TestInviteIsAcceptedInABrowser(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme <b>Realty</b>")
	invitation := m{"email": "dana@acme.com", "first_name": "<i>Dana</i>", "last_name": "Cole"}
	alex.Must(201, "POST", servertest.Invites(slug), invitation)
	token := s.MailedToken("dana@acme.com")
	b := browser(t, s)
	b.do(chromedp.Navigate(s.URL+"/app/accept-invite#token="+token), chromedp.WaitVisible("#activate-password"))
	heading := b.read(chromedp.Text("[data-state=activate] h1"))
	first := b.read(chromedp.Value("#activate-first"))
	if heading != "Join Acme <b>Realty</b>" || first != "<i>Dana</i>" {
		t.Errorf("HTML in names must show as text: %q, %q", heading, first)
	}
	b.shot("accept-invite")
	if address := b.read(chromedp.Location()); strings.Contains(address, "#") {
		t.Errorf("the token is still in the address bar: %s", address)
	}
	pending := alex.Must(200, "GET", servertest.Invites(slug)+"?status=pending", nil)
	if pending.At("pagination", "item_count") != 1. {
		t.Errorf("opening the page changed the invite: %s", pending.Raw)
	}

	const join = "[data-state=activate] button[type=submit]"
	b.do(chromedp.SendKeys("#activate-password", "weak"), chromedp.Click(join))
	b.do(chromedp.WaitVisible("#activate-password-error:not(:empty)"))
	b.do(chromedp.SetValue("#activate-password", servertest.Password), chromedp.Click(join))
	b.do(chromedp.WaitVisible("[data-state=done] a"))

	b.do(chromedp.Navigate(s.URL+"/app/login"), chromedp.WaitVisible("#in-email"))
	b.do(chromedp.SendKeys("#in-email", "dana@acme.com"), chromedp.SendKeys("#in-password", servertest.Password))
	b.do(chromedp.Click("[data-state=form] button[type=submit]"), chromedp.WaitVisible("#new-email"))
	b.do(chromedp.SendKeys("#new-email", "kim@acme.com"))
	b.do(chromedp.SendKeys("#new-first", "Kim"), chromedp.SendKeys("#new-last", "Abe"))
	b.do(chromedp.Click("[data-state=home] form:not([method=dialog]) button[type=submit]"))
	b.do(chromedp.WaitVisible("[data-state=home] tbody tr"))
	if rows := b.read(chromedp.Text("[data-state=home] tbody")); !strings.Contains(rows, "kim@acme.com") {
		t.Errorf("%q", rows)
	}
	b.shot("signed-in")
}
