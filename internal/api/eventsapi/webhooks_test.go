package eventsapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// inbox is a receiver on this machine, and what it got: bodies, by id.
type inbox struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string]string
}

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{got: map[string]string{}}
	in.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		in.mu.Lock()
		defer in.mu.Unlock()
		in.got[r.Header.Get("Webhook-Id")] = string(raw)
	}))
	t.Cleanup(in.Close)
	return in
}

// inside lets webhooks lead to this machine.
func inside(s *config.Settings) { s.WebhookNetworks = []string{"127.0.0.0/8"} }

func send(t *testing.T, s *servertest.Server) {
	t.Helper()
	if _, err := s.Webhooks.RunDue(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestWebhooksGetWhatTheFeedHolds: of an Environment and of an Account, with the ids and the
// bytes of the feed.
func TestWebhooksGetWhatTheFeedHolds(t *testing.T) {
	t.Parallel()
	servertest.Each(t, inside, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		at := account + inDesk
		ofOne, ofAll := newInbox(t), newInbox(t)
		c.Must(201, "POST", at+"/webhooks", m{"url": ofOne.URL, "event_types": []string{"*"}})
		c.Must(201, "POST", account+"/webhooks", m{"url": ofAll.URL, "event_types": []string{"*"}})
		one := c.Must(200, "GET", at+"/changes?start=latest", nil).Text("pagination", "next_cursor")
		all := c.Must(200, "GET", account+"/changes?start=latest", nil).Text("pagination", "next_cursor")
		c.Role(at, "Reader")
		c.Tree(at)
		c.Role(account+"/applications/desk/environments/production", "Writer")
		send(t, s)
		for _, f := range []struct {
			feed string
			in   *inbox
			most int
		}{
			{at + "/changes?cursor=" + one, ofOne, 1}, {account + "/changes?cursor=" + all, ofAll, 2},
		} {
			a := c.Must(200, "GET", f.feed, nil)
			items, _ := a.At("items").([]any)
			if len(items) < f.most || len(items) != len(f.in.got) {
				t.Errorf("%d in the feed, %d were sent", len(items), len(f.in.got))
			}
			for _, item := range items {
				id, _ := item.(m)["id"].(string)
				// The body is {"event":…,"data":…}, and the feed has both as they are.
				if _, data, is := strings.Cut(f.in.got[id], `,"data":`); !is ||
					!strings.Contains(a.Raw, strings.TrimSuffix(data, "}")) {
					t.Errorf("%s is sent as %s", id, f.in.got[id])
				}
			}
		}
	})
}

// TestKeysStayInTheirEnvironment: by list, id and filter, a key of another one finds nothing.
func TestKeysStayInTheirEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, inside, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		at, in := account+inDesk, newInbox(t)
		id := c.Must(201, "POST", at+"/webhooks", m{"url": in.URL, "event_types": []string{"*"}}).Text("data", "id")
		made := c.Must(202, "POST", at+"/webhooks/"+id+"/test", nil).Text("data", "id")
		key := c.Key(account+"/applications/desk/environments/production", "webhook.view", "webhook.manage")
		ask := func(method, path string, body any) servertest.Answer {
			return s.Client().Do(method, "/api/v1/webhooks"+path, body, "X-API-Key", key)
		}
		if a := ask("GET", "?q=127", nil); a.Status != 200 || a.At("pagination", "item_count") != 0. {
			t.Error(a.Raw)
		}
		for _, call := range []struct{ method, path string }{
			{"GET", ""},
			{"PATCH", ""},
			{"DELETE", ""},
			{"GET", "/deliveries"},
			{"GET", "/deliveries/" + made},
			{"POST", "/deliveries/" + made + "/retry"},
			{"POST", "/test"},
			{"POST", "/rotate-secret"},
		} {
			var body any
			if call.method == "PATCH" || call.path == "/rotate-secret" {
				body = m{}
			}
			if a := ask(call.method, "/"+id+call.path, body); a.Code() != "webhooks.not_found" {
				t.Errorf("%s %s: %d %s", call.method, call.path, a.Status, a.Raw)
			}
		}
		// A scoped key without the right sees none of its own, and the types all the same.
		weak := c.Key(at, "audit.view")
		weakly := func(path string) servertest.Answer {
			return s.Client().Do("GET", "/api/v1/webhooks"+path, nil, "X-API-Key", weak)
		}
		if a := weakly(""); a.Code() != "auth.permission_denied" {
			t.Error(a.Raw)
		}
		if a := weakly("/event-types"); a.Status != 200 || a.Text("items", "0", "scope") != "environment" {
			t.Error(a.Raw)
		}
	})
}
