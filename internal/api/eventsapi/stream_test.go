package eventsapi_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// heard is an event of a stream.
type heard struct {
	id, name string
	data     m
}

// stream is a connection on which the test listens.
type stream struct {
	t     *testing.T
	lines *bufio.Scanner
	close func()
}

// listen connects, and waits until the server is ready to tell.
func listen(t *testing.T, s *servertest.Server, token, path string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := new(http.Client).Do(req) //nolint:bodyclose // with the test
	if err != nil {
		t.Fatal(err)
	}
	l := &stream{t: t, lines: bufio.NewScanner(res.Body), close: func() {
		cancel()
		_ = res.Body.Close()
	}}
	t.Cleanup(l.close)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%s answers %d %s", path, res.StatusCode, res.Header.Get("Content-Type"))
	}
	if !l.lines.Scan() || l.lines.Text() != ":" {
		t.Fatalf("%s begins with %q", path, l.lines.Text())
	}
	return l
}

// next is the next event.
func (l *stream) next() (h heard) {
	l.t.Helper()
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "id":
			h.id = value
		case "event":
			h.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &h.data); err != nil {
				l.t.Fatal(err)
			}
		case "":
			if h.name != "" {
				return h
			}
		}
	}
	l.t.Fatalf("the stream ended: %v", l.lines.Err())
	return h
}

// What is committed comes to those who listen, on their surface and by their filter; who
// connects again with the last id misses nothing and gets nothing twice.
func TestStreamTellsWhatIsCommitted(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		w, other := newPlace(p), newPlace(p)
		w.owner.Must(201, "POST", w.here+"/roles", m{"name": "Before"})
		roles := w.account + "/audit-log/admin/stream?action=role.created"
		l := listen(t, s, w.owner.Token, roles)
		people := listen(t, s, w.owner.Token, w.account+"/audit-log/identities/stream?q=DANA")
		other.owner.Must(201, "POST", other.here+"/roles", m{"name": "Another's"})
		w.owner.Node(w.here, w.owner.Tree(w.here), "region", "North")
		w.owner.Must(201, "POST", w.there+"/roles", m{"name": "One"})
		first := l.next()
		row := w.owner.Must(200, "GET", w.account+"/audit-log/admin?action=role.created&limit=1", nil)
		if first.name != "audit" || first.id != row.Text("items", "0", "id") ||
			first.data["resource_label"] != "One" || first.data["id"] != first.id {
			t.Errorf("the first is %v", first)
		}
		w.person(w.here, "omar@acme.com")
		w.person(w.here, "dana@acme.com")
		if h := people.next(); h.data["resource_label"] != "dana@acme.com" {
			t.Errorf("of people it tells %v", h)
		}
		l.close()
		for _, name := range []string{"Two", "Three"} {
			w.owner.Must(201, "POST", w.here+"/roles", m{"name": name})
		}
		again := listen(t, s, w.owner.Token, roles, "Last-Event-ID", first.id)
		w.owner.Must(201, "POST", w.here+"/roles", m{"name": "Four"})
		for _, name := range []string{"Two", "Three", "Four"} {
			if h := again.next(); h.data["resource_label"] != name {
				t.Errorf("after %s comes %v, not %s", first.id, h, name)
			}
		}
		strange := listen(t, s, other.owner.Token, other.account+"/audit-log/admin/stream?action=role.created",
			"Last-Event-ID", first.id)
		other.owner.Must(201, "POST", other.here+"/roles", m{"name": "Their second"})
		if h := strange.next(); h.data["resource_label"] != "Their second" {
			t.Errorf("another Account's id gives %v", h)
		}
	})
}

func TestStreamsEndWithTheirRight(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		out, account := p.Owner()
		l := listen(t, s, out.Token, account+"/audit-log/admin/stream")
		out.Must(200, "POST", "/v1/auth/logout", nil)
		if h := l.last(); h.data["reason"] != "session_ended" {
			t.Errorf("who has signed out hears %v", h)
		}
		late, account := p.Owner()
		l = listen(t, s, late.Token, account+"/audit-log/admin/stream")
		s.Clock.Advance(16 * time.Minute)
		if h := l.last(); h.data["reason"] != "token_expired" {
			t.Errorf("after the token's time comes %v", h)
		}
	})
}

// last is the event that ends the stream.
func (l *stream) last() (h heard) {
	l.t.Helper()
	for h.name != "end" {
		h = l.next()
	}
	if l.lines.Scan() {
		l.t.Errorf("after the end comes %q", l.lines.Text())
	}
	return h
}

func TestAUserHasFiveStreams(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		c, account := p.Owner()
		other, theirs := p.Owner()
		path := account + "/audit-log/admin/stream"
		var first *stream
		for n := range 5 {
			if l := listen(t, s, c.Token, path); n == 0 {
				first = l
			}
		}
		a := c.Do("GET", path, nil)
		if a.Code() != "rate_limit.exceeded" || a.Header.Get("Retry-After") == "" {
			t.Errorf("the sixth is answered %d %s", a.Status, a.Raw)
		}
		listen(t, s, other.Token, theirs+"/audit-log/admin/stream")
		first.close()
		for a.Status == http.StatusTooManyRequests { // until the server has seen it
			a = c.Do("GET", path, nil)
		}
		if a.Status != http.StatusOK {
			t.Errorf("after one has gone: %d %s", a.Status, a.Raw)
		}
	})
}

func TestBeginningToFollowIsRecorded(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		_ = eventtest.Take(t, s.DB)
		listen(t, s, c.Token, account+"/audit-log/admin/stream?q=secret&severity=info&from=2026-01-01T00:00:00Z")
		rows := eventtest.Take(t, s.DB)
		if len(rows) != 1 || rows[0].Metadata != `{"surface":"portal","filter":{"severity":"info","q":true}}` {
			t.Errorf("%v", rows)
		}
	})
}
