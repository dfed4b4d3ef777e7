package server

import (
	"net/http"
	"sync"

	"canopy.dev/canopy/internal/api/portalapi"
	"canopy.dev/canopy/internal/platform/reference"
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

// mountDocument serves the OpenAPI document and the page made of it. Both are made
// when somebody first asks: describing every route is much of a start, and most
// commands that start a server show neither.
func (s *Server) mountDocument() {
	made := sync.OnceValues(func() (doc []byte, page http.Handler) {
		doc, err := Document(s.o.Version)
		if err == nil {
			page, err = reference.Handler(doc)
		}
		if err != nil {
			panic(err) // the routes are the same in every process, and a test has described them
		}
		return doc, page
	})
	s.Router.Mount("GET /openapi.json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		doc, _ := made()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(doc)
	}))
	s.Router.Mount("GET /docs", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, page := made()
		page.ServeHTTP(w, r)
	}))
}
