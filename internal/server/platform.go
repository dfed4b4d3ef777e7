package server

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/backup"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/idempotency"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/telemetry"
	"canopy.dev/canopy/internal/platform/wire"
)

// platform is what every area stands on.
type platform struct {
	db       *database.DB
	log      *slog.Logger
	hasher   *secret.Hasher
	breached secret.Breaches
	history  int // of passwords
	limits   *ratelimit.Limiter
	keys     *signingkey.Service
	answers  *idempotency.Store
	metrics  *telemetry.Metrics
	held     func() telemetry.Decisions // what decisions are made from
	sender   mailqueue.Sender           // nil: no mail server
	worker   *outbox.Worker
	mail     *mailqueue.Queue

	importLimit    int64 // bytes
	decisionMemory int   // bytes
	auditRetention time.Duration
	decided        *decisionlog.Log
	public         string // CANOPY_PUBLIC_URL
	box            *secret.Box
	backups        *backup.Schedule // nil: none
	inside         []netip.Prefix   // where webhooks may lead though it is not public
}

func newPlatform(ctx context.Context, o Options) (*platform, error) {
	c := o.Config
	box, err := c.Box()
	if err != nil {
		return nil, err
	}
	renderer, err := mail.NewRenderer(c.Public, c.MailFrom)
	if err != nil {
		return nil, fmt.Errorf("CANOPY_MAIL_FROM: %w", err)
	}
	p := &platform{
		db: o.DB, hasher: secret.NewHasher(o.Hash, 0, 64), limits: ratelimit.New(o.DB, c.Limits),
		answers: &idempotency.Store{DB: o.DB, Box: box, Log: o.Log}, sender: o.Sender,
		log: o.Log, importLimit: c.ImportBytes, decisionMemory: c.DecisionBytes, auditRetention: c.AuditRetention,
		public: c.PublicURL,
		box:    box, inside: c.Inside,
		breached: c.Breaches, history: c.PasswordHistory,
		keys: signingkey.New(signingkey.Config{DB: o.DB, Box: box, Issuer: c.PublicURL, TokenLife: tokenLife, Log: o.Log}),
	}
	if p.sender == nil && c.SMTP != nil {
		p.sender = mail.NewSender(*c.SMTP)
	}
	p.decided, err = decisionlog.Open(decisionlog.Config{
		Mode: c.Decided, To: c.DecisionLogTo, Stdout: o.Stdout, Now: o.DB.Now, Errors: o.Log,
	})
	if err != nil {
		return nil, err
	}
	sources := telemetry.Sources{
		Version:         o.Version,
		Decided:         func() (written, dropped uint64) { return p.decided.Written(), p.decided.Dropped() },
		PasswordWaiting: p.hasher.Waiting, PasswordDone: p.hasher.Done, Pool: p.pool,
		Decisions: func() telemetry.Decisions { return p.held() },
		Outbox:    func(ctx context.Context) (int, time.Duration, error) { return outbox.Depth(ctx, p.db) },
	}
	if c.BackupDir != "" {
		p.backups = backup.New(backup.Config{
			Database: o.DB.Path, Folder: c.BackupDir, Every: c.BackupEvery, Keep: c.BackupKeep, Log: o.Log, Now: o.DB.Now,
		})
		sources.Backups = func() telemetry.Backups {
			s := p.backups.State()
			return telemetry.Backups{Last: s.Last, Made: s.Made, Failed: s.Failed}
		}
	}
	p.metrics = telemetry.New(sources)
	p.worker = outbox.NewWorker(outbox.Config{
		DB: o.DB, Box: box, Log: o.Log, Lanes: []outbox.Lane{p.mailLane(renderer)},
	})
	p.mail = &mailqueue.Queue{Outbox: p.worker.Queue(mailqueue.Lane), Limits: p.limits}
	return p, p.keys.Ensure(ctx)
}

func (p *platform) pool() telemetry.Pool {
	stats := p.db.Stats()
	return telemetry.Pool{InUse: stats.InUse, Idle: stats.Idle, Waited: stats.WaitDuration}
}

// mailLane sends what the rooms have queued; without a sender it waits for one.
func (p *platform) mailLane(renderer *mail.Renderer) outbox.Lane {
	handlers, pace := map[string]outbox.Handler{}, &mailqueue.Pace{}
	all := portalMails()
	maps.Copy(all, identityMails())
	for kind, h := range all {
		h.Renderer, h.Sender, h.Pace = renderer, p.sender, pace
		handlers[string(kind)] = h
	}
	return outbox.Lane{
		Name: mailqueue.Lane, Parallel: 4, Longest: mail.Longest + time.Minute, Handlers: handlers, Observe: p.metrics.Mail,
		Idle: p.noSender,
	}
}

func (p *platform) noSender() bool { return p.sender == nil }

func (p *platform) sweeps() []func(context.Context) error {
	jobs := func(ctx context.Context) error { return outbox.Sweep(ctx, p.db) }
	return []func(context.Context) error{jobs, p.limits.Sweep, p.answers.Sweep}
}

func (p *platform) rewinds() []func(context.Context) error {
	return []func(context.Context) error{p.limits.Rewind, p.answers.Rewind, p.keys.Rewind}
}

// newRouter makes the router, without routes.
func newRouter(o Options, p *platform, t *tenant, portal *portal) *wire.Router {
	return wire.NewRouter(wire.Config{
		Log: o.Log, Now: o.DB.Now,
		PublicOrigin: o.Config.Origin, Origins: o.Config.AllowedOrigins,
		Hosts: o.Config.AllowedHosts, Proxies: o.Config.Proxies,
		Authenticate: portal.sessions.Authenticate, AuthenticateKey: t.keys.Authenticate,
		Admit: revision.Admit, Denied: t.keys.Denied, DeniedEvent: apikey.Refused,
		InvalidToken: signingkey.ErrInvalidToken, Places: t.places(),
		Idempotency: p.answers, Limit: p.limits.Take, Limited: p.limits.Limited,
		Streams: o.DB.Streams(), Observe: p.metrics.Request,
	})
}
