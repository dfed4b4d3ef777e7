package server

import (
	"net/http"

	"canopy.dev/canopy/internal/portalapi"
	"canopy.dev/canopy/internal/signingkey"
	"canopy.dev/canopy/internal/wire"
)

// Document is the OpenAPI document of all doors, made without a store.
func Document(version string) ([]byte, error) {
	rt := wire.NewRouter(wire.Config{InvalidToken: signingkey.ErrInvalidToken})
	(&portalapi.Door{}).Routes(rt)
	(&Server{Router: rt}).health()
	return rt.Document(version)
}

func serveDocument(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(body)
	}
}
