package command

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/term"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/server"
)

type bootstrapCmd struct {
	Email        string `required:"" help:"The owner's address."`
	Account      string `required:"" help:"Name of the Account."`
	Application  string `required:"" help:"Name of its first Application."`
	FirstName    string `default:"Account" help:"The owner's first name."`
	LastName     string `default:"Owner" help:"The owner's last name."`
	PasswordFile string `type:"path" help:"File that holds the password; read from the terminal when not given."`
}

// Run makes the Account and prints ids and slugs as JSON.
func (v *bootstrapCmd) Run(ctx context.Context, e *environment) error {
	password, err := e.password(v.PasswordFile)
	if err != nil {
		return err
	}
	p := signup.Params{
		Email: v.Email, Password: password, FirstName: v.FirstName, LastName: v.LastName,
		AccountName: v.Account, ApplicationName: v.Application,
	}
	if problems := text.Normalize(&p); len(problems) > 0 {
		return errors.New(asFlag(problems[0]))
	}
	return e.withServer(ctx, func(s *server.Server) error {
		r, err := s.Signups.Bootstrap(ctx, principal.System(), p)
		if errors.Is(err, portaluser.ErrLinkUsed) {
			return errors.New("--email: this address is already a portal user's")
		}
		if err != nil {
			return err
		}
		out, err := json.Marshal(map[string]any{
			"account":     map[string]any{"id": r.AccountID, "slug": r.AccountSlug},
			"application": map[string]any{"id": r.ApplicationID, "slug": r.ApplicationSlug},
			"user":        map[string]any{"id": r.UserID, "email": p.Email},
		}, jsontext.WithIndent("  "), json.Deterministic(true))
		fmt.Fprintln(e.Stdout, string(out))
		return err
	})
}

// asFlag words a problem with a field as one with the flag that it came from.
func asFlag(problem string) string {
	field, rule, _ := strings.Cut(problem, " ")
	switch field {
	case "password":
		return "the password " + rule
	case "account_name", "application_name":
		field = strings.TrimSuffix(field, "_name")
	}
	return "--" + strings.ReplaceAll(field, "_", "-") + " " + rule
}

func (e *environment) password(path string) (string, error) {
	if path != "" {
		raw, err := os.ReadFile(path)
		return strings.TrimRight(string(raw), "\r\n"), err
	}
	if f, ok := e.Stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(e.Stderr, "Password: ")
		raw, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(e.Stderr)
		return string(raw), err
	}
	line, err := bufio.NewReader(e.Stdin).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

type backupCmd struct {
	To string `required:"" type:"path" help:"The file to write; it must not exist."`
}

const usePgDump = "PostgreSQL is backed up with its own tools: " +
	"pg_dump --format=custom --file=canopy.dump \"$CANOPY_DATABASE_URL\", and back with pg_restore --dbname"

// Run copies the database. It opens the file beside a running server, which
// SQLite allows for readers.
func (v *backupCmd) Run(ctx context.Context, e *environment) error {
	c, err := e.settings.Check()
	if err != nil {
		return err
	}
	path, lite := database.SQLitePath(c.DatabaseURL)
	if !lite {
		return errors.New(usePgDump)
	}
	if err := database.Copy(ctx, path, v.To); err != nil {
		return err
	}
	info, err := os.Stat(v.To)
	if err == nil {
		fmt.Fprintf(e.Stdout,
			"%s: %d bytes. Keep secret.key with it: without the key, signing keys and queued links can't be read.\n",
			v.To, info.Size())
	}
	return err
}

type restoreCmd struct {
	From string `required:"" type:"existingfile" help:"The copy."`
}

// Run brings a copy back.
func (v *restoreCmd) Run(ctx context.Context, e *environment) error {
	c, err := e.settings.Check()
	if err != nil {
		return err
	}
	path, lite := database.SQLitePath(c.DatabaseURL)
	if !lite {
		return errors.New(usePgDump)
	}
	if err := database.Restore(ctx, v.From, path); err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "restored %s\n", path)
	return nil
}

type doctorCmd struct {
	Decisions bool   `name:"verify-decisions" help:"Ask the running server about an API key's Environment, and judge its answers by the rows of the database."`
	URL       string `name:"url" help:"Where the server answers, for --verify-decisions; the public URL when not set." placeholder:"URL"`
	KeyFile   string `name:"api-key-file" help:"File that holds the API key, for --verify-decisions; /dev/stdin is one." type:"path"`
	Sample    int    `help:"How many questions --verify-decisions asks." default:"100000"`
	All       bool   `help:"Have --verify-decisions ask about everybody, every permission and every node."`
}

