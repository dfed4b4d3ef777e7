// Package command is Canopy's command line: one struct holds all verbs and
// settings (kong), and each verb says what it does in its Run.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/private"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server"
)

type cli struct {
	config.Settings
	File kong.ConfigFlag `name:"config" help:"Settings file, YAML: public_url: https://… and so on."`

	Dev         devCmd         `cmd:"" help:"Try Canopy: SQLite in ./canopy-data, mail caught at /dev/mail, a demo Account."`
	Serve       serveCmd       `cmd:"" help:"Run the server."`
	Migrate     migrateCmd     `cmd:"" help:"Bring the database up to this version, or show where it is."`
	Bootstrap   bootstrapCmd   `cmd:"" help:"Make the first Account and its verified owner, without mail."`
	Keys        keysCmd        `cmd:"" help:"List, rotate or revoke token signing keys, or reseal everything under the first install key."`
	Backup      backupCmd      `cmd:"" help:"Copy the SQLite database while the server runs."`
	Restore     restoreCmd     `cmd:"" help:"Bring a copy back, into an empty place only."`
	Doctor      doctorCmd      `cmd:"" help:"Check settings, database, mail server and keys."`
	Healthcheck healthcheckCmd `cmd:"" help:"Ask /readyz of a running server."`
	Audit       auditCmd       `cmd:"" help:"Check the seal of the audit log."`
	Openapi     openapiCmd     `cmd:"" help:"Print the OpenAPI 3.1 document."`
	Test        testCmd        `cmd:"" help:"Ask scenario files who may do what, without a server."`
	Bench       benchCmd       `cmd:"" help:"Measure parts of Canopy on this machine."`
	Config      configCmd      `cmd:"" help:"Print the settings in force, secrets masked."`
	Version     versionCmd     `cmd:"" help:"Print version and Go version."`
}

// Program is one run of the command line.
type Program struct {
	Args           []string
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Version        string
}

// Run runs a command until it ends or ctx does; the result is the exit code: 0
// done, 1 failed, 2 a wrong command line, or a file that can't be read.
func (p *Program) Run(ctx context.Context) int {
	var c cli
	helped := false // kong wants to end the process after --help
	parser, err := kong.New(&c, kong.Name("canopy"),
		kong.Description("Hierarchical identity and access management for B2B SaaS."),
		kong.Writers(p.Stdout, p.Stderr), kong.UsageOnError(), kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Configuration(config.File))
	if err != nil {
		fmt.Fprintln(p.Stderr, "canopy:", err)
		return 1
	}
	args := p.Args
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if helped {
		return 0
	}
	if err == nil {
		err = config.CheckEnvironment()
	}
	if err != nil {
		fmt.Fprintln(p.Stderr, "canopy:", err)
		return 2
	}
	env := &environment{Program: p, settings: c.Settings}
	parsed.BindTo(ctx, (*context.Context)(nil))
	if err := parsed.Run(env); err != nil {
		for line := range strings.Lines(err.Error()) { // one for each problem
			fmt.Fprintln(p.Stderr, "canopy:", strings.TrimSuffix(line, "\n"))
		}
		if _, wrong := errors.AsType[usage](err); wrong {
			return 2
		}
		return 1
	}
	return 0
}

// usage is an error of who called: a file that can't be read, as a wrong command line.
type usage struct{ error }

// Unwrap gives what is wrong.
func (u usage) Unwrap() error { return u.error }

// environment is what verbs share.
type environment struct {
	*Program
	settings config.Settings
}

