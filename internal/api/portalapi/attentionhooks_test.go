package portalapi_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestAttentionOfWebhooks: of one that its receiver has switched off, and of one to which
// deliveries fail, of the Account and of an Environment; neither of what somebody has switched
// off, nor of what is received again or gone.
func TestAttentionOfWebhooks(t *testing.T) {
	t.Parallel()
	inside := func(s *config.Settings) { s.WebhookNetworks = []string{"127.0.0.0/8"} }
	servertest.Each(t, inside, func(t *testing.T, s *servertest.Server) {
		var code atomic.Int32
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(int(code.Load()))
		}))
		t.Cleanup(receiver.Close)
		c, account := s.Provoker().Owner()
		sent := func(status int) {
			t.Helper()
			code.Store(int32(status))
			if _, err := s.Webhooks.RunDue(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		list := func(want ...string) {
			t.Helper()
			items, _ := c.Must(200, "GET", account+"/attention", nil).At("items").([]any)
			var got []string
			for _, one := range items {
				item := one.(servertest.Map)
				slug, _ := item["environment_slug"].(string)
				got = append(got, item["kind"].(string)+" "+slug)
				if since, _ := item["since"].(string); item["count"] != 1. || since == "" {
					t.Errorf("%v", item)
				}
			}
			if len(got) != len(want) {
				t.Fatalf("%q, want %q", got, want)
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("%q, want %q", got, want)
				}
			}
		}
		at := account + "/applications/desk/environments/development"
		draft := servertest.Map{"url": receiver.URL, "event_types": []string{"role.created"}}
		one := at + "/webhooks/" + c.Must(201, "POST", at+"/webhooks", draft).Text("data", "id")
		wide := account + "/webhooks/" + c.Must(201, "POST", account+"/webhooks", draft).Text("data", "id")
		elsewhere := account + "/applications/desk/environments/production"
		c.Role(elsewhere, "Writer") // which the Account's alone gets
		c.Role(at, "Reader")
		for _, pause := range []time.Duration{0, 6 * time.Second, 6 * time.Minute} {
			list()
			s.Clock.Advance(pause)
			sent(500)
		}
		list("deliveries_failing ", "deliveries_failing development")
		me := c.Must(200, "GET", "/v1/auth/me", nil).Text("data", "email")
		s.Clock.Advance(time.Hour)
		c.SignIn(me)
		sent(200)
		list()
		c.Role(at, "Auditor")
		sent(410)
		list("webhook_disabled ", "webhook_disabled development")
		c.Must(202, "POST", one+"/test", nil)
		sent(200) // a test is received, and it is off all the same
		list("webhook_disabled ", "webhook_disabled development")
		c.Must(200, "PATCH", wide, servertest.Map{"is_active": true})
		list("webhook_disabled development")
		c.Must(200, "PATCH", wide, servertest.Map{"is_active": false})
		list("webhook_disabled development")
		c.Must(204, "DELETE", one, nil)
		list()
	})
}
