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
	if o.Config.MetricsAddr == "" {
		s.Router.Mount("GET /metrics", s.platform.metrics.Local())
		return
	}
	s.metrics = &http.Server{
		Addr: o.Config.MetricsAddr, Handler: s.platform.metrics.Handler(), ReadHeaderTimeout: 10 * time.Second,
	}
}
