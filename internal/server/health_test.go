package server_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestServedDocument: what is served is made of routes of its own, so it must be
// what the serving router would say of itself.
func TestServedDocument(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	want, err := s.Router.Document(wire.About{ServerURL: s.URL, Payloads: server.Payloads()})
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
	s.Clock.Advance(time.Second)
	a := s.Client().Must(503, "GET", "/readyz", nil)
	reached, told := a.At("checks", "database", "ok").(bool)
	if a.Text("status") != "unready" || !told || reached {
		t.Errorf("%s", a.Raw)
	}
}

// TestReadinessLooksOnceASecond: however many ask, and whatever has happened since.
func TestReadinessLooksOnceASecond(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.Postgres, nil)
	s.Clock.Stop(s.DB.Now())
	s.Client().Must(200, "GET", "/readyz", nil)
	dbtest.Disconnect(t, s.DB)
	for range 20 {
		s.Client().Must(200, "GET", "/readyz", nil)
	}
	s.Clock.Stop(s.DB.Now().Add(time.Second))
	s.Client().Must(503, "GET", "/readyz", nil)
}

// TestReadinessAnswersWhateverHangs: the stop-watch only bounds a hang.
func TestReadinessAnswersWhateverHangs(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
			if s.DB.Engine == database.Postgres {
				if _, err := tx.Exec(ctx, `LOCK TABLE goose_db_version, outbox`); err != nil {
					return err
				}
			}
			began := time.Now()
			got := servertest.AtOnce(20, func() string {
				return s.Client().Must(503, "GET", "/readyz", nil).Text("status")
			})
			if got["unready"] != 20 || time.Since(began) > time.Minute {
				t.Errorf("%v after %s", got, time.Since(began))
			}
			return nil
		})
		if err != nil && !errors.Is(err, database.ErrSlow) { // on a slow machine
			t.Fatal(err)
		}
		s.Clock.Advance(time.Second)
		s.Client().Must(200, "GET", "/readyz", nil)
	})
}

// TestReadinessNeedsAStoreThatTakesAWrite: one that reads well is not enough.
func TestReadinessNeedsAStoreThatTakesAWrite(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		ctx := t.Context()
		set := func(only int) {
			t.Helper()
			statements := []string{fmt.Sprintf("PRAGMA query_only = %d", only)}
			if s.DB.Engine == database.Postgres {
				var name string
				if err := s.DB.Pool().QueryRowContext(ctx, `SELECT current_database()`).Scan(&name); err != nil {
					t.Fatal(err)
				}
				statements = []string{
					fmt.Sprintf("BEGIN READ WRITE; ALTER DATABASE %s SET default_transaction_read_only = %d; COMMIT", name, only),
					`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE datname = current_database() AND pid <> pg_backend_pid()`,
					"SELECT pg_terminate_backend(pg_backend_pid())",
				}
			}
			for i, statement := range statements {
				if _, err := s.DB.Pool().ExecContext(ctx, statement); err != nil && i < 2 {
					t.Fatal(err)
				}
			}
		}
		s.Client().Must(200, "GET", "/readyz", nil)
		set(1)
		s.Clock.Advance(time.Second)
		if a := s.Client().Must(503, "GET", "/readyz", nil); a.At("checks", "database", "ok") != any(false) {
			t.Errorf("%s", a.Raw)
		}
		wrong := map[string]any{"email": "a@x.test", "password": "Wrong-Horse-7"}
		if a := s.Client().Must(503, "POST", "/v1/auth/login", wrong); a.Code() != "server.unavailable" {
			t.Errorf("%s", a.Raw)
		}
		set(0)
		s.Clock.Advance(11 * time.Second)
		s.Client().Must(200, "GET", "/readyz", nil)
		s.Client().Must(401, "POST", "/v1/auth/login", wrong)
	})
}