func (e *environment) logger() *slog.Logger {
	o := &slog.HandlerOptions{Level: e.settings.LogLevel}
	if e.settings.LogFormat == "text" || e.settings.LogFormat == "" && terminal(e.Stderr) {
		return slog.New(slog.NewTextHandler(e.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(e.Stderr, o))
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// open reads the settings and opens the store.
func (e *environment) open(ctx context.Context) (*config.Checked, *database.DB, error) {
	c, err := e.settings.Check()
	if err != nil {
		return nil, nil, err
	}
	db, err := database.Open(ctx, c.DatabaseURL, time.Now)
	if err != nil {
		return nil, nil, err
	}
	warnings := db.Warnings()
	if err := private.Tighten(c.KeyFile()); err != nil {
		warnings = append(warnings, err.Error())
	}
	for _, w := range warnings {
		e.logger().WarnContext(ctx, w)
	}
	return c, db, nil
}

// withServer builds a server that does not listen, for verbs that need a room.
func (e *environment) withServer(ctx context.Context, fn func(*server.Server) error) error {
	c, db, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil {
		return err
	}
	s, err := server.New(ctx, server.Options{Config: c, DB: db, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	return fn(s)
}

// databaseWait is how long a server waits for a database that is not up yet.
const databaseWait = time.Minute

// await is open for a server, which may be started before its database is.
func (e *environment) await(ctx context.Context) (*config.Checked, *database.DB, error) {
	end := time.NewTimer(databaseWait)
	defer end.Stop()
	for told := false; ; told = true {
		c, db, err := e.open(ctx)
		if err == nil || !database.NotYet(err) {
			return c, db, err
		}
		if !told {
			e.logger().WarnContext(ctx, "the database is not up yet", "wait", databaseWait.String(), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-end.C:
			return nil, nil, err
		case <-time.After(250 * time.Millisecond):
		}
	}
}

type serveCmd struct {
	Migrate bool `help:"Run pending migrations first; --no-migrate refuses to start instead." default:"true" negatable:""`
}

// Run starts the server.
func (v *serveCmd) Run(ctx context.Context, e *environment) error {
	c, db, err := e.await(ctx)
	if ctx.Err() != nil && db == nil {
		return nil // told to end before there was anything to end
	}
	if err != nil {
		return err
	}
	defer db.Close()
	o := server.Options{Config: c, DB: db, Log: e.logger(), Version: e.Version, Stdout: e.Stdout}
	if err := withCertificate(&o); err != nil {
		return err
	}
	if v.Migrate {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
	} else if err := db.UpToDate(ctx); err != nil {
		return err
	}
	return listen(ctx, o, nil)
}

func listen(ctx context.Context, o server.Options, ready func(*server.Server) error) error {
	s, err := server.New(ctx, o)
	if err != nil {
		return err
	}
	var listening net.ListenConfig
	ln, err := listening.Listen(ctx, "tcp", o.Config.Addr)
	if err != nil {
		return fmt.Errorf("CANOPY_ADDR: %w", err)
	}
	o.Log.InfoContext(ctx, "listening", "addr", ln.Addr().String(),
		"public_url", o.Config.PublicURL, "database", string(o.DB.Engine))
	if ready != nil {
		if err := ready(s); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	return s.Serve(ctx, ln)
}

type migrateCmd struct {
	Up     migrateUp     `cmd:"" help:"Run pending migrations."`
	Status migrateStatus `cmd:"" help:"List migrations."`
}

type (
	migrateUp     struct{}
	migrateStatus struct{}
)

// Run migrates.
func (migrateUp) Run(ctx context.Context, e *environment) error {
	_, db, err := e.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Migrate(ctx)
}

// Run lists the migrations, also beside a running server.
func (migrateStatus) Run(ctx context.Context, e *environment) error {
	c, err := e.settings.Check()
	if err != nil {
		return err
	}
	db, err := database.Look(ctx, c.DatabaseURL, time.Now)
	if errors.Is(err, fs.ErrNotExist) {
		_, db, err = e.open(ctx)
	}
	if err != nil {
		return err
	}
	defer db.Close()
	steps, err := db.Migrations(ctx)
	for _, m := range steps {
		state := "pending"
		if m.Applied {
			state = "applied"
		}
		fmt.Fprintf(e.Stdout, "%5d  %-8s %s\n", m.Version, state, m.Name)
	}
	return err
}

type configCmd struct{}

// Run prints the settings.
func (configCmd) Run(e *environment) error {
	if _, err := e.settings.Check(); err != nil {
		return err
	}
	for _, line := range e.settings.Lines() {
		fmt.Fprintln(e.Stdout, line)
	}
	return nil
}

type versionCmd struct{}

// Run prints the version, the commit where the build knows it, and Go's version.
func (versionCmd) Run(e *environment) error {
	words := []string{"canopy", e.Version}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				words = append(words, s.Value[:min(12, len(s.Value))])
			case s.Key == "vcs.modified" && s.Value == "true":
				words = append(words, "modified")
			}
		}
	}
	fmt.Fprintln(e.Stdout, strings.Join(append(words, runtime.Version()), " "))
	return nil
}
