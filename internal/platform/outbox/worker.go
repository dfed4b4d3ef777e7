package outbox

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

// Config is what a Worker is made of.
type Config struct {
	DB    *database.DB
	Box   *secret.Box
	Lanes []Lane
	Log   *slog.Logger // nil: slog.Default()
}

// Worker works jobs off. Any number of them, in any number of processes, may
// share a store. Make one with NewWorker.
type Worker struct {
	db    *database.DB
	box   *secret.Box
	log   *slog.Logger
	lanes []*lane
}

// NewWorker makes a worker; it does nothing before Run or RunDue. It panics when
// two lanes share a name or a kind of job, and when one works on nothing at once.
func NewWorker(c Config) *Worker {
	w := &Worker{db: c.DB, box: c.Box, log: cmp.Or(c.Log, slog.Default())}
	for _, settings := range c.Lanes {
		_ = w.Open(settings)
	}
	return w
}

// Open adds a lane and gives the way into it, before Run or RunDue: for work whose
// handlers themselves queue into another lane. It panics where NewWorker does.
func (w *Worker) Open(settings Lane) Queue {
	settings.Longest = cmp.Or(settings.Longest, deliverFor)
	if settings.Name == "" || settings.Parallel < 1 || w.lane(settings.Name) != nil {
		panic(fmt.Sprintf("outbox: lane %q needs a name of its own and to work on a job at a time", settings.Name))
	}
	for kind := range settings.Handlers {
		for _, other := range w.lanes {
			if other.Handlers[kind] != nil {
				panic(fmt.Sprintf("outbox: %s is in the lanes %s and %s", kind, other.Name, settings.Name))
			}
		}
	}
	w.lanes = append(w.lanes, &lane{
		Lane: settings, db: w.db, box: w.box, log: w.log.With("lane", settings.Name),
		lease: lease, wake: make(chan struct{}, 1), done: make(chan id.ID, settings.Parallel),
	})
	return w.Queue(settings.Name)
}

func (w *Worker) lane(name string) *lane {
	for _, l := range w.lanes {
		if l.Name == name {
			return l
		}
	}
	return nil
}

// Queue is the way into a lane of this worker. It panics when there is none of
// that name.
func (w *Worker) Queue(name string) Queue {
	l := w.lane(name)
	if l == nil {
		panic(fmt.Sprintf("outbox: no lane %q", name))
	}
	return Queue{Box: w.box, Lane: name, Most: l.Most, Wake: l.rouse}
}

// Run works jobs off, each lane for itself, until ctx ends, and then waits for
// those under way, which get 9 more seconds. Call it once.
func (w *Worker) Run(ctx context.Context) {
	var lanes sync.WaitGroup
	for _, l := range w.lanes {
		lanes.Go(func() { task.Keep(ctx, l.log, "outbox lane", l.run) })
	}
	lanes.Wait()
}

// RunDue works off everything that is due now in any lane, one job after the
// other, and tells how many attempts that were. Deliveries that fail are no
// error.
func (w *Worker) RunDue(ctx context.Context) (int, error) {
	for n := 0; ; {
		before := n
		for _, l := range w.lanes {
			attempts, err := l.runDue(ctx)
			if n += attempts; err != nil {
				return n, err
			}
		}
		// The work of one lane may have queued some for another.
		if n == before {
			return n, nil
		}
	}
}
