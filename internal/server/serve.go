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

	"canopy.dev/canopy/internal/foundation/task"
)

const (
	// forCalls is how long calls in flight get when the server is to stop, forTasks how
	// long work in the background gets after that.
	forCalls = 10 * time.Second
	forTasks = 5 * time.Second
)

// Serve answers on the listener and works in the background until ctx ends. Then it
// accepts nothing more and finishes what is in flight: calls get ten seconds, and work in
// the background five more. What hangs is left behind and logged, and is no error.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	h := &http.Server{
		Handler: s.Router, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	background, stop := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	keep := func(what string, work func(context.Context)) {
		tasks.Go(func() { task.Keep(background, s.log, what, work) })
	}
	defer s.settle(ctx, &tasks)
	defer stop()
	if s.metrics != nil {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.metrics.Addr)
		if err != nil {
			return errors.Join(fmt.Errorf("CANOPY_METRICS_ADDR: %w", err), ln.Close())
		}
		keep("metrics", func(context.Context) { _ = s.metrics.Serve(listener) })
		defer s.metrics.Close()
	}
	keep("outbox", s.Worker.Run)
	if s.platform.sender == nil {
		s.log.Warn("no mail server is configured (CANOPY_SMTP_URL): mail stays queued")
	}
	keep("signing keys", s.Keys.Run)
	keep("sweep", s.sweepAll)
	keep("use of API keys", func(ctx context.Context) {
		s.tenant.keys.Run(ctx, func(err error) { s.notFlushed(ctx, err) })
	})
	keep("names of nodes", func(ctx context.Context) {
		s.tenant.tree.Follow(ctx, func(err error) { s.log.ErrorContext(ctx, "names can't be read", "error", err) })
	})
	keep("decisions", func(ctx context.Context) { s.tenant.decisions.Follow(ctx, s.tenant.hints.Come()) })
	keep("seal of the audit log", s.tenant.seal.Run)
	keep("webhooks", s.Webhooks.Run)
	keep("audit exports", s.Exports.Run)
	keep("hints to others", s.tenant.hints.Send)
	keep("hints of others", s.tenant.hints.Listen)
	keep("clock", s.watchClock)
	if s.platform.backups != nil {
		keep("backups", s.platform.backups.Run)
	}
	if s.obtain != nil {
		keep("certificate", s.obtain)
	}
	if s.platform.decided != nil {
		keep("decision log", s.platform.decided.Run)
	}

	h.RegisterOnShutdown(s.tenant.audit.Close)

	failed := make(chan error, 1)
	keep("calls", func(context.Context) {
		if s.tls == nil {
			failed <- h.Serve(ln)
			return
		}
		h.TLSConfig = s.tls
		failed <- h.ServeTLS(ln, "", "")
	})
	select {
	case err := <-failed:
		return errors.Join(err, h.Close())
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.forCalls)
	defer cancel()
	if err := h.Shutdown(grace); err != nil {
		s.log.WarnContext(grace, "calls that did not end in time are cut", "error", err)
		_ = h.Close()
	}
	return nil
}

// settle waits for work in the background, for as long as it gets.
func (s *Server) settle(ctx context.Context, tasks *sync.WaitGroup) {
	ended := make(chan struct{})
	go task.Try(ctx, s.log, "end", func() {
		s.flush(context.WithoutCancel(ctx))
		tasks.Wait()
		s.Wait()
		close(ended)
	})
	late := time.NewTimer(s.forTasks)
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
		s.log.ErrorContext(ctx, "work in the background that did not end in time is left")
	}
}

// flush writes what calls have left in memory.
func (s *Server) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.forTasks)
	defer cancel()
	if err := s.tenant.keys.Flush(ctx); err != nil {
		s.notFlushed(ctx, err)
	}
}

func (s *Server) notFlushed(ctx context.Context, err error) {
	s.log.ErrorContext(ctx, "when API keys were used can't be written", "error", err)
}

// Wait waits for work that goes on after its answer; tests use it.
func (s *Server) Wait() {
	s.tenant.decisions.Wait()
	s.api.health.wait()
}

// Sweep removes what is of no more use: what has grown too old, what is left of things
// that were deleted. It may run at any time.
func (s *Server) Sweep(ctx context.Context) error {
	var err error
	for _, sweep := range s.sweeps {
		err = errors.Join(err, sweep(ctx))
	}
	return err
}

// sweepAll sweeps again and again until ctx ends: first a minute after the start, so that
// what is due goes also where processes don't live long.
func (s *Server) sweepAll(ctx context.Context) {
	next := time.NewTimer(time.Minute)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			next.Reset(10 * time.Minute)
		}
		for _, sweep := range s.sweeps {
			task.Try(ctx, s.log, "sweep", func() {
				if err := sweep(ctx); err != nil && ctx.Err() == nil {
					s.log.ErrorContext(ctx, "sweep", "error", err)
				}
			})
		}
	}
}
