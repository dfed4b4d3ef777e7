package server

import (
	"net/http"
	"time"

	"canopy.dev/canopy/internal/api/hosted"
	"canopy.dev/canopy/internal/platform/wire"
)

// pages mounts what is served besides the API.
func (s *Server) pages(o Options) {
	s.mountDocument(wire.About{Version: o.Version, ServerURL: o.Config.PublicURL})
	s.Router.Mount("/app/", hosted.Handler())
	if o.DevMail != nil {
		s.Router.Mount("GET /dev/mail", o.DevMail)
	}
	switch {
	case o.Config.MetricsAddr != "":
		s.metrics = &http.Server{
			Addr: o.Config.MetricsAddr, Handler: s.Metrics, MaxHeaderBytes: 16 << 10,
			ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 10 * time.Second,
			WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute,
		}
	case o.DevMail != nil: // canopy dev, which listens on this machine alone
		s.Router.Mount("GET /metrics", s.Metrics)
	}
}
