package serverbench

import (
	"context"
	"log/slog"
	"net"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server"
)

// serving is a server that runs, with connections of its own to its store.
type serving struct {
	log    *slog.Logger
	db     *database.DB
	server *server.Server
	addr   string
	end    []func()
}

// serve starts a server over a store. What it gives is to be closed, also beside an error.
func serve(ctx context.Context, url string) (*serving, error) {
	s := &serving{log: slog.New(slog.DiscardHandler)}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return s, err
	}
	s.addr = ln.Addr().String()
	s.end = append(s.end, func() { _ = ln.Close() })
	settings := config.Settings{ //nolint:gosec // of a store that is made and thrown away
		PublicURL: "http://" + s.addr, DatabaseURL: url, MailFrom: "Canopy <no-reply@localhost>", Signup: "open",
		SecretKey: "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", RateLimits: "off", InviteTTL: 168 * time.Hour,
		PasswordHistory: 5, AccessTTL: time.Hour, RefreshTTL: 720 * time.Hour, RefreshMax: 2160 * time.Hour,
	}
	checked, err := settings.Check()
	if err != nil {
		return s, err
	}
	if s.db, err = database.Open(ctx, url, time.Now); err != nil {
		return s, err
	}
	s.end = append(s.end, func() { _ = s.db.Close() })
	if err := s.db.Migrate(ctx); err != nil {
		return s, err
	}
	if s.server, err = server.New(ctx, server.Options{Config: checked, DB: s.db, Log: s.log}); err != nil {
		return s, err
	}
	s.server.Router.Express(nothingPath, "", 4<<10, doNothing)
	serving, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go task.Try(ctx, s.log, "server", func() {
		defer close(ended)
		_ = s.server.Serve(serving, ln)
	})
	s.end = append(s.end, func() { stop(); <-ended })
	return s, nil
}

// close ends what was begun, the last first.
func (s *serving) close() {
	for len(s.end) > 0 {
		last := len(s.end) - 1
		s.end[last]()
		s.end = s.end[:last]
	}
}
