package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

// program is the real program with a database and an address of its own.
type program struct {
	t   *testing.T
	url string
	env []string
}

// run runs a command of the program to its end.
func (p program) run(stdin string, args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "canopy", args...)
	cmd.Env, cmd.Stdin = p.env, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("canopy %s: %v: %s", args[0], err, out)
	}
}

// serve starts a server with further settings, and gives what ends it as a power cut does.
func (p program) serve(env ...string) (kill func()) {
	p.t.Helper()
	var said bytes.Buffer
	cmd := exec.CommandContext(p.t.Context(), "canopy", "serve")
	cmd.Env, cmd.Stderr = slices.Concat(env, p.env), &said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	kill = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 600 {
		if status, err := p.ask(http.MethodGet, "/readyz", ""); err == nil && status == http.StatusOK {
			return kill
		}
		time.Sleep(50 * time.Millisecond)
	}
	kill()
	p.t.Fatalf("it is not ready: %s", &said)
	return nil
}

func (p program) ask(method, path, body string) (int, error) {
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}

// TestAnsweredErrandsOutliveAKill: whoever was answered gets the mail, though the server
// was killed right after.
func TestAnsweredErrandsOutliveAKill(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := ln.Addr().String()
			if err := ln.Close(); err != nil {
				t.Fatal(err)
			}
			p := program{t, "http://" + address, []string{
				"CANOPY_ADDR=" + address, "CANOPY_PUBLIC_URL=http://" + address, "CANOPY_RATE_LIMITS=off",
				"CANOPY_DATABASE_URL=" + dbtest.URL(t, engine), "CANOPY_SECRET_KEY=" + secret.NewKey(),
				"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(),
			}}
			const people = 3
			person := func(k int) string { return fmt.Sprintf("person%d@acme.test", k) }
			for k := range people {
				p.run("Correct-Horse-7\n", "bootstrap", "--email", person(k),
					"--account", fmt.Sprint("Acme ", k), "--application", "Desk")
			}
			post := func(path, body string, want int) {
				t.Helper()
				if status, err := p.ask(http.MethodPost, path, body); status != want || err != nil {
					t.Fatalf("%s answers %d, %v", path, status, err)
				}
			}
			kill := p.serve()
			post("/v1/auth/register", `{"email":"new@acme.test","password":"Correct-Horse-7","first_name":"Dana",
				"last_name":"Cole","account_name":"North","application_name":"Desk"}`, http.StatusCreated)
			post("/v1/auth/resend-verification", `{"email":"new@acme.test"}`, http.StatusOK)
			for k := range people {
				post("/v1/auth/forgot-password", fmt.Sprintf(`{"email":%q}`, person(k)), http.StatusOK)
			}
			post("/v1/auth/forgot-password", `{"email":"nobody@acme.test"}`, http.StatusOK)
			kill()

			inbox := mailtest.New(t)
			kill = p.serve("CANOPY_SMTP_URL=" + inbox.URL())
			defer kill()
			got := map[string]int{}
			for range 600 {
				clear(got)
				for _, m := range inbox.Messages() {
					got[m.To]++
				}
				if len(got) == people+1 {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			for k := range people {
				if got[person(k)] != 1 {
					t.Errorf("%s got %d mails", person(k), got[person(k)])
				}
			}
			// The link that was replaced by the resend may have been under way already.
			if n := got["new@acme.test"]; n < 1 || n > 2 || got["nobody@acme.test"] != 0 {
				t.Errorf("%v", got)
			}
		})
	}
}
