package replicas_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/platform/database"
)

var (
	operations = flag.Int("operations", 0, "how many calls the run under faults makes; 0 is a short run")
	seed       = flag.Uint64("seed", 0, "of what is done and broken; 0 is another one each time")
	restart    = flag.String("restart", "", "command that restarts the database")
)

const (
	clients = 8
	// ofWrites is how many calls there are for each that writes.
	ofWrites = 4
	// shortRun is how many calls a short run makes, round how many lie between two looks at
	// what was heard.
	shortRun, round = 2000, 20_000
	// between is how many calls there are between two faults.
	between = 250
	// lostPause is what a client rests that got no answer, or an outage would take all calls.
	lostPause = 50 * time.Millisecond
)

// run lets clients write and ask, while things break, and judges what they were told.
type run struct {
	*world
	c      *cluster
	judge  *judge
	heard  history
	seed   uint64
	faults []fault
	broken map[string]int
	left   atomic.Int64 // calls of the round
}

func newRun(t *testing.T, engine database.Engine, processes int) *run {
	t.Helper()
	c := newCluster(t, engine, processes)
	x := &run{world: newWorld(c), c: c, seed: *seed, broken: map[string]int{}}
	if x.seed == 0 {
		x.seed = rand.Uint64()
	}
	t.Logf("seed %d", x.seed)
	x.judge = newJudge(t, c, x.world)
	x.faults = c.faults(x.judge.db, rand.New(rand.NewPCG(x.seed, 0)), *restart)
	return x
}

// round makes some calls under faults, mends all, and judges.
func (x *run) round(n, calls int) {
	x.left.Store(int64(calls))
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(x.t.Context())
	var breaker sync.WaitGroup
	breaker.Go(func() { x.breakThings(ctx, rand.New(rand.NewPCG(x.seed, uint64(1000*n)))) })
	for i := range clients {
		r := rand.New(rand.NewPCG(x.seed, uint64(1000*n+i+1)))
		all.Go(func() {
			for n := x.left.Add(-1); n >= 0; n = x.left.Add(-1) {
				if n%ofWrites == 0 {
					x.write(r)
				} else {
					x.ask(r)
				}
			}
		})
	}
	all.Wait()
	stop()
	breaker.Wait()
	for _, p := range x.c.processes {
		if err := p.ready(); err != nil {
			x.t.Errorf("it does not recover: %v", err)
		}
	}
	for range 200 { // of what is there at last
		x.ask(rand.New(rand.NewPCG(x.seed, uint64(1000*n+999))))
	}
	heard := x.heard.String()
	x.judge.hear(&x.heard)
	x.t.Logf("round %d, revision %d: %s; %v", n, x.judge.revision, heard, x.broken)
}

// breakThings breaks one thing after the other, by the number of calls, until ctx ends.
func (x *run) breakThings(ctx context.Context, r *rand.Rand) {
	next := x.left.Load() - between
	mend, mendAt := func() {}, int64(0)
	defer func() { mend() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for waited := 0; ; waited++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		left := x.left.Load()
		// A hole in the network lets few calls through: it is mended by the clock, too.
		if mendAt != 0 && (left <= mendAt || waited > 1500) {
			mend()
			mend, mendAt = func() {}, 0
		}
		if left <= next && mendAt == 0 {
			f := pick(r, x.faults)
			x.broken[f.name]++
			mend = f.do()
			next, mendAt, waited = left-between, left-between/3, 0
		}
	}
}

func (x *run) write(r *rand.Rand) {
	one := x.someWrite(r)
	a := x.call(x.t.Context(), one.method, "/api/v1"+one.path, one.body)
	ended := time.Now()
	switch {
	case a.status/100 == 2 && a.revision > 0:
		meaning := one.done(a)
		x.heard.mu.Lock()
		x.heard.writes = append(x.heard.writes, written{one.what, a.revision, ended, meaning})
		x.heard.mu.Unlock()
	case a.status/100 == 2:
		x.t.Errorf("%s: %d without a revision: %s", one.what, a.status, a.raw)
	case a.status == 0:
		x.heard.missed("a write without an answer")
		time.Sleep(lostPause)
	case a.status/100 == 5:
		x.heard.missed("a write with " + http.StatusText(a.status))
		x.unwell(a, one.what)
	default:
		x.heard.missed("a write that was refused")
	}
}

