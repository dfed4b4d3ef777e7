package command_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/command"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

const (
	email    = "owner@acme.example"
	password = "Correct-Horse-7"
	mailbox  = "/portal/v1/accounts/acme/user-invites"
)

// install is a database with an Account, and the servers on it: one on SQLite, two on
// PostgreSQL.
type install struct {
	*testing.T
	url     string
	servers []*instance
}

// instance is one running server.
type instance struct {
	url  string
	stop func() int
}

// eachInstall runs fn on both engines. The servers have the given install keys.
func eachInstall(t *testing.T, keys string, fn func(i *install)) {
	t.Helper()
	for engine, servers := range map[database.Engine]int{database.SQLite: 1, database.Postgres: 2} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			i := &install{T: t, url: dbtest.URL(t, engine)}
			file := filepath.Join(t.TempDir(), "password")
			if err := os.WriteFile(file, []byte(password), 0o600); err != nil {
				t.Fatal(err)
			}
			i.must(keys, "bootstrap", "--email", email, "--account", "Acme", "--application", "Desk",
				"--password-file", file)
			for range servers {
				i.servers = append(i.servers, &instance{})
				i.restart(len(i.servers)-1, keys)
			}
			defer func() {
				for _, s := range i.servers {
					s.stop()
				}
			}()
			fn(i)
		})
	}
}

// restart starts the n-th server, after it has ended where it runs.
func (i *install) restart(n int, keys string, flags ...string) {
	i.Helper()
	s := i.servers[n]
	if s.stop != nil {
		s.stop()
	}
	flags = append(flags, "--database-url", i.url, "--secret-key", keys, "--rate-limits", "off")
	said, stop := serveWith(i.T, flags...)
	until(i.T, said, `"msg":"listening"`)
	at := regexp.MustCompile(`"addr":"([^"]+)"`).FindStringSubmatch(said.text())
	*s = instance{"http://" + at[1], stop}
}

// run runs a command beside the servers.
func (i *install) run(keys string, args ...string) (code int, out, errs string) {
	i.Helper()
	var stdout, stderr output
	p := &command.Program{
		Args: append(args, "--database-url", i.url, "--secret-key", keys), Stdout: &stdout, Stderr: &stderr, Version: "test",
	}
	code = p.Run(i.Context())
	return code, stdout.text(), stderr.text()
}

func (i *install) must(keys string, args ...string) string {
	i.Helper()
	code, out, errs := i.run(keys, args...)
	if code != 0 {
		i.Fatalf("%v ends with %d: %s", args, code, errs)
	}
	return out
}

// answer is what a call got.
type answer struct {
	status  int
	body    string
	token   string // access token
	refresh string // the cookie
}

