package portalapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
)

// Keys serves the public keys of access tokens.
type Keys struct{ Keys *signingkey.Service }

// Routes registers the resource.
func (h *Keys) Routes(rt *wire.Router) {
	wire.Handle(rt.Public("", tagKeys), wire.Route{
		Method: http.MethodGet, Path: "/.well-known/jwks.json", ID: "jwks",
		Summary: "Read the keys that verify access tokens",
		About:   "A JSON Web Key Set as RFC 7517 has it, not wrapped. A new key is in it 15 minutes before it signs.",
		Status:  http.StatusOK, CacheFor: 5 * time.Minute,
	}, h.jwks)
}

func (h *Keys) jwks(ctx context.Context, _ *wire.Call, _ principal.Actor, _ wire.None) (jsontext.Value, error) {
	return h.Keys.JWKS(ctx)
}
