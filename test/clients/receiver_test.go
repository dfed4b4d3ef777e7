package clients_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestGuideShowsTheReceiver: what is compiled and run here is what the guide shows.
func TestGuideShowsTheReceiver(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guide/events.md")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("src/receiver.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(guide), "```ts\n")
	if code, _, _ = strings.Cut(code, "```"); code != string(own) {
		t.Error("the guide shows another receiver than src/receiver.ts")
	}
}

// receiver is the guide's, running.
type receiver struct {
	url string

	mu   sync.Mutex
	got  []handed
	ends chan struct{}
}

// handed is an event that it has handed over.
type handed struct {
	ID    string         `json:"id"`
	Event servertest.Map `json:"event"`
}

// start starts it with a secret; it ends with the test.
func start(t *testing.T, secret string) *receiver {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "build/serve-receiver.js")
	in, errIn := cmd.StdinPipe()
	out, errOut := cmd.StdoutPipe()
	if errIn != nil || errOut != nil {
		t.Fatal(errIn, errOut)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if _, err := io.WriteString(in, secret+"\n"); err != nil || !lines.Scan() {
		t.Fatalf("it does not start: %v, %s", err, said.String())
	}
	r := &receiver{url: "http://127.0.0.1:" + lines.Text() + "/", ends: make(chan struct{})}
	go func() {
		defer close(r.ends)
		for lines.Scan() {
			var h handed
			if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
				t.Errorf("%s: %v", lines.Text(), err)
			}
			r.mu.Lock()
			r.got = append(r.got, h)
			r.mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		<-r.ends
		if err := cmd.Wait(); err != nil && t.Context().Err() == nil {
			t.Errorf("it ends with %v: %s", err, said.String())
		}
	})
	return r
}

// names waits until it has handed over what roles of some names are about, and tells how often
// it has.
func (r *receiver) names(t *testing.T, want ...string) map[string]int {
	t.Helper()
	for range 2000 {
		names, missing := map[string]int{}, false
		r.mu.Lock()
		for _, h := range r.got {
			data, _ := h.Event["data"].(servertest.Map)
			metadata, _ := data["metadata"].(servertest.Map)
			name, _ := metadata["name"].(string)
			names[name]++
		}
		r.mu.Unlock()
		for _, name := range want {
			missing = missing || names[name] == 0
		}
		if !missing {
			return names
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%v are not handed over", want)
	return nil
}

// TestReceiverOfTheGuide takes what the server sends, each event once, also while two secrets
// sign; and refuses what another has signed, what was changed on the way, and what is not of
// these minutes.
func TestReceiverOfTheGuide(t *testing.T) {
	t.Parallel()
	inside := func(s *config.Settings) { s.WebhookNetworks = []string{"127.0.0.0/8"} }
	servertest.Each(t, inside, func(t *testing.T, s *servertest.Server) {
		s.Clock.Advance(-6 * time.Minute) // the receiver has the real time
		c, account := s.Provoker().Owner()
		at := account + "/applications/desk/environments/development"
		made := c.Must(201, "POST", at+"/webhooks", servertest.Map{
			"url": "http://127.0.0.1:9/", "event_types": []string{"role.created"},
		})
		hook, secret := at+"/webhooks/"+made.Text("data", "id"), made.Text("data", "secret")
		r := start(t, secret)
		changed := &changing{to: r.url}
		way := changed.serve(t)
		lead := func(url string) { c.Must(200, "PATCH", hook, servertest.Map{"url": url}) }
		// sent has an event happen, and gives what its delivery was answered with.
		sent := func(name string) any {
			t.Helper()
			c.Role(at, name)
			if _, err := s.Webhooks.RunDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			return c.Must(200, "GET", hook+"/deliveries", nil).At("items", "0", "response_status")
		}
		lead(r.url)
		if status := sent("Late"); status != 400. {
			t.Errorf("what is late is answered with %v", status)
		}
		s.Clock.Advance(6 * time.Minute)
		if status := sent("Reader"); status != 204. {
			t.Errorf("what was sent is answered with %v", status)
		}
		c.Must(200, "POST", hook+"/rotate-secret", servertest.Map{})
		if status := sent("Writer"); status != 204. {
			t.Errorf("with two secrets it is answered with %v", status)
		}
		lead(way)
		for what, change := range map[string]func(h http.Header, body []byte) []byte{
			"another body":      func(_ http.Header, body []byte) []byte { return append(body, ' ') },
			"another id":        with("Webhook-Id", servertest.NoID),
			"another time":      with("Webhook-Timestamp", "1776762900"),
			"no signature":      with("Webhook-Signature", ""),
			"another signature": with("Webhook-Signature", "v1,AAAA"),
		} {
			changed.set(change)
			if status := sent(what); status != 400. {
				t.Errorf("%s is answered with %v", what, status)
			}
		}
		changed.set(func(_ http.Header, body []byte) []byte { return body })
		if status := sent("Auditor"); status != 204. {
			t.Errorf("what is passed on as it is, is answered with %v", status)
		}
		lead(start(t, "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=").url)
		if status := sent("Forger"); status != 400. {
			t.Errorf("what another secret has signed is answered with %v", status)
		}
		lead(r.url)
		// What comes twice is handed over once.
		first := c.Must(200, "GET", hook+"/deliveries?status=success", nil).Text("items", "0", "id")
		c.Must(202, "POST", hook+"/deliveries/"+first+"/retry", nil)
		if status := sent("Last"); status != 204. {
			t.Errorf("the last is answered with %v", status)
		}
		s.Clock.Advance(6 * time.Minute)
		if status := sent("Early"); status != 400. {
			t.Errorf("what is of times to come is answered with %v", status)
		}
		for name, n := range r.names(t, "Reader", "Writer", "Auditor", "Last") {
			if n != 1 {
				t.Errorf("%s was handed over %d times", name, n)
			}
		}
	})
}

// with changes a header.
func with(name, value string) func(h http.Header, body []byte) []byte {
	return func(h http.Header, body []byte) []byte {
		h.Set(name, value)
		return body
	}
}

// changing passes requests on, and changes them.
type changing struct {
	to     string
	mu     sync.Mutex
	change func(h http.Header, body []byte) []byte
}

func (c *changing) set(change func(h http.Header, body []byte) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.change = change
}

// serve gives the address that it listens at.
func (c *changing) serve(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(c)
	t.Cleanup(s.Close)
	return s.URL
}

// ServeHTTP passes a request on.
func (c *changing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	header := r.Header.Clone()
	c.mu.Lock()
	body = c.change(header, body)
	c.mu.Unlock()
	on, err := http.NewRequestWithContext(r.Context(), http.MethodPost, c.to, bytes.NewReader(body))
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	on.Header = header
	res, err := http.DefaultClient.Do(on)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_ = res.Body.Close()
	w.WriteHeader(res.StatusCode)
}
