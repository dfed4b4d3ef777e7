package server_test

import (
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestWithoutAStoreNoTokenIsProven: once the keys in memory are 5 seconds old, good and
// bad tokens get the same 503. The key set serves on.
func TestWithoutAStoreNoTokenIsProven(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.Postgres, nil)
	good := s.Acme().Alex
	good.Must(200, "GET", "/v1/auth/me", nil)
	known := s.Client().Must(200, "GET", "/.well-known/jwks.json", nil).Raw
	bad := s.Client()
	bad.Token = good.Token[:len(good.Token)-8] + "AAAAAAAA"
	bad.Must(401, "GET", "/v1/auth/me", nil)
	dbtest.Disconnect(t, s.DB)
	s.Clock.Advance(5 * time.Second)
	for _, c := range []*servertest.Client{good, bad} {
		if a := c.Must(503, "GET", "/v1/auth/me", nil); a.Code() != "server.unavailable" {
			t.Errorf("%s", a.Raw)
		}
	}
	if a := s.Client().Must(200, "GET", "/.well-known/jwks.json", nil); a.Raw != known {
		t.Errorf("%s, before %s", a.Raw, known)
	}
}
