// Package server builds the object graph of one Canopy and runs it: rooms,
// doors, workers. Nothing else wires anything.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"canopy.dev/canopy/internal/api/hosted"
	"canopy.dev/canopy/internal/api/portalapi"
	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/idempotency"
	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/telemetry"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/invite"
	"canopy.dev/canopy/internal/portal/member"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/session"
	"canopy.dev/canopy/internal/portal/signup"
	"canopy.dev/canopy/internal/tenant/account"
)

// Options are what differs between serve, dev and tests.
type Options struct {
	Config  *config.Checked
	DB      *database.DB // opened by the caller, who closes it after Close
	Log     *slog.Logger
	Hash    secret.Params    // zero: secret.DefaultParams
	Sender  mailqueue.Sender // instead of the SMTP server of the settings
	DevMail *DevMail         // shown at /dev/mail
	Version string
}

// Server is one Canopy.
type Server struct {
	Router        *wire.Router
	Registrations *signup.Service
	Keys          *signingkey.Service
	Worker        *outbox.Worker

	o       Options
	door    *portalapi.Door
	sweeps  []func(context.Context) error
	sender  mailqueue.Sender
	metrics *http.Server // nil: they are on the public listener, for this machine
}

// New wires a server over a migrated store and makes its first signing key.
func New(ctx context.Context, o Options) (*Server, error) {
	box, err := o.Config.Box()
	if err != nil {
		return nil, err
	}
	if o.Hash == (secret.Params{}) {
		o.Hash = secret.DefaultParams
	}
	c, db := o.Config, o.DB
	renderer, err := mail.NewRenderer(c.Public, c.MailFrom)
	if err != nil {
		return nil, fmt.Errorf("CANOPY_MAIL_FROM: %w", err)
	}
	s := &Server{o: o, sender: o.Sender}
	if s.sender == nil && c.SMTP != nil {
		s.sender = mail.NewSender(*c.SMTP)
	}

	hasher := secret.NewHasher(o.Hash, 0, 64)
	limits := ratelimit.New(db, c.Limits)
	guard := &portaluser.Guard{DB: db, Hasher: hasher, Limits: limits}
	s.Keys = signingkey.New(signingkey.Config{DB: db, Box: box, Issuer: c.PublicURL, TokenLife: time.Hour, Log: o.Log})
	if err := s.Keys.Ensure(ctx); err != nil {
		return nil, err
	}
	metrics := telemetry.New(telemetry.Sources{PasswordWaiting: hasher.Waiting, PasswordDone: hasher.Done,
		Pool: func() telemetry.Pool {
			stats := db.Stats()
			return telemetry.Pool{InUse: stats.InUse, Idle: stats.Idle, Waited: stats.WaitDuration}
		},
		Outbox: func(ctx context.Context) (int, time.Duration, error) { return outbox.Depth(ctx, db) }})
	s.Worker = outbox.NewWorker(outbox.Config{DB: db, Box: box, Log: o.Log, Lanes: []outbox.Lane{
		mailLane(renderer, s.sender, metrics.Mail),
	}})
	queue := &mailqueue.Queue{Outbox: s.Worker.Queue(mailqueue.Lane), Limits: limits}
	s.Registrations = &signup.Service{DB: db, Hasher: hasher, Mail: queue, Closed: c.Signup == "closed"}
	sessions := &session.Service{DB: db, Guard: guard, Keys: s.Keys, AccessTTL: c.AccessTTL, RefreshTTL: c.RefreshTTL, RefreshMax: c.RefreshMax,
		Observe: metrics.SignIn}
	invites := &invite.Service{DB: db, Guard: guard, Limits: limits, Mail: queue, Life: c.InviteTTL}
	kept := &idempotency.Store{DB: db, Box: box}

	s.Router = wire.NewRouter(wire.Config{Log: o.Log, Now: db.Now, PublicOrigin: c.Origin, Origins: c.AllowedOrigins, Proxies: c.Proxies,
		Authenticate: sessions.Authenticate, InvalidToken: signingkey.ErrInvalidToken, AccountNotFound: account.ErrNotFound, Idempotency: kept,
		Limit:   func(ctx context.Context, name, ip string) error { return limits.Take(ctx, ratelimit.Name(name), ip) },
		Observe: metrics.Request})
	s.door = &portalapi.Door{DB: db, Log: o.Log, Limits: limits, Registrations: s.Registrations, Sessions: sessions,
		Passwords: &session.Passwords{DB: db, Guard: guard, Mail: queue}, Invites: invites, Members: &member.Service{DB: db},
		Keys: s.Keys, SecureCookies: strings.HasPrefix(c.Origin, "https:"), RefreshTTL: c.RefreshTTL}
	s.door.Routes(s.Router)
	s.health()
	s.mountDocument()
	s.Router.Mount("/app/", hosted.Handler())
	if c.MetricsAddr == "" {
		s.Router.Mount("GET /metrics", metrics.Local())
	} else {
		s.metrics = &http.Server{Addr: c.MetricsAddr, Handler: metrics.Handler(), ReadHeaderTimeout: 10 * time.Second}
	}
	if o.DevMail != nil {
		s.Router.Mount("GET /dev/mail", o.DevMail)
	}
	s.sweeps = []func(context.Context) error{func(ctx context.Context) error { return outbox.Sweep(ctx, db) }, limits.Sweep, kept.Sweep, s.Registrations.Sweep, sessions.Sweep}
	return s, nil
}

