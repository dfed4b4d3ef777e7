package replicas_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// fault breaks something, and gives what mends it.
type fault struct {
	name string
	do   func() (mend func())
}

// faults are what can happen to a cluster. restart is a command that restarts the database, if
// there is one.
func (c *cluster) faults(db *database.DB, r *rand.Rand, restart string) []fault {
	some := func() *process { return c.processes[r.IntN(len(c.processes))] }
	killed := func() func() {
		p := some()
		p.kill()
		return p.start
	}
	list := []fault{{"kill -9", killed}, {"kill -9", killed}}
	if db.Engine != database.Postgres {
		return list
	}
	list = append(list,
		fault{"connections reset", func() func() {
			some().proxy.Reset()
			return func() {}
		}},
		fault{"no way to the database", func() func() {
			p := some()
			p.proxy.Down()
			return p.proxy.Up
		}},
		fault{"a black hole before the database", func() func() {
			p := some()
			p.proxy.Stall()
			return p.proxy.Up
		}},
		fault{"a slow network", func() func() {
			p := some()
			p.proxy.Delay(20 * time.Millisecond)
			return func() { p.proxy.Delay(0) }
		}},
		fault{"sessions ended", func() func() { return c.end(db, "random() < 0.5") }},
		fault{"notifications dropped", func() func() { return c.end(db, "query LIKE 'LISTEN%'") }},
	)
	if restart != "" {
		list = append(list, fault{"the database restarts", func() func() {
			if out, err := exec.CommandContext(c.t.Context(), "sh", "-c", restart).CombinedOutput(); err != nil {
				c.t.Errorf("%s: %v: %s", restart, err, out)
			}
			return func() {}
		}})
	}
	return list
}

// end ends the sessions of the database that fit, but those of the test.
func (c *cluster) end(db *database.DB, which string) (mend func()) {
	err := database.Do(c.t.Context(), db, func(tx *database.Tx) error {
		_, err := tx.Exec(c.t.Context(), fmt.Sprintf(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name <> 'judge' AND (%s)`, which))
		return err
	})
	if err != nil {
		c.t.Log(err)
	}
	return func() {}
}

// breakThings breaks one thing after the other, by the number of calls, until ctx ends.
func (x *run) breakThings(ctx context.Context, r *rand.Rand) {
	next := x.left.Load() - x.between
	mend, mendAt, latest := func() {}, int64(0), time.Time{}
	defer func() { mend() }()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		left := x.left.Load()
		// A hole in the network lets few calls through: it is mended by the clock, too.
		if mendAt != 0 && (left <= mendAt || time.Now().After(latest)) {
			mend()
			mend, mendAt = func() {}, 0
		}
		if left <= next && mendAt == 0 {
			f := pick(r, x.faults)
			x.broken[f.name]++
			mend = f.do()
			next, mendAt = left-x.between, left-x.between/3
			latest = time.Now().Add(time.Duration(r.Int64N(int64(longestFault))))
		}
	}
}