// unwell holds a failure to what may be said of one, and rests.
func (x *run) unwell(a answer, what string) {
	if a.status != http.StatusServiceUnavailable || a.again == "" {
		x.t.Errorf("%s: %d, Retry-After %q: %s", what, a.status, a.again, a.raw)
	}
	time.Sleep(lostPause)
}

func (x *run) ask(r *rand.Rand) {
	q, body := x.someQuestion(r)
	began := time.Now()
	a := x.call(x.t.Context(), http.MethodPost, "/api/v1/permissions/evaluate", body)
	ended := time.Now()
	switch a.status {
	case http.StatusOK:
		told, err := decided(a.raw)
		if err != nil {
			x.t.Errorf("%s: %v", a.raw, err)
			return
		}
		x.heard.mu.Lock()
		x.heard.reads = append(x.heard.reads, asked{q, told, a.revision, began, ended})
		x.heard.mu.Unlock()
	case 0:
		x.heard.missed("a question without an answer")
		time.Sleep(lostPause)
	default:
		x.heard.missed("a question with " + http.StatusText(a.status))
		x.unwell(a, "a question")
	}
}

// decided reads an answer.
func decided(raw []byte) (decide.Decision, error) {
	var a struct {
		Data struct {
			Allowed bool     `json:"allowed"`
			Roles   []string `json:"granting_roles"`
			Reason  *string  `json:"denial_reason"`
		} `json:"data"`
	}
	err := json.Unmarshal(raw, &a)
	d := decide.Decision{Allowed: a.Data.Allowed, GrantingRoles: a.Data.Roles}
	for r := decide.IdentityNotFound; a.Data.Reason != nil && r <= decide.PermissionNotGranted; r++ {
		if r.String() == *a.Data.Reason {
			d.Reason = r
		}
	}
	return d, err
}

// all makes the calls that are wanted, in rounds.
func (x *run) all(short int) {
	calls := short
	if *operations > 0 {
		calls = *operations
	}
	for n := 0; calls > 0 && !x.t.Failed(); n++ {
		x.round(n, min(calls, round))
		calls -= round
	}
}

// TestNothingIsStale: what one process has written, the other answers at once; cut off from
// the database it answers nothing.
func TestNothingIsStale(t *testing.T) {
	t.Parallel()
	c := newCluster(t, database.Postgres, 2)
	w := newWorld(c)
	x := &pair{world: w, of: w.people[0], node: w.nodes[len(w.nodes)-1], role: w.roles[0], key: w.keys[0]}
	x.above = w.first.Nodes[x.node].Parent
	x.must(t, http.MethodPut, "/api/v1/roles/"+x.role.String()+"/permissions", `{"permission_keys":["`+x.key+`"]}`, nil)
	rounds := 300
	if *operations > 0 {
		rounds = 1000
	}
	for n := range rounds {
		x.round(n)
		if t.Failed() {
			t.Fatalf("in round %d", n)
		}
	}
	b := c.processes[1]
	for n := range 8 {
		x.step(0) // granted
		mend := b.proxy.Up
		switch n % 4 {
		case 0, 1, 2:
			b.proxy.Down()
		default:
			b.proxy.Stall()
		}
		if a := x.ask(1); a.status != http.StatusServiceUnavailable || a.again != "1" {
			t.Errorf("cut off it answers %d, Retry-After %q: %s", a.status, a.again, a.raw)
		}
		x.step(1) // and taken, which it does not know
		if a := x.ask(1); a.status != http.StatusServiceUnavailable || a.again != "1" {
			t.Errorf("cut off it answers %d, Retry-After %q: %s", a.status, a.again, a.raw)
		}
		mend()
		if err := b.ready(); err != nil {
			t.Fatal(err)
		}
		x.expect(false)
	}
}

// TestAnswersUnderFaults: three processes on one PostgreSQL.
func TestAnswersUnderFaults(t *testing.T) {
	t.Parallel()
	newRun(t, database.Postgres, 3).all(shortRun)
}

// TestAnswersOfOneProcess: SQLite, whose process is killed again and again.
func TestAnswersOfOneProcess(t *testing.T) {
	t.Parallel()
	newRun(t, database.SQLite, 1).all(shortRun / 2)
}
