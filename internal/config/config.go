// Package config holds the settings, each with its default, its environment
// variable and its rule, and is the one door to the environment. A flag wins over
// the environment, the environment over the file. An unknown or malformed setting
// stops the start with one line that names it.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/foundation/private"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// DefaultDatabase is where an install keeps its data that says nothing.
const DefaultDatabase = "sqlite:canopy-data/canopy.db"

// Settings are what the operator chooses. The tags are kong's.
type Settings struct {
	Addr            string        `help:"Listen address." env:"CANOPY_ADDR" default:":8080"`
	PublicURL       string        `help:"Origin for links in mail, token issuer, cookies; https makes cookies Secure." env:"CANOPY_PUBLIC_URL" default:"http://localhost:8080"`
	DatabaseURL     string        `help:"sqlite:PATH or postgres://…" env:"CANOPY_DATABASE_URL" default:"sqlite:canopy-data/canopy.db" secret:"url"`
	DatabaseURLFile string        `name:"database-url-file" help:"File that holds the database URL." env:"CANOPY_DATABASE_URL_FILE" type:"path"`
	SecretKey       string        `help:"32 bytes, base64; encrypts what must stay readable. Several, comma-separated: the first seals, all open. SQLite makes one beside the database." env:"CANOPY_SECRET_KEY" secret:"all"`
	SecretKeyFile   string        `help:"File that holds the secret key." env:"CANOPY_SECRET_KEY_FILE" type:"path"`
	SMTPURL         string        `name:"smtp-url" help:"smtp://user:pass@host:587?tls=starttls|none|implicit; without it mail stays queued." env:"CANOPY_SMTP_URL" secret:"url"`
	SMTPURLFile     string        `name:"smtp-url-file" help:"File that holds the SMTP URL." env:"CANOPY_SMTP_URL_FILE" type:"path"`
	SMTPEHLO        string        `name:"smtp-ehlo" help:"What the server calls itself in EHLO: a host name, or an address such as [192.0.2.1]; this machine's name when not set." env:"CANOPY_SMTP_EHLO"`
	MailFrom        string        `help:"Sender of all mails." env:"CANOPY_MAIL_FROM" default:"Canopy <no-reply@localhost>"`
	InviteTTL       time.Duration `name:"invite-ttl" help:"Life of invites, 24h to 720h." env:"CANOPY_INVITE_TTL" default:"168h"`
	AuditRetention  time.Duration `name:"audit-retention" help:"How long rows of the audit log and the change feed are kept, 24h or more; 0 for ever." env:"CANOPY_AUDIT_RETENTION" default:"8760h"`
	AccessTTL       time.Duration `name:"access-token-ttl" help:"Life of access tokens, 1m to 1h." env:"CANOPY_ACCESS_TOKEN_TTL" default:"15m"`
	RefreshTTL      time.Duration `name:"refresh-token-ttl" help:"How long each use renews a session." env:"CANOPY_REFRESH_TOKEN_TTL" default:"720h"`
	RefreshMax      time.Duration `name:"refresh-token-ttl-max" help:"How long a session lasts at most." env:"CANOPY_REFRESH_TOKEN_TTL_MAX" default:"2160h"`
	Signup          string        `help:"open, or closed: only bootstrap and invites make users." env:"CANOPY_SIGNUP" enum:"open,closed" default:"open"`
	TrustedProxies  []string      `help:"Addresses and CIDRs whose X-Forwarded-For is believed, for limits and audit only." env:"CANOPY_TRUSTED_PROXIES"`
	WebhookNetworks []string      `name:"webhook-allowed-cidrs" help:"Networks of your own, such as 10.1.0.0/16, that webhooks may lead into, there also by http; nothing but public addresses when not set." env:"CANOPY_WEBHOOK_ALLOWED_CIDRS"`
	AllowedOrigins  []string      `help:"Further origins that may call the cookie endpoints." env:"CANOPY_ALLOWED_ORIGINS"`
	AllowedHosts    []string      `help:"Further host names that are answered; a Host other than the public URL's, localhost, these and addresses gets 421." env:"CANOPY_ALLOWED_HOSTS"`
	RateLimits      string        `help:"name=count/period pairs; name=off or off." env:"CANOPY_RATE_LIMITS"`
	ImportLimit     string        `help:"How large the dump of an import may be, unpacked, up to 1GiB." env:"CANOPY_IMPORT_LIMIT" default:"64MiB"`
	DecisionMemory  string        `help:"About how much memory the Environments take that decisions are made from, 1MiB or more; a quarter of what the process may use when not set. Those asked about least recently leave first." env:"CANOPY_DECISION_MEMORY"`
	Breached        string        `name:"breached-passwords" help:"Passwords that identities may not choose: bundled, the common ones in the program; off; or the path of a file with the SHA-1 of one in hexadecimal on each line, sorted, as Have I Been Pwned publishes them." env:"CANOPY_BREACHED_PASSWORDS" default:"bundled"`
	DecisionLog     string        `help:"Which decisions are written as JSON lines: off, all, denied, or a share of all such as 0.01." env:"CANOPY_DECISION_LOG" default:"off"`
	DecisionLogTo   string        `help:"Where to: stdout, or a file that is appended to." env:"CANOPY_DECISION_LOG_TO" default:"stdout"`
	PasswordHistory int           `help:"How many passwords of an identity may not come again, the present one included, up to 24; 0 remembers none." env:"CANOPY_PASSWORD_HISTORY" default:"5"`
	TLSCert         string        `name:"tls-cert" help:"File of a certificate with its chain, PEM: with it and its key the server speaks TLS itself, and the public URL must be https. Read again when it changes." env:"CANOPY_TLS_CERT"`
	TLSKey          string        `name:"tls-key" help:"File of the certificate's key, PEM." env:"CANOPY_TLS_KEY"`
	TLSACME         string        `name:"tls-acme" help:"off; on: Let's Encrypt gives a certificate for the public URL's host, renewed by itself; or the URL of another authority's ACME directory. With SQLite only, since one process only may do it; the authority reaches the server at port 443." env:"CANOPY_TLS_ACME" default:"off"`
	BackupDir       string        `help:"Folder of its own for copies of the SQLite database, made on a schedule as canopy backup makes them; none when not set." env:"CANOPY_BACKUP_DIR"`
	BackupEvery     time.Duration `help:"How often a copy is made, 1m to 8760h." env:"CANOPY_BACKUP_EVERY" default:"24h"`
	BackupKeep      int           `help:"How many of the copies are kept, 1 to 1000; the oldest go." env:"CANOPY_BACKUP_KEEP" default:"7"`
	MetricsAddr     string        `help:"Listen address of its own for /metrics, such as 127.0.0.1:9090; without it there is no /metrics." env:"CANOPY_METRICS_ADDR"`
	LogLevel        slog.Level    `help:"debug, info, warn or error." env:"CANOPY_LOG_LEVEL" default:"info"`
	LogFormat       string        `help:"text or json; text on a terminal when not set." env:"CANOPY_LOG_FORMAT" enum:",text,json" default:""`
}

