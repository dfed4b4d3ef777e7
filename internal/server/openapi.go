package server

import (
	"net/http"

	"canopy.dev/canopy/internal/api/portalapi"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/account"
)

// Document is the OpenAPI document of all doors, made without a store.
func Document(version string) ([]byte, error) { return described().Document(version) }

// Errors is the catalogue of all error codes, made without a store.
func Errors() []wire.ErrorCode { return described().Errors() }

// described has every route, to be described and not to be served.
func described() *wire.Router {
	rt := wire.NewRouter(wire.Config{InvalidToken: signingkey.ErrInvalidToken, AccountNotFound: account.ErrNotFound})
	(&portalapi.Door{}).Routes(rt)
	(&Server{Router: rt}).health()
	return rt
}

func serveDocument(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(body)
	}
}