// mailLane sends what the rooms have queued; without a sender it waits for one.
func mailLane(renderer *mail.Renderer, sender mailqueue.Sender, observe func(kind, result string)) outbox.Lane {
	handlers := map[string]outbox.Handler{}
	for kind, h := range map[mail.Kind]mailqueue.Handler{
		mail.UserInvite:        {Still: invite.StillWanted, Delivered: invite.Delivered},
		mail.VerifyEmail:       {Still: signup.StillWanted},
		mail.PasswordReset:     {Still: session.ResetWanted},
		mail.AlreadyRegistered: {},
		mail.PasswordChanged:   {},
	} {
		h.Renderer, h.Sender = renderer, sender
		handlers[string(kind)] = h
	}
	return outbox.Lane{
		Name: mailqueue.Lane, Parallel: 4, Handlers: handlers, Observe: observe,
		Idle: func() bool { return sender == nil },
	}
}

// Serve answers on the listener and works in the background until ctx ends;
// then it finishes what is in flight, for at most ten seconds.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h := &http.Server{Handler: s.Router, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.o.Log.Handler(), slog.LevelWarn)}
	background, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { s.Worker.Run(background) })
	if s.sender == nil {
		s.o.Log.Warn("no mail server is configured (CANOPY_SMTP_URL): mail stays queued")
	}
	wg.Go(func() { s.Keys.Run(background) })
	wg.Go(func() { s.sweep(background) })

	if s.metrics != nil {
		listener, err := net.Listen("tcp", s.metrics.Addr)
		if err != nil {
			return errors.Join(fmt.Errorf("CANOPY_METRICS_ADDR: %w", err), ln.Close())
		}
		wg.Go(func() { _ = s.metrics.Serve(listener) })
		defer s.metrics.Close()
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := h.Shutdown(grace)
	s.door.Wait()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return err
}

// Wait waits for look-ups that go on after their answer; tests use it.
func (s *Server) Wait() { s.door.Wait() }

func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(10 * time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, sweep := range s.sweeps {
			if err := sweep(ctx); err != nil && ctx.Err() == nil {
				s.o.Log.ErrorContext(ctx, "sweep", "error", err)
			}
		}
	}
}

type checkResult struct {
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

type readiness struct {
	Status string                 `json:"status"`
	Checks map[string]checkResult `json:"checks"`
}

// HTTPStatus is 503 while a check that matters fails.
func (r readiness) HTTPStatus() int {
	if r.Status != "ready" {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

type alive struct {
	Status string `json:"status"`
}

func (s *Server) health() {
	wire.Handle(s.Router, wire.Route{Method: http.MethodGet, Path: "/healthz", ID: "health", Summary: "Is the process alive", Status: 200},
		func(context.Context, *wire.Call, wire.None) (alive, error) { return alive{"ok"}, nil })
	wire.Handle(s.Router, wire.Route{Method: http.MethodGet, Path: "/readyz", ID: "readiness", Summary: "Can it do its work", Status: 200,
		Also: []int{http.StatusServiceUnavailable}},
		func(ctx context.Context, _ *wire.Call, _ wire.None) (readiness, error) { return s.ready(ctx), nil })
}

// ready looks at what the server needs. A missing mail server is told, and does
// not make it unready: everything but mail works.
func (s *Server) ready(ctx context.Context) readiness {
	r := readiness{Status: "ready", Checks: map[string]checkResult{}}
	check := func(name string, err error, good string) {
		if err != nil {
			r.Status = "unready"
			r.Checks[name] = checkResult{false, "fails; the log says why"}
			s.o.Log.ErrorContext(ctx, "not ready", "check", name, "error", err)
			return
		}
		r.Checks[name] = checkResult{true, good}
	}
	check("database", s.o.DB.Ping(ctx), string(s.o.DB.Engine))
	steps, err := s.o.DB.Migrations(ctx)
	pending := 0
	for _, m := range steps {
		if !m.Applied {
			pending++
		}
	}
	if err == nil && pending > 0 {
		err = fmt.Errorf("%d migrations are pending", pending)
	}
	check("migrations", err, fmt.Sprintf("%d applied", len(steps)))
	queued, oldest, err := outbox.Depth(ctx, s.o.DB)
	detail := fmt.Sprintf("%d queued", queued)
	if queued > 0 {
		detail += fmt.Sprintf(", the oldest for %s", oldest.Round(time.Second))
	}
	if s.sender == nil {
		detail += "; no mail server is configured (CANOPY_SMTP_URL)"
	}
	check("mail", err, detail)
	return r
}