// Checked are settings that have been read and found good.
type Checked struct {
	Settings
	Origin  string // scheme://host of the public URL
	Public  *url.URL
	Proxies []netip.Prefix
	Inside  []netip.Prefix // where webhooks may lead though it is not public
	Limits  ratelimit.Rules
	SMTP    *mail.SMTPConfig // nil without a mail server

	ImportBytes   int64 // how large a dump may be
	DecisionBytes int   // what Environments may take in memory
	Breaches      secret.Breaches
	Decided       decisionlog.Mode // which decisions are written
}

// Check reads what is more than a text. The error tells every problem, in one
// line that names the setting and says what is allowed.
func (s Settings) Check() (*Checked, error) {
	c := &Checked{Settings: s}
	if c.DatabaseURLFile != "" && c.DatabaseURL == DefaultDatabase {
		c.DatabaseURL = ""
	}
	problems := []error{
		fromFile(&c.DatabaseURL, c.DatabaseURLFile, "CANOPY_DATABASE_URL"),
		fromFile(&c.SecretKey, c.SecretKeyFile, "CANOPY_SECRET_KEY"),
		c.checkKeys(),
		c.checkListening(),
		c.checkLives(),
		c.checkSizes(),
		c.checkPasswords(),
		c.checkDecisions(),
		fromFile(&c.SMTPURL, c.SMTPURLFile, "CANOPY_SMTP_URL"),
	}
	wrong := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if err := database.CheckURL(c.DatabaseURL); err != nil && (c.DatabaseURL != "" || c.DatabaseURLFile == "") {
		wrong("CANOPY_DATABASE_URL: %w", err)
	}
	var err error
	if c.Public, err = origin(c.PublicURL); err != nil {
		wrong("CANOPY_PUBLIC_URL must be an origin such as https://canopy.example.com: %w", err)
		c.Public = &url.URL{Scheme: "http", Host: "localhost"}
	}
	c.PublicURL = c.Public.String()
	problems = append(problems, c.checkTLS(), c.checkBackups())
	c.Origin = c.PublicURL
	c.AllowedOrigins = slices.Clone(c.AllowedOrigins)
	for i, o := range c.AllowedOrigins {
		u, err := origin(o)
		if err != nil {
			wrong("CANOPY_ALLOWED_ORIGINS: %q is not an origin such as https://app.example.com: %w", o, err)
			continue
		}
		c.AllowedOrigins[i] = u.String()
	}
	c.AllowedHosts = slices.Clone(c.AllowedHosts)
	for i, h := range c.AllowedHosts {
		name, err := hostName(h)
		if err != nil {
			wrong("CANOPY_ALLOWED_HOSTS: %q is not a host name such as canopy.internal: %w", h, err)
		}
		c.AllowedHosts[i] = name
	}
	for _, p := range c.TrustedProxies {
		prefix, err := proxy(p)
		if err != nil {
			wrong("CANOPY_TRUSTED_PROXIES: %q is not an address or a network such as 10.0.0.0/8", p)
		}
		c.Proxies = append(c.Proxies, prefix)
	}
	for _, n := range c.WebhookNetworks {
		prefix, err := proxy(n)
		if err != nil {
			wrong("CANOPY_WEBHOOK_ALLOWED_CIDRS: %q is not an address or a network such as 10.0.0.0/8", n)
		}
		c.Inside = append(c.Inside, prefix)
	}
	if c.Limits, err = ratelimit.Parse(c.RateLimits); err != nil {
		wrong("CANOPY_RATE_LIMITS: %w", err)
	}
	if c.SMTPURL != "" {
		smtp, err := mail.ParseSMTPURL(c.SMTPURL)
		if err != nil {
			wrong("CANOPY_SMTP_URL: %w", err)
		}
		c.SMTP = &smtp
	}
	if name, err := ehlo(c.SMTPEHLO); err != nil {
		wrong("CANOPY_SMTP_EHLO %w", err)
	} else if c.SMTP != nil {
		c.SMTP.EHLO = name
	}
	if _, err := mail.NewRenderer(c.Public, c.MailFrom); err != nil {
		wrong("CANOPY_MAIL_FROM: %w", err)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return c, nil
}

// checkListening tells which addresses no server can listen on.
func (c *Checked) checkListening() error {
	var problems []error
	for name, address := range map[string]string{"CANOPY_ADDR": c.Addr, "CANOPY_METRICS_ADDR": c.MetricsAddr} {
		if address != "" && !listens(address) {
			problems = append(problems, fmt.Errorf("%s: %q is not an address such as :8080 or 127.0.0.1:8080", name, address))
		}
	}
	return errors.Join(problems...)
}

// checkLives tells which times are out of their bounds.
func (c *Checked) checkLives() error {
	var problems []error
	for _, b := range []struct {
		name        string
		v, min, max time.Duration
	}{
		{"CANOPY_INVITE_TTL", c.InviteTTL, 24 * time.Hour, 720 * time.Hour},
		{"CANOPY_ACCESS_TOKEN_TTL", c.AccessTTL, time.Minute, time.Hour},
		{"CANOPY_REFRESH_TOKEN_TTL", c.RefreshTTL, time.Hour, c.RefreshMax},
		{"CANOPY_REFRESH_TOKEN_TTL_MAX", c.RefreshMax, time.Hour, 8760 * time.Hour},
	} {
		if b.v < b.min || b.v > b.max {
			problems = append(problems, fmt.Errorf("%s must be %s to %s", b.name, b.min, b.max))
		}
	}
	if c.AuditRetention != 0 && c.AuditRetention < 24*time.Hour {
		problems = append(problems, errors.New("CANOPY_AUDIT_RETENTION must be 0, or 24h0m0s or more"))
	}
	return errors.Join(problems...)
}

// mostHistory is how many passwords of somebody are remembered.
const mostHistory = 24

// checkPasswords opens the list of passwords that nobody may choose.
func (c *Checked) checkPasswords() error {
	var problems []error
	switch c.Breached {
	case "", "bundled":
		c.Breaches = secret.Common()
	case "off":
	default:
		var err error
		if c.Breaches, err = secret.OpenBreaches(c.Breached); err != nil {
			problems = append(problems, fmt.Errorf("CANOPY_BREACHED_PASSWORDS must be bundled, off or a list: %w", err))
		}
	}
	if c.PasswordHistory < 0 || c.PasswordHistory > mostHistory {
		problems = append(problems, fmt.Errorf("CANOPY_PASSWORD_HISTORY must be 0 to %d", mostHistory))
	}
	return errors.Join(problems...)
}

// ehlo is the name for EHLO: the one that is set, or the machine's. A machine whose
// name no mail server would take gets none, and gives its address.
func ehlo(set string) (string, error) {
	if set != "" {
		return mail.ParseEHLO(set)
	}
	name, err := os.Hostname()
	if err == nil {
		name, err = mail.ParseEHLO(name)
	}
	if err != nil {
		name = ""
	}
	return name, nil
}

func fromFile(value *string, path, name string) error {
	if path == "" {
		return nil
	}
	if *value != "" {
		return fmt.Errorf("%s and %s_FILE are both set; choose one", name, name)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s_FILE: %w", name, err)
	}
	if *value = strings.TrimSpace(string(raw)); *value == "" {
		// Nothing is not what somebody meant who named a file.
		return fmt.Errorf("%s_FILE: %s is empty", name, path)
	}
	return nil
}

// Box is the install's keys. A SQLite install without one gets it at its first
// start, in secret.key beside the database, readable by its owner alone; a
// PostgreSQL install must be given it.
func (c *Checked) Box() (*secret.Box, error) {
	box, err := c.KnownBox()
	if path := c.KeyFile(); path != "" && errors.Is(err, fs.ErrNotExist) {
		text, err := makeKey(path)
		if err != nil {
			return nil, err
		}
		return boxOf(path, text)
	}
	return box, err
}

// KnownBox is Box for who comes beside a server: it makes no key. Where a SQLite
// install has none yet, the error is fs.ErrNotExist.
func (c *Checked) KnownBox() (*secret.Box, error) {
	if c.SecretKey != "" {
		return boxOf("CANOPY_SECRET_KEY", c.SecretKey)
	}
	path := c.KeyFile()
	if path == "" {
		return nil, errors.New("CANOPY_SECRET_KEY is required with PostgreSQL: " +
			"32 bytes, base64, such as `openssl rand -base64 32` prints")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return boxOf(path, string(raw))
}

// checkKeys tells what is wrong with the keys of the settings, where there are any.
func (c *Checked) checkKeys() error {
	if c.SecretKey == "" {
		return nil
	}
	_, err := boxOf("CANOPY_SECRET_KEY", c.SecretKey)
	return err
}

// boxOf reads a list of keys. The error names where they stand, and shows none of them.
func boxOf(where, text string) (*secret.Box, error) {
	parts := strings.Split(strings.TrimSpace(text), ",")
	keys := make([][]byte, len(parts))
	for i, part := range parts {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(part))
		if err != nil || len(key) != secret.KeySize {
			return nil, fmt.Errorf("%s: key %d of %d must be 32 bytes in base64, such as `openssl rand -base64 32` prints",
				where, i+1, len(parts))
		}
		keys[i] = key
	}
	box, err := secret.NewBox(keys...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return box, nil
}

// KeyFile is where a SQLite install keeps the key that it made; "" where there is
// none of that kind.
func (c *Checked) KeyFile() string {
	path, lite := database.SQLitePath(c.DatabaseURL)
	if !lite || c.SecretKey != "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), "secret.key")
}

// makeKey makes the file of a key, which must not be there.
func makeKey(path string) (string, error) {
	if err := private.Folder(filepath.Dir(path)); err != nil {
		return "", err
	}
	text := secret.NewKey()
	f, err := private.File(path)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(text + "\n")
	return text, errors.Join(err, f.Sync(), f.Close())
}
