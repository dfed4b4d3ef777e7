package server_test

import (
	"testing"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestServedDocument: what is served is made of routes of its own, so it must be
// what the serving router would say of itself.
func TestServedDocument(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	want, err := s.Router.Document(wire.About{ServerURL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := s.Client().Must(200, "GET", "/openapi.json", nil); got.Raw != string(want) {
			t.Errorf("%s, want %s", got.Raw, want)
		}
		s.Client().Must(200, "GET", "/docs", nil)
	}
}

// TestHealth: without its store the server lives on, and is not ready.
func TestHealth(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.Postgres, nil)
	alive := func() {
		t.Helper()
		if a := s.Client().Must(200, "GET", "/healthz", nil); a.Text("status") != "ok" {
			t.Errorf("%s", a.Raw)
		}
	}
	alive()
	if a := s.Client().Must(200, "GET", "/readyz", nil); a.Text("status") != "ready" {
		t.Errorf("%s", a.Raw)
	}
	dbtest.Disconnect(t, s.DB)
	alive()
	a := s.Client().Must(503, "GET", "/readyz", nil)
	reached, told := a.At("checks", "database", "ok").(bool)
	if a.Text("status") != "unready" || !told || reached {
		t.Errorf("%s", a.Raw)
	}
}
