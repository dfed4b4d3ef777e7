package server_test

import (
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestPagesOfOperatorsAreNotForAll: the metrics are on no listener that others reach,
// whatever stands before it, unless it is that of canopy dev; there, neither they nor the
// caught mails are for a name that is not ours.
func TestPagesOfOperatorsAreNotForAll(t *testing.T) {
	t.Parallel()
	apart := func(c *config.Settings) { c.MetricsAddr = "127.0.0.1:0" }
	for name, change := range map[string]func(*config.Settings){"without an address": nil, "with one": apart} {
		s := servertest.New(t, database.SQLite, change)
		for _, page := range []string{"/metrics", "/dev/mail"} {
			for _, header := range [][]string{nil, {"X-Forwarded-For", "127.0.0.1"}, {"Host", "localhost"}} {
				if a := s.Client().Do("GET", page, nil, header...); a.Status != 404 {
					t.Errorf("%s: %s with %v answers %d", name, page, header, a.Status)
				}
			}
		}
	}
	s := servertest.New(t, database.SQLite, nil)
	settings := config.Settings{
		PublicURL: s.URL, DatabaseURL: config.DefaultDatabase, MailFrom: "no-reply@canopy.test", Signup: "open",
		SecretKey: base64.StdEncoding.EncodeToString(make([]byte, secret.KeySize)),
		InviteTTL: 24 * 3600e9, AccessTTL: 60e9, RefreshTTL: 3600e9, RefreshMax: 3600e9,
	}
	c, err := settings.Check()
	if err != nil {
		t.Fatal(err)
	}
	dev, err := server.New(t.Context(), server.Options{
		Config: c, DB: s.DB, Log: slog.New(slog.DiscardHandler), Sender: s.Mail, DevMail: s.Mail,
	})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"localhost:8080": 200, "evil.example": 421, "localhost.evil.example": 421} {
		for _, page := range []string{"/metrics", "/dev/mail"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, page, nil)
			r.Host = host
			r.Header.Set("X-Forwarded-Host", "localhost")
			w := httptest.NewRecorder()
			if dev.Router.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s of %s: %d", page, host, w.Code)
			}
		}
	}
}
