package replicas_test

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
)

// client calls the processes in turns.
type client struct {
	http *http.Client
	urls []string
	key  string
	turn atomic.Uint64
}

// answer is what a process said; status 0 where it said nothing.
type answer struct {
	status   int
	revision uint64
	again    string // Retry-After
	raw      []byte
}

func newClient(c *cluster) *client {
	cl := &client{http: &http.Client{
		Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32, DisableCompression: true},
	}}
	for _, p := range c.processes {
		cl.urls = append(cl.urls, p.url)
	}
	c.t.Cleanup(cl.http.CloseIdleConnections)
	return cl
}

// call calls the process whose turn it is.
func (c *client) call(ctx context.Context, method, path, body string) answer {
	return c.at(ctx, int(c.turn.Add(1)%uint64(len(c.urls))), method, path, body)
}

// at calls a process.
func (c *client) at(ctx context.Context, process int, method, path, body string, header ...string) (a answer) {
	r, err := http.NewRequestWithContext(ctx, method, c.urls[process]+path, strings.NewReader(body))
	if err != nil {
		return a
	}
	r.Header.Set("Content-Type", "application/json")
	if c.key != "" {
		r.Header.Set("X-API-Key", c.key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(r)
	if err != nil {
		return a
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return a
	}
	a = answer{status: res.StatusCode, again: res.Header.Get("Retry-After"), raw: raw}
	a.revision, _ = strconv.ParseUint(res.Header.Get("Canopy-Revision"), 10, 64)
	return a
}

// must is call for what has to be done; into gets the data of its answer.
func (c *client) must(t testing.TB, method, path, body string, into any, header ...string) {
	t.Helper()
	a := c.at(t.Context(), 0, method, path, body, header...)
	if a.status/100 != 2 {
		t.Fatalf("%s %s answers %d: %s", method, path, a.status, a.raw)
	}
	if into != nil {
		if err := json.Unmarshal(a.raw, into); err != nil {
			t.Fatalf("%s %s answers %s: %v", method, path, a.raw, err)
		}
	}
}

// made is the answer of what makes one thing.
type made struct {
	Data struct {
		ID          string `json:"id"`
		Key         string `json:"key"`
		AccessToken string `json:"access_token"`
	} `json:"data"`
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
}

// id of what was made.
func (a answer) id() string {
	var m made
	if json.Unmarshal(a.raw, &m) != nil {
		return ""
	}
	if len(m.Items) > 0 {
		return m.Items[0].ID
	}
	return m.Data.ID
}