// Run checks, a line each.
func (v *doctorCmd) Run(ctx context.Context, e *environment) error {
	if v.Decisions {
		return v.verify(ctx, e)
	}
	failed := 0
	tell := func(name string, err error, good string) {
		if err != nil {
			failed++
			fmt.Fprintf(e.Stdout, "FAIL  %-11s %v\n", name, err)
			return
		}
		fmt.Fprintf(e.Stdout, "ok    %-11s %s\n", name, good)
	}
	c, err := e.settings.Check()
	tell("settings", err, "")
	if err != nil {
		return errors.New("1 check failed")
	}
	db, err := database.Look(ctx, c.DatabaseURL, time.Now)
	tell("database", err, "answers")
	if err == nil {
		defer db.Close()
		version, err := db.Version(ctx)
		tell("version", err, string(db.Engine)+" "+version)
		tell("migrations", db.UpToDate(ctx), "up to date")
		off, err := clockOff(ctx, db)
		tell("clock", err, "within "+off.String()+" of the database's and behind no record")
		keys, err := readableKeys(ctx, c, db)
		if err == nil && len(keys) == 0 {
			err = errors.New("there are none; the first start makes one")
		}
		tell("keys", err, fmt.Sprintf("%d readable", len(keys)))
	}
	if c.SMTP == nil {
		fmt.Fprintf(e.Stdout, "note  %-11s no mail server is configured (CANOPY_SMTP_URL): mail stays queued\n", "mail")
	} else {
		// Sending waits for minutes; whoever asks is better told that it is so slow.
		patient, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		tell("mail", mail.NewSender(*c.SMTP).Check(patient), "the server greets, encrypts and lets us in")
	}
	if c.SpeaksACME() {
		fmt.Fprintf(e.Stdout, "note  %-11s the server obtains its certificate itself (CANOPY_TLS_ACME)\n", "tls")
	} else if c.SpeaksTLS() {
		left, err := checkCertificate(c)
		tell("tls", err, "the certificate is valid and for the public URL's host")
		if err == nil && left < 14*24*time.Hour {
			fmt.Fprintf(e.Stdout, "note  %-11s the certificate expires in %s\n", "tls", left.Round(time.Hour))
		}
	}
	tell("public url", nil, c.PublicURL)
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

// verify asks the running server.
func (v *doctorCmd) verify(ctx context.Context, e *environment) error {
	if v.Sample < 1 || v.KeyFile == "" {
		return errors.New("--verify-decisions needs --api-key-file, and --sample must be 1 or more")
	}
	key, err := os.ReadFile(v.KeyFile)
	if err != nil {
		return fmt.Errorf("--api-key-file: %w", err)
	}
	c, err := e.settings.Check()
	if err != nil {
		return err
	}
	db, err := database.Look(ctx, c.DatabaseURL, time.Now)
	if err != nil {
		return err
	}
	defer db.Close()
	server := strings.TrimSuffix(cmp.Or(v.URL, c.PublicURL), "/")
	check, err := newVerifier(ctx, db, server, strings.TrimSpace(string(key)), e.Stderr)
	if err != nil {
		return err
	}
	sample := v.Sample
	if v.All {
		sample = 0
	}
	if err := check.run(ctx, sample); err != nil {
		return err
	}
	fmt.Fprintf(e.Stdout, "ok    decisions   %d answers are what the rows say, the last at revision %d\n",
		check.asked, check.rows.revision)
	return nil
}

// clockOff says how far this machine's clock is from the database's, in whole
// seconds. More than five seconds are an error, and so are records from the
// future: tokens and links would live for another time than they should.
func clockOff(ctx context.Context, db *database.DB) (time.Duration, error) {
	theirs, err := db.Clock(ctx)
	if err != nil {
		return 0, err
	}
	now := db.Now()
	off := now.Sub(theirs).Abs().Truncate(time.Second) + time.Second
	if off > 5*time.Second {
		return off, fmt.Errorf("this machine's clock and the database's are %s apart", off)
	}
	newest, err := event.Newest(ctx, db)
	if err == nil && newest.After(now.Add(5*time.Second)) {
		err = fmt.Errorf("the newest record is of %s, which is still to come: the clock is or was wrong",
			newest.Format(time.RFC3339))
	}
	return off, err
}
