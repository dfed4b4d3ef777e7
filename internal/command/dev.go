package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/server"
)

type devCmd struct {
	Dir string `help:"Where the demo's data lies." default:"canopy-data" type:"path"`
}

const demoEmail = "demo@canopy.example"

// Run starts the quick start: loopback only, SQLite only, mail caught. The demo
// Account is made once, on an empty database, with a password of its own that
// is kept beside it.
func (v *devCmd) Run(ctx context.Context, e *environment) error {
	if strings.HasPrefix(e.settings.DatabaseURL, "postgres") {
		return errors.New("CANOPY_DATABASE_URL: canopy dev keeps to SQLite; use canopy serve with PostgreSQL")
	}
	if e.settings.Addr == ":8080" {
		e.settings.Addr = "127.0.0.1:8080"
	}
	host, port, err := net.SplitHostPort(e.settings.Addr)
	if ip := net.ParseIP(host); err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return errors.New("CANOPY_ADDR: canopy dev listens on loopback only, such as 127.0.0.1:8080")
	}
	if e.settings.PublicURL == "http://localhost:8080" {
		e.settings.PublicURL = "http://localhost:" + port
	}
	e.settings.DatabaseURL = "sqlite:" + filepath.Join(v.Dir, "canopy.db")
	c, db, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	caught := &server.DevMail{}
	o := server.Options{
		Config: c, DB: db, Log: e.logger(), Sender: caught, DevMail: caught, Version: e.Version, Stdout: e.Stdout,
	}
	if err := withCertificate(&o); err != nil {
		return err
	}
	return listen(ctx, o, func(s *server.Server) error { return v.demo(ctx, e, db, s, c.PublicURL) })
}

func (v *devCmd) demo(ctx context.Context, e *environment, db *database.DB, s *server.Server, origin string) error {
	path := filepath.Join(v.Dir, "demo-password")
	users, err := database.Read(ctx, db, func(tx *database.Tx) (int, error) { return portaluser.Count(ctx, tx) })
	if err != nil {
		return err
	}
	if users == 0 {
		password := "Demo-" + secret.NewToken().Reveal()[:12] + "-1a"
		if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
			return err
		}
		if err := v.fill(ctx, s, password); err != nil {
			return err
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil //nolint:nilerr // an own Account was made here before; there is no demo
	}
	key, err := os.ReadFile(filepath.Join(v.Dir, demoKey))
	if err != nil {
		key = []byte("(make one: POST …/environments/development/api-keys)") // made by an earlier version
	}
	password, ids := strings.TrimSpace(string(raw)), v.ids()
	fmt.Fprintf(e.Stdout, `
Canopy is ready.

  Portal   %[1]s/app/login
  Sign in  %[2]s  %[3]s
  Mail     %[1]s/dev/mail

Read the tree of Acme Realty, as a program would:

  curl -s '%[1]s/api/v1/nodes?depth=3' -H 'X-API-Key: %[4]s'
%[5]s
Invite somebody who is going to use the product; the answer and the mail have the link:

  curl -s %[1]s/api/v1/identity-invites -H 'X-API-Key: %[4]s' -H 'Content-Type: application/json' \
    -d '{"email":"eva@acme.example","first_name":"Eva","last_name":"Roth"}'

Invite a colleague:

  token() { sed 's/.*"access_token":"\([^"]*\)".*/\1/'; }
  SIGNED=$(curl -s %[1]s/v1/auth/login -H 'Content-Type: application/json' \
    -d '{"email":"%[2]s","password":"%[3]s"}' | token)
  TOKEN=$(curl -s %[1]s/v1/auth/select-application -H "Authorization: Bearer $SIGNED" \
    -H 'Content-Type: application/json' -d '{"account_id":"%[6]s","application_id":"%[7]s"}' | token)
  curl -s %[1]s/portal/v1/accounts/acme-realty/user-invites -H "Authorization: Bearer $TOKEN" \
    -H 'Content-Type: application/json' -d '{"email":"dana@acme.example","first_name":"Dana","last_name":"Cole"}'

`, origin, demoEmail, password, strings.TrimSpace(string(key)), questions(origin, strings.TrimSpace(string(key)), ids),
		ids["ACCOUNT"], ids["APPLICATION"])
	return nil
}

