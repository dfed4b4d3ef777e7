package wire

import (
	"net/http"
	"slices"
	"strings"
)

// What origins of CANOPY_ALLOWED_ORIGINS may send and read.
const (
	corsMethods = "GET, POST, PUT, PATCH, DELETE"
	corsRequest = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-API-Key, " +
		"X-Canopy-Environment, X-Request-Id, Canopy-Consistency"
	corsAnswer = "ETag, Retry-After, X-Request-Id, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, " +
		"Canopy-Revision, Canopy-Consistency, Canopy-Valid-Until, Idempotency-Replayed"
)

// preflight lets the allowed origins in (CORS), and answers their question
// whether they may call. Cookies go where sessions are renewed, nowhere else.
func (rt *Router) preflight(w http.ResponseWriter, r *http.Request) (answered bool) {
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(rt.Origins, origin) {
		return false
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", origin)
	h.Add("Vary", "Origin")
	if strings.HasPrefix(r.URL.Path, "/v1/auth/") || strings.HasPrefix(r.URL.Path, "/v1/identity/auth/") {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	h.Set("Access-Control-Expose-Headers", corsAnswer)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", corsMethods)
	h.Set("Access-Control-Allow-Headers", corsRequest)
	w.WriteHeader(http.StatusNoContent)
	return true
}
