// Package server builds the object graph of one Canopy and runs it. Each area has
// a wiring file of its own; nothing else wires anything.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/signup"
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
	Router  *wire.Router
	Signups *signup.Service
	Keys    *signingkey.Service
	Worker  *outbox.Worker
	Metrics http.Handler // for a listener of its own

	log      *slog.Logger
	platform *platform
	api      *api
	sweeps   []func(context.Context) error
	rewinds  []func(context.Context) error
	metrics  *http.Server // nil: nobody is to read them
}

// New wires a server over a migrated store and makes its first signing key.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.Hash == (secret.Params{}) {
		o.Hash = secret.DefaultParams
	}
	p, err := newPlatform(ctx, o)
	if err != nil {
		return nil, err
	}
	t := newTenant(p)
	portal := newPortal(o.Config, p)
	s := &Server{
		Signups: portal.signups, Keys: p.keys, Worker: p.worker, Metrics: p.metrics.Handler(), log: o.Log, platform: p,
		api:     newAPI(o.Log, p, t, portal),
		sweeps:  append(p.sweeps(), portal.sweeps()...),
		rewinds: append(p.rewinds(), portal.rewinds()...),
	}
	s.Router = newRouter(o, p, portal)
	s.api.routes(s.Router)
	s.pages(o)
	return s, nil
}

// Serve answers on the listener and works in the background until ctx ends;
// then it finishes what is in flight, for at most ten seconds.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h := &http.Server{
		Handler: s.Router, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	background, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { s.Worker.Run(background) })
	if s.platform.sender == nil {
		s.log.Warn("no mail server is configured (CANOPY_SMTP_URL): mail stays queued")
	}
	wg.Go(func() { s.Keys.Run(background) })
	wg.Go(func() { s.sweep(background) })
	wg.Go(func() { s.watchClock(background) })

	if s.metrics != nil {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.metrics.Addr)
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
	s.Wait()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return err
}

// Wait waits for work that goes on after its answer; tests use it.
func (s *Server) Wait() {
	s.api.health.wait()
}

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
				s.log.ErrorContext(ctx, "sweep", "error", err)
			}
		}
	}
}