// ids are those of the demo, by the names that its file gives them.
func (v *devCmd) ids() map[string]string {
	ids := map[string]string{}
	raw, err := os.ReadFile(filepath.Join(v.Dir, demoIDs))
	if err != nil {
		return ids // an earlier version has made the demo
	}
	for line := range strings.Lines(string(raw)) {
		name, id, _ := strings.Cut(strings.TrimSpace(line), "=")
		ids[name] = id
	}
	return ids
}

// questions are the first two that the demo answers: one yes, and one no with its reason.
// There are none in a demo that an earlier version has made.
func questions(origin, key string, ids map[string]string) string {
	if ids["ANN"] == "" {
		return ""
	}
	return fmt.Sprintf(`
May Ann, who manages the region North, approve leases in Hamburg?

  curl -s %[1]s/api/v1/permissions/evaluate -H 'X-API-Key: %[2]s' -H 'Content-Type: application/json' \
    -d '{"identity_id":"%[3]s","permission":"lease.approve","scope":"node","node_id":"%[5]s"}'

And why may Ben, who lets property in Berlin, not?

  curl -s %[1]s/api/v1/permissions/evaluate/explain -H 'X-API-Key: %[2]s' -H 'Content-Type: application/json' \
    -d '{"identity_id":"%[4]s","permission":"lease.approve","node_id":"%[6]s"}'
`, origin, key, ids["ANN"], ids["BEN"], ids["HAMBURG"], ids["BERLIN"])
}

// fill makes the demo, and keeps its password and its API key beside it.
func (v *devCmd) fill(ctx context.Context, s *server.Server, password string) error {
	r, err := s.Signups.Bootstrap(ctx, principal.System(), signup.Params{
		Email: demoEmail, Password: password, FirstName: "Alex", LastName: "Reed",
		AccountName: "Acme Realty", ApplicationName: "Lease Desk",
	})
	if err != nil {
		return err
	}
	made, err := s.Demo(ctx, scope.Application{
		Account: scope.Account{ID: r.AccountID, Slug: r.AccountSlug}, ID: r.ApplicationID, Slug: r.ApplicationSlug,
	})
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(v.Dir, demoKey), []byte(made.Key.Reveal()+"\n"), 0o600)
	ids := fmt.Sprintf("ACCOUNT=%s\nAPPLICATION=%s\nANN=%s\nBEN=%s\nHAMBURG=%s\nBERLIN=%s\n",
		r.AccountID, r.ApplicationID, made.Ann, made.Ben, made.Hamburg, made.Berlin)
	return errors.Join(err, os.WriteFile(filepath.Join(v.Dir, demoIDs), []byte(ids), 0o600))
}

// The files that hold the demo's API key, and ids that its first questions need, for a shell
// to read.
const (
	demoKey = "demo-key"
	demoIDs = "demo-ids"
)

// surfaces say which paths belong to which; all of them to all.
var surfaces = map[string]func(path string) bool{
	"public": func(path string) bool { return strings.HasPrefix(path, "/api/v1/") },
	"portal": func(path string) bool { return !strings.HasPrefix(path, "/api/v1/") },
}

type openapiCmd struct {
	Surface string `enum:"portal,public,all" default:"all" help:"portal, public or all."`
}

// Run prints the document.
func (v *openapiCmd) Run(e *environment) error {
	doc, err := server.Document(wire.About{
		Version: e.Version, ServerURL: e.settings.PublicURL, Surface: surfaces[v.Surface],
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(e.Stdout, string(doc))
	return nil
}
