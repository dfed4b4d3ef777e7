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

// client calls the processes.
type client struct {
	http *http.Client
	urls []string
	turn atomic.Uint64
}

// answer is what a process said; status 0 where it said nothing.
type answer struct {
	status      int
	revision    uint64
	again       string // Retry-After
	consistency string // Canopy-Consistency
	raw         []byte
}

// wrote says that it is the answer of a call that did what it was asked for.
func (a answer) wrote() bool { return a.status/100 == 2 }

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

// next is the process whose turn it is.
func (c *client) next() int { return int(c.turn.Add(1) % uint64(len(c.urls))) }

// at calls a process, by a credential.
func (c *client) at(
	ctx context.Context, process int, by *credential, method, path, body string, header ...string,
) (a answer) {
	r, err := http.NewRequestWithContext(ctx, method, c.urls[process]+path, strings.NewReader(body))
	if err != nil {
		return a
	}
	r.Header.Set("Content-Type", "application/json")
	for i, header := 0, append(header, by.header...); i+1 < len(header); i += 2 {
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
	h := res.Header
	a = answer{status: res.StatusCode, again: h.Get("Retry-After"), consistency: h.Get("Canopy-Consistency"), raw: raw}
	a.revision, _ = strconv.ParseUint(h.Get("Canopy-Revision"), 10, 64)
	return a
}

// must calls the first process for what has to be done; into gets the data of its answer.
func (c *client) must(t testing.TB, by *credential, method, path, body string, into any) {
	t.Helper()
	a := c.at(t.Context(), 0, by, method, path, body)
	if !a.wrote() {
		t.Fatalf("%s %s answers %d: %s", method, path, a.status, a.raw)
	}
	if into != nil {
		if err := json.Unmarshal(a.raw, into); err != nil {
			t.Fatalf("%s %s answers %s: %v", method, path, a.raw, err)
		}
	}
}

// insist calls the processes in turns until one has done it.
func (c *client) insist(t testing.TB, by *credential, method, path, body string) (a answer) {
	t.Helper()
	for range 200 {
		if a = c.at(t.Context(), c.next(), by, method, path, body); a.wrote() {
			return a
		}
		time.Sleep(lostPause)
	}
	t.Errorf("%s %s answers %d: %s", method, path, a.status, a.raw)
	return a
}

// made is the answer of what makes one thing.
type made struct {
	Data struct {
		ID          string `json:"id"`
		Key         string `json:"key"`
		AccessToken string `json:"access_token"`
		User        struct {
			ID string `json:"id"`
		} `json:"user"`
	} `json:"data"`
	Items []struct {
		ID string `json:"id"`
	} `json:"items"`
}

// made is what was made, as far as the answer says.
func (a answer) made() (m made) {
	_ = json.Unmarshal(a.raw, &m)
	return m
}

// id of what was made.
func (a answer) id() string {
	m := a.made()
	if len(m.Items) > 0 {
		return m.Items[0].ID
	}
	return m.Data.ID
}
