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
	// between is the least number of calls between two faults, mostFaults about the largest
	// number of faults of a run.
	between, mostFaults = 250, 1000
	// longestFault is how long a fault may last that waits to be mended.
	longestFault = 2 * time.Second
	// ofCredentials is how many calls that write there are for each that changes credentials,
	// ofBounded how many questions for each that may be answered from what was proven before.
	ofCredentials, ofBounded = 16, 4
	// lostPause is what a client rests that got no answer, or an outage would take all calls.
	lostPause = 50 * time.Millisecond
)

// run lets clients write and ask, while things break, and judges what they were told.
type run struct {
	*world
	credentials
	c       *cluster
	judge   *judge
	heard   history
	seed    uint64
	faults  []fault
	between int64
	broken  map[string]int
	left    atomic.Int64 // calls of the round
}

func newRun(t *testing.T, engine database.Engine, processes int) *run {
	t.Helper()
	c := newCluster(t, engine, processes)
	x := &run{world: newWorld(c), c: c, seed: *seed, broken: map[string]int{}, between: between}
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
	x.signInOwner()
	x.left.Store(int64(calls))
	var all sync.WaitGroup
	ctx, stop := context.WithCancel(x.t.Context())
	var breaker sync.WaitGroup
	breaker.Go(func() { x.breakThings(ctx, rand.New(rand.NewPCG(x.seed, uint64(1000*n)))) })
	for i := range clients {
		r := rand.New(rand.NewPCG(x.seed, uint64(1000*n+i+1)))
		all.Go(func() {
			for n := x.left.Add(-1); n >= 0; n = x.left.Add(-1) {
				if n%(ofWrites*ofCredentials) == 0 && x.changeCredentials(r) {
					continue
				}
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
	last := rand.New(rand.NewPCG(x.seed, uint64(1000*n+999)))
	for range 200 { // of what is there at last
		x.ask(last)
	}
	x.judge.hear(&x.heard)
	x.t.Logf("after round %d, at revision %d: %v; %v", n, x.judge.revision, x.heard.counts, x.broken)
}

// all makes the calls that are wanted, in rounds.
func (x *run) all(short int) {
	calls := short
	if *operations > 0 {
		calls = *operations
	}
	x.between = max(between, int64(calls/mostFaults))
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
	x.must(t, x.main, http.MethodPut, publicPlace+"/roles/"+x.role.String()+"/permissions",
		`{"permission_keys":["`+x.key+`"]}`, nil)
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