// call asks the n-th server.
func (i *install) call(n int, method, path, body string, header ...string) answer {
	i.Helper()
	req, err := http.NewRequestWithContext(i.Context(), method, i.servers[n].url+path, strings.NewReader(body))
	if err != nil {
		i.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for h := 0; h+1 < len(header); h += 2 {
		req.Header.Set(header[h], header[h+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		i.Fatal(err)
	}
	a := answer{status: res.StatusCode, body: string(raw)}
	if found := regexp.MustCompile(`"access_token":"([^"]+)"`).FindStringSubmatch(a.body); found != nil {
		a.token = found[1]
	}
	for _, c := range res.Cookies() {
		if c.Name == "canopy_refresh" {
			a.refresh = c.Value
		}
	}
	return a
}

// want is call for an answer of a status.
func (i *install) want(status, n int, method, path, body string, header ...string) answer {
	i.Helper()
	a := i.call(n, method, path, body, header...)
	if a.status != status {
		i.Fatalf("%s %s at server %d: %d, want %d: %s", method, path, n, a.status, status, a.body)
	}
	return a
}

func (i *install) login(n int) answer {
	i.Helper()
	return i.want(200, n, "POST", "/v1/auth/login", `{"email":"`+email+`","password":"`+password+`"}`)
}

// me wants a token to be taken by every server.
func (i *install) me(token string) {
	i.Helper()
	for n := range i.servers {
		i.want(200, n, "GET", "/v1/auth/me", "", "Authorization", "Bearer "+token)
	}
}

func (i *install) renew(n int, refresh string) answer {
	i.Helper()
	return i.want(200, n, "POST", "/v1/auth/refresh", `{}`, "Cookie", "canopy_refresh="+refresh)
}

// kids are those of the n-th server's key set.
func (i *install) kids(n int) []string {
	i.Helper()
	var set struct {
		Keys []struct {
			ID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal([]byte(i.want(200, n, "GET", "/.well-known/jwks.json", "").body), &set); err != nil {
		i.Fatal(err)
	}
	var list []string
	for _, k := range set.Keys {
		list = append(list, k.ID)
	}
	return list
}

// kidOf is the key that signed a token.
func (i *install) kidOf(token string) string {
	i.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(strings.SplitN(token, ".", 2)[0])
	var head struct {
		ID string `json:"kid"`
	}
	if err := errors.Join(err, json.Unmarshal(raw, &head)); err != nil {
		i.Fatal(err)
	}
	return head.ID
}

// soon waits for what has to be so within 5 seconds.
func (i *install) soon(what string, is func() bool) {
	i.Helper()
	for range 200 {
		if is() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	i.Errorf("it does not come: %s", what)
}

func TestKeysWorkBesideRunningServers(t *testing.T) {
	t.Parallel()
	eachInstall(t, zeroKey, func(i *install) {
		in := i.login(0)
		old := i.kidOf(in.token)
		i.me(in.token)
		if out := i.must(zeroKey, "keys", "list"); !strings.HasPrefix(out, old) || !strings.HasSuffix(out, "signing\n") {
			t.Errorf("list: %s", out)
		}
		next, _, _ := strings.Cut(i.must(zeroKey, "keys", "rotate"), " ")
		for n := range i.servers {
			i.soon("the next key is published", func() bool { return slices.Contains(i.kids(n), next) })
		}

		out := i.must(zeroKey, "keys", "revoke", old)
		found := regexp.MustCompile(`(?m)^(\S+) signs from now on$`).FindStringSubmatch(out)
		if found == nil {
			t.Fatalf("revoke: %s", out)
		}
		// Who signs in now is in everywhere, also while a server knows the old keys.
		for n := range i.servers {
			fresh := i.login(n)
			if i.kidOf(fresh.token) != found[1] {
				t.Errorf("%s signs, want %s", i.kidOf(fresh.token), found[1])
			}
			i.me(fresh.token)
		}
		for n := range i.servers {
			i.soon("the revoked key's token is refused", func() bool {
				return i.call(n, "GET", "/v1/auth/me", "", "Authorization", "Bearer "+in.token).status == 401
			})
			if kids := i.kids(n); slices.Contains(kids, old) || !slices.Contains(kids, found[1]) {
				t.Errorf("server %d publishes %v", n, kids)
			}
		}
		// The session itself lives on.
		i.me(i.renew(0, in.refresh).token)

		for _, kid := range []string{old, "2026-01-none"} {
			code, out, errs := i.run(zeroKey, "keys", "revoke", kid)
			if code != 1 || out != "" || errs != "canopy: revoke "+kid+": there is no such signing key; "+
				"canopy keys list shows those there are\n" {
				t.Errorf("revoke %s: %d %s %s", kid, code, out, errs)
			}
		}
		for n := range i.servers {
			i.restart(n, zeroKey)
			if slices.Contains(i.kids(n), old) {
				t.Error("a restart brings the revoked key back")
			}
		}
	})
}

// TestTheInstallKeyIsChangedInFourSteps goes the way that the guide describes, each step
// on one server after the other.
func TestTheInstallKeyIsChangedInFourSteps(t *testing.T) {
	t.Parallel()
	old, fresh := secret.NewKey(), secret.NewKey()
	eachInstall(t, old, func(i *install) {
		in := i.login(0)
		invited := 0
		invite := func(n int) {
			t.Helper()
			invited++
			body := fmt.Sprintf(`{"email":"dana%d@acme.example","first_name":"Dana","last_name":"Cole"}`, invited)
			i.want(201, n, "POST", mailbox, body, "Authorization", "Bearer "+in.token)
		}
		// An earlier version named no keys.
		invite(0)
		store, err := database.Beside(t.Context(), i.url, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		dbtest.Exec(t, store, `UPDATE outbox SET payload = substr(payload, 13)`)
		dbtest.Exec(t, store, `UPDATE signing_key SET private = substr(private, 13)`)

		used := in.refresh
		current := i.renew(0, used).refresh
		// works is asked after each restart: another server may have other keys.
		works := func() {
			t.Helper()
			i.me(in.token)
			for n := range i.servers {
				invite(n)
				i.me(i.login(n).token)
				again := i.renew(n, used)
				if again.refresh != current {
					t.Error("a repeated refresh gets another successor")
				}
				i.me(again.token)
			}
			used = current
			current = i.renew(0, used).refresh
		}
		works()
		for _, keys := range []string{old + "," + fresh, fresh + "," + old} {
			for n := range i.servers {
				i.restart(n, keys)
				works()
			}
		}
		if code, _, errs := i.run(fresh, "keys", "list"); code != 1 || !strings.Contains(errs, "can't be opened") {
			t.Errorf("what only the old key opens: %d %s", code, errs)
		}
		out := i.must(fresh+","+old, "keys", "reseal")
		if !regexp.MustCompile(`^signing keys: 1 resealed, 0 left, 0 that no key opens\n` +
			`queued work: \d+ resealed, 0 left, 0 that no key opens\n` +
			`webhook secrets: 0 resealed, 0 left, 0 that no key opens\n$`).MatchString(out) {
			t.Errorf("reseal: %s", out)
		}
		out = i.must(fresh+","+old, "keys", "reseal")
		if strings.Count(out, ": 0 resealed, 0 left") != 3 {
			t.Errorf("reseal again: %s", out)
		}
		works()
		server := mailtest.New(t)
		for n := range i.servers {
			i.restart(n, fresh, "--smtp-url", server.URL())
			works()
		}
		// Every mail that was queued on the way arrives, with its link.
		for _, m := range server.Wait(t, invited) {
			i.want(200, 0, "POST", "/v1/auth/invite-info", `{"token":"`+mailtest.Token(t, m)+`"}`)
		}
	})
}

// A store of another version is refused, and nothing is migrated or made.
func TestKeysRefuseAStoreOfAnotherVersion(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			i := &install{T: t, url: dbtest.URL(t, engine)}
			verbs := [][]string{{"list"}, {"rotate"}, {"revoke", "2026-04-0000"}, {"reseal"}}
			refused := func(says string) {
				t.Helper()
				for _, verb := range verbs {
					code, out, errs := i.run(zeroKey, append([]string{"keys"}, verb...)...)
					if code != 1 || out != "" || !strings.Contains(errs, says) || strings.Count(errs, "\n") != 1 {
						t.Errorf("keys %v: %d %s %s", verb, code, out, errs)
					}
				}
			}
			if path, lite := database.SQLitePath(i.url); lite {
				refused("does not exist yet")
				if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
					t.Errorf("made: %v, %v", left, err)
				}
			}
			i.must(zeroKey, "migrate", "up")
			db, err := database.Open(t.Context(), i.url, time.Now)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.MigrateTo(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			refused("is pending; run canopy migrate up")
			if steps, err := db.Migrations(t.Context()); err != nil || steps[1].Applied {
				t.Errorf("%v, %v", steps, err)
			}
			if err := db.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			insert := `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, TRUE)`
			if _, err := db.Pool().ExecContext(t.Context(), insert); err != nil {
				t.Fatal(err)
			}
			refused("start the newer canopy that made it")
		})
	}
}
