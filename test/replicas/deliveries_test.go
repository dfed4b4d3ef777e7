package replicas_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/platform/database"
)

const (
	// fewKills is how often a short run kills the process, manyKills a long one.
	fewKills, manyKills = 3, 20
	// mostBefore is the largest number of deliveries to the newest receiver before a kill.
	mostBefore = 120
	// taking is how long a receiver takes for an event, so that a kill meets some on the way.
	taking = 20 * time.Millisecond
	// deliverFor is how long what is queued at last may take: a killed process keeps the turn of
	// a subscription for half a minute.
	deliverFor = 3 * time.Minute
)

// hook is a subscription with a receiver of its own.
type hook struct {
	by     *credential
	feed   string // path of the change feed that holds what it gets
	cursor string // of the feed when nothing had been written since it was made

	mu   sync.Mutex
	got  map[string]string // bodies, by webhook-id
	all  int               // requests
	torn []string          // ids that came with two different bodies
}

// ServeHTTP takes what comes.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest) // it was cut: the server is gone
		return
	}
	select {
	case <-time.After(taking):
	case <-r.Context().Done():
		return // what the server did not see through has to come again
	}
	of, body := r.Header.Get("Webhook-Id"), string(raw)
	h.mu.Lock()
	defer h.mu.Unlock()
	if before, again := h.got[of]; again && before != body {
		h.torn = append(h.torn, of)
	}
	h.got[of] = body
	h.all++
	w.WriteHeader(http.StatusNoContent)
}

func (h *hook) count() (events, requests int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.got), h.all
}

// has says whether everything of some events has come.
func (h *hook) has(events []followed) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range events {
		if _, is := h.got[e.ID]; !is {
			return false
		}
	}
	return true
}

// followed is an event of the feed.
type followed struct {
	ID    string         `json:"id"`
	Event string         `json:"event"`
	Data  jsontext.Value `json:"data"`
}

func (f followed) resource(t testing.TB) string {
	t.Helper()
	var d struct {
		Resource string `json:"resource_id"`
	}
	if err := json.Unmarshal(f.Data, &d); err != nil {
		t.Error(err)
	}
	return d.Resource
}

// follow reads a feed from a cursor to its end.
func (w *world) follow(by *credential, path, cursor string) (list []followed) {
	w.t.Helper()
	for {
		var page struct {
			Items      []followed `json:"items"`
			Pagination struct {
				Cursor string `json:"next_cursor"`
			} `json:"pagination"`
		}
		w.must(w.t, by, http.MethodGet, path+"?limit=200&cursor="+cursor, "", &page)
		if len(page.Items) == 0 {
			return list
		}
		list, cursor = append(list, page.Items...), page.Pagination.Cursor
	}
}

// subscribe makes a subscription to everything, at a place.
func (w *world) subscribe(by *credential, place string) *hook {
	w.t.Helper()
	h := &hook{by: by, feed: place + "/changes", got: map[string]string{}}
	receiver := httptest.NewServer(h)
	w.t.Cleanup(receiver.Close)
	w.must(w.t, by, http.MethodPost, place+"/webhooks",
		fmt.Sprintf(`{"url":%q,"event_types":["*"]}`, receiver.URL+"/"), nil)
	var page struct {
		Pagination struct {
			Cursor string `json:"next_cursor"`
		} `json:"pagination"`
	}
	w.must(w.t, by, http.MethodGet, h.feed+"?start=latest", "", &page)
	h.cursor = page.Pagination.Cursor
	return h
}

// answered are writes that were answered, by type of event and what it is about.
type answered struct {
	mu     sync.Mutex
	writes map[string]bool
	cut    int // writes that were not answered
	next   int
}

func (d *answered) done(event, resource string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes[event+" "+resource] = true
}

// writeOn makes roles, changes some, and deletes most, until the process is gone.
func (w *world) writeOn(d *answered) {
	call := func(event, resource, method, path, body string) (answer, bool) {
		a := w.at(w.t.Context(), 0, w.main, method, publicPlace+path, body)
		switch {
		case a.status == 0:
			d.mu.Lock()
			d.cut++
			d.mu.Unlock()
			return a, false
		case !a.wrote():
			w.t.Errorf("%s %s answers %d: %s", method, path, a.status, a.raw)
			return a, false
		case resource == "":
			resource = a.id()
		}
		d.done(event, resource)
		return a, true
	}
	for {
		d.mu.Lock()
		d.next++
		n := d.next
		d.mu.Unlock()
		a, is := call("role.created", "", http.MethodPost, "/roles", fmt.Sprintf(`{"name":"Written %d"}`, n))
		if !is {
			return
		}
		of := a.id()
		if n%2 == 0 {
			if _, is = call("role.updated", of, http.MethodPatch, "/roles/"+of, `{"description":"again"}`); !is {
				return
			}
		}
		if n%8 != 0 { // an Environment has a thousand roles at most
			if _, is = call("role.deleted", of, http.MethodDelete, "/roles/"+of, ""); !is {
				return
			}
		}
	}
}

