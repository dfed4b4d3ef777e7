package outbox

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	poll = time.Second
	// grace is what deliveries under way get when the process is stopped.
	grace = 9 * time.Second
	// rewindEach is how often jobs are looked for that a clock set back makes wait.
	rewindEach = time.Minute
	// ahead is how far the clocks of two processes may be apart.
	ahead = 10 * time.Minute
)

// Lane is a line of jobs that waits for no other line: it has its own search for
// due jobs, its own number of jobs at once and its own wake-up.
type Lane struct {
	Name string // kept in the table: it never changes
	// Parallel is how many jobs of the lane one process works on at once.
	Parallel int
	// Longest is how long a delivery may take; 0 is 45 seconds. The job stays this
	// worker's meanwhile.
	Longest time.Duration
	// Most bounds the jobs that are queued in the lane; 0: as many as come. A lane that
	// strangers fill has a bound, and refuses with server.busy beyond it.
	Most int
	// Handlers by the kind of job; a kind belongs to one lane. Jobs of other kinds
	// stay queued, for a process that knows them.
	Handlers map[string]Handler
	// Idle reports that nothing can be delivered at the moment, such as without a
	// mail server: jobs then stay queued and don't age. May be nil.
	Idle func() bool
	// Observe is told of each attempt's end: "done", "retry", "dead" or
	// "dropped". It is called by several goroutines. May be nil.
	Observe func(kind, result string)
}

// lane is a Lane at work.
type lane struct {
	Lane
	db    *database.DB
	box   *secret.Box
	log   *slog.Logger
	lease time.Duration
	wake  chan struct{}
	done  chan id.ID // holds as many as there are jobs at once
}

// rouse makes run look for jobs now instead of within a second. It never blocks
// and is safe for concurrent use.
func (l *lane) rouse() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *lane) run(ctx context.Context) {
	// Work outlives ctx by the grace.
	working, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()

	tick := time.NewTicker(poll)
	defer tick.Stop()
	underWay, failing := map[id.ID]struct{}{}, false
	rewind := time.NewTicker(rewindEach)
	defer rewind.Stop()
	l.rewound(ctx)
	for ctx.Err() == nil {
		jobs, err := l.claim(ctx, l.Parallel-len(underWay), slices.Collect(maps.Keys(underWay))...)
		if err != nil && !failing && ctx.Err() == nil {
			l.log.ErrorContext(ctx, "the outbox can't be read", "error", err)
		}
		failing = err != nil
		for _, j := range jobs {
			underWay[j.ID] = struct{}{}
			go task.Try(working, l.log, "outbox job", func() { l.handle(working, j) })
		}
		select {
		case <-ctx.Done():
		case ended := <-l.done:
			delete(underWay, ended)
		case <-l.wake:
		case <-tick.C:
		case <-rewind.C:
			l.rewound(ctx)
		}
	}
	defer time.AfterFunc(grace, cut).Stop()
	for range underWay {
		<-l.done
	}
}

// rewound is rewind where nobody waits for it.
func (l *lane) rewound(ctx context.Context) {
	if err := l.rewind(ctx); err != nil && ctx.Err() == nil {
		l.log.ErrorContext(ctx, "waiting jobs can't be looked at", "error", err)
	}
}

// handle works on a claimed job and says when it has.
func (l *lane) handle(ctx context.Context, j Job) {
	defer func() { l.done <- j.ID }()
	if err := l.work(ctx, j); err != nil {
		l.log.ErrorContext(ctx, "an outbox job can't be settled",
			"kind", j.Kind, "job", j.ID.String(), "error", err)
	}
}

// runDue works off what is due, one job after the other.
func (l *lane) runDue(ctx context.Context) (int, error) {
	for n := 0; ; n++ {
		jobs, err := l.claim(ctx, 1)
		if err != nil || len(jobs) == 0 {
			return n, err
		}
		if err := l.work(ctx, jobs[0]); err != nil {
			return n + 1, err
		}
	}
}
