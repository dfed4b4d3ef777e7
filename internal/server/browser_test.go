package server_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"canopy.dev/canopy/internal/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// browser starts a real Chromium that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is needed for the tests of the pages: sudo apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	allocated, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocated)
	t.Cleanup(func() {
		cancel()
		stop()
	})
	ctx, cancelTimeout := context.WithTimeout(ctx, 60*time.Second)
	t.Cleanup(cancelTimeout)
	return ctx
}

func TestInviteIsAcceptedInABrowser(t *testing.T) {
	s := servertest.New(t, database.SQLite, nil)
	alex, slug := s.SignUp("alex@acme.com", "Acme <b>Realty</b>")
	alex.Must(201, "POST", invites(slug), m{"email": "dana@acme.com", "first_name": "<i>Dana</i>", "last_name": "Cole"})
	token := s.MailedToken("dana@acme.com")
	ctx := browser(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	read := func(a chromedp.Action[string]) string {
		t.Helper()
		v, err := chromedp.Run(ctx, a)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	do(chromedp.Navigate(s.URL+"/app/accept-invite#token="+token), chromedp.WaitVisible("#activate-password"))
	if heading, first := read(chromedp.Text("[data-state=activate] h1")), read(chromedp.Value("#activate-first")); heading != "Join Acme <b>Realty</b>" || first != "<i>Dana</i>" {
		t.Errorf("HTML in names must show as text: %q, %q", heading, first)
	}
	shot(t, ctx, "accept-invite")
	if address := read(chromedp.Location()); strings.Contains(address, "#") {
		t.Errorf("the token is still in the address bar: %s", address)
	}
	if a := alex.Must(200, "GET", invites(slug)+"?status=pending", nil); a.At("pagination", "item_count") != 1. {
		t.Errorf("opening the page changed the invite: %s", a.Raw)
	}
	const join, in, send = "[data-state=activate] button[type=submit]", "[data-state=form] button[type=submit]", "[data-state=home] form:not([method=dialog]) button[type=submit]"
	do(chromedp.SendKeys("#activate-password", "weak"), chromedp.Click(join), chromedp.WaitVisible("#activate-password-error:not(:empty)"),
		chromedp.SetValue("#activate-password", servertest.Password), chromedp.Click(join), chromedp.WaitVisible("[data-state=done] a"))
	do(chromedp.Navigate(s.URL+"/app/login"), chromedp.WaitVisible("#in-email"),
		chromedp.SendKeys("#in-email", "dana@acme.com"), chromedp.SendKeys("#in-password", servertest.Password),
		chromedp.Click(in), chromedp.WaitVisible("#new-email"),
		chromedp.SendKeys("#new-email", "kim@acme.com"), chromedp.SendKeys("#new-first", "Kim"), chromedp.SendKeys("#new-last", "Abe"),
		chromedp.Click(send), chromedp.WaitVisible("[data-state=home] tbody tr"))
	if rows := read(chromedp.Text("[data-state=home] tbody")); !strings.Contains(rows, "kim@acme.com") {
		t.Errorf("%q", rows)
	}
	shot(t, ctx, "signed-in")
}

// shot keeps a picture of the page where CANOPY_TEST_SHOTS names a folder.
func shot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("CANOPY_TEST_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		t.Error(err)
	}
}