// TestEventsOutliveKills: a process that writes and delivers is killed again and again. Every
// write that was answered has its event, each event comes to each subscription at least once and
// as the feed has it, nothing else comes, and what is there is what the events say: what a
// killed process had not committed is nowhere.
func TestEventsOutliveKills(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			killAgainAndAgain(t, engine)
		})
	}
}

func killAgainAndAgain(t *testing.T, engine database.Engine) {
	t.Helper()
	kills, from := fewKills, *seed
	if *operations > 0 {
		kills = manyKills
	}
	if from == 0 {
		from = rand.Uint64()
	}
	t.Logf("seed %d", from)
	r := rand.New(rand.NewPCG(from, 0))
	c := newCluster(t, engine, 1)
	w := &world{client: newClient(c), t: t}
	w.signInOwner()
	var m made
	w.must(t, w.owner, http.MethodPost, portalPlace+"/api-keys", `{"name":"Product","access_mode":"full_access"}`, &m)
	w.main = byKey(m.Data.Key)
	d := &answered{writes: map[string]bool{}}
	there := w.roleIDs() // those that every Environment has
	hooks := []*hook{w.subscribe(w.owner, accountPlace)}
	for range kills {
		// A new one is served at once: the turns of the others are the dead process's for a while.
		newest := w.subscribe(w.main, publicPlace)
		hooks = append(hooks, newest)
		var all sync.WaitGroup
		for range clients {
			all.Go(func() { w.writeOn(d) })
		}
		before := 1 + r.IntN(mostBefore)
		w.until("nothing is delivered", func() bool { n, _ := newest.count(); return n >= before })
		c.processes[0].kill()
		all.Wait()
		c.processes[0].start()
		if t.Failed() {
			return
		}
	}
	w.signInOwner()
	hooks[0].by = w.owner
	w.holdDeliveries(hooks, d)
	w.holdRoles(there, hooks[1])
	events, requests := 0, 0
	for _, h := range hooks {
		n, all := h.count()
		events, requests = events+n, requests+all
	}
	t.Logf("%d kills, %d answered writes, %d without an answer, %d subscriptions: %d deliveries, %d requests",
		kills, len(d.writes), d.cut, len(hooks), events, requests)
}

// until waits for what has to come.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for end := time.Now().Add(deliverFor); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Error(what)
			return
		}
	}
}

// holdDeliveries holds what came against the feed, and the feed against what was answered.
func (w *world) holdDeliveries(hooks []*hook, d *answered) {
	w.t.Helper()
	inFeed := map[string]bool{}
	for i, h := range hooks {
		list := w.follow(h.by, h.feed, h.cursor)
		w.until(fmt.Sprintf("subscription %d: not everything comes", i), func() bool { return h.has(list) })
		byID := map[string]string{}
		for _, e := range list {
			byID[e.ID] = fmt.Sprintf(`{"event":%q,"data":%s}`, e.Event, e.Data)
			inFeed[e.Event+" "+e.resource(w.t)] = true
		}
		h.mu.Lock()
		if len(h.torn) > 0 {
			w.t.Errorf("subscription %d: one id, two bodies: %v", i, h.torn)
		}
		for of, body := range h.got {
			switch want, is := byID[of]; {
			case !is:
				w.t.Errorf("subscription %d got what never was: %s", i, body)
			case want != body:
				w.t.Errorf("subscription %d got\n%s\nwant\n%s", i, body, want)
			}
		}
		h.mu.Unlock()
	}
	for what := range d.writes {
		if !inFeed[what] {
			w.t.Errorf("%s was answered and is no event", what)
		}
	}
}

func (w *world) roleIDs() map[string]bool {
	w.t.Helper()
	var m made
	w.must(w.t, w.main, http.MethodGet, publicPlace+"/roles?include_inactive=true", "", &m)
	ids := map[string]bool{}
	for _, one := range m.Items {
		ids[one.ID] = true
	}
	return ids
}

// holdRoles holds the roles that there are against the events.
func (w *world) holdRoles(want map[string]bool, h *hook) {
	w.t.Helper()
	for _, e := range w.follow(h.by, h.feed, h.cursor) {
		switch of := e.resource(w.t); e.Event {
		case "role.created":
			want[of] = true
		case "role.deleted":
			delete(want, of)
		default:
			if !strings.HasPrefix(e.Event, "role.") {
				w.t.Errorf("nobody has asked for %s", e.Event)
			}
		}
	}
	got := w.roleIDs()
	for of := range want {
		if !got[of] {
			w.t.Errorf("the role %s has an event and is not there", of)
		}
	}
	for of := range got {
		if !want[of] {
			w.t.Errorf("the role %s is there without an event", of)
		}
	}
}
